import { bindWindow, unboundOffset } from '../bind-window.ts'
import { closestName, suggest } from '@cinelake/core'
import type { Place, Problems } from '@cinelake/config-text'
import { withoutPlaceholders } from '../sql/parse.ts'
import { offsetAt } from '../sql/position.ts'
import type { SqlComplaint } from '@cinelake/sql'
import { describeOrComplain, type SqlAudit, type SqlTyper, type TypedColumn } from '../sql-typer.ts'

/** A window to type queries with. Its value is arbitrary: types do not depend on it. */
const SOME_WINDOW = { start: '2000-01-01T00:00:00Z', end: '2000-01-02T00:00:00Z' }

export type SqlToType = {
  readonly sql: string
  /** The place of an offset in `sql`. */
  readonly at: (offset: number) => Place
  /** The text around `sql` when it is typed. */
  readonly before?: string
  readonly after?: string
  /** Suggestions for a misspelled name. */
  readonly names: readonly string[]
}

/**
 * Reports constructs of a query or condition other than computing over its tables, each with its place in the text. Uses the
 * engine's parser, so that the spelling of a name does not matter.
 */
export async function refusalsOf(
  typer: SqlTyper,
  { sql, ...options }: SqlAudit & { readonly sql: string },
): Promise<readonly Refusal[]> {
  const refused = await typer.audit(withoutPlaceholders(sql), options)
  return refused.map(({ name, message, remedy, position, choices }) => {
    const closest = choices === undefined ? undefined : closestName(name, choices)
    return {
      offset: position === undefined ? 0 : offsetAt(sql, position),
      message,
      remedy: closest === undefined ? remedy : `did you mean \`${closest}\`?`,
    }
  })
}

export type Refusal = { readonly offset: number; readonly message: string; readonly remedy: string }

/** The columns of a query as inferred by the engine; its errors are reported at their places. */
export async function typeOf(
  typer: SqlTyper,
  query: SqlToType,
  problems: Problems,
): Promise<readonly TypedColumn[] | undefined> {
  const { sql, at, before = '', after = '', names } = query
  const bound = `${before}${bindWindow(sql, SOME_WINDOW)}${after}`
  const result = await describeOrComplain(typer, bound)
  if (!('message' in result)) return result
  const inside = result.position === undefined ? 0 : offsetAt(bound, result.position) - before.length
  problems.error(
    at(unboundOffset(sql, SOME_WINDOW, Math.max(0, inside))),
    `the engine refuses the SQL: ${headOf(result)}`,
    remedyFor(result, names),
  )
  return undefined
}

function headOf({ message }: SqlComplaint): string {
  return message.replace(/\s*(?:Candidate bindings|Did you mean)[\s\S]*$/i, '').replace(/[!.,]+$/, '')
}

function remedyFor({ message }: SqlComplaint, names: readonly string[]): string {
  const candidates = /Candidate bindings: (.*?)(?: LINE|$)/i.exec(message)?.[1]
  const offered = [...(candidates ?? '').matchAll(/"([^"]+)"/g)].map(([, name = '']) => name)
  const meant = /Did you mean "?([^"?]+)"?\?/i.exec(message)?.[1]
  const missing = /(?:column named|with name|named|column) "?([\w.]+)"?/i.exec(message)?.[1]?.split('.').at(-1)
  const ungrouped = /column "?([^"]+?)"? must appear in the GROUP BY/i.exec(message)?.[1]
  if (ungrouped !== undefined)
    return `add \`${ungrouped}\` to GROUP BY, or use an aggregate of it, such as \`max(${ungrouped})\``
  // If the name exists as written, the error has another reason.
  const others = [...names, ...offered].filter((name) => name.toLowerCase() !== missing?.toLowerCase())
  const closest = missing === undefined ? undefined : closestName(missing, others)
  if (closest !== undefined) return `did you mean \`${closest}\`?`
  if (meant !== undefined && meant.toLowerCase() !== missing?.toLowerCase()) return `did you mean \`${meant}\`?`
  if (
    missing !== undefined &&
    /not found|does not (?:exist|have)/i.test(message) &&
    /column|table/i.test(message) &&
    !/function/i.test(message)
  ) {
    return suggest(missing, others)
  }
  return 'correct the SQL: its inputs have the columns of their contracts or models, and `_window`'
}
