import type { Place, Problems } from '@cinelake/config-text'
import { closestName, suggest } from '@cinelake/core'
import { identifier, type SqlComplaint } from '@cinelake/sql'
import { bindWindow, unboundOffset } from '../bind-window.ts'
import type { RowRule, TableRule } from '../checked-pipeline.ts'
import { describeOrComplain, type SqlAudit, type SqlTyper, type TypedColumn } from '../sql-typer.ts'
import { offsetInQuery, queryOver, ROWS } from '../sql/failing-rows.ts'
import {
  offsetAt,
  parseAhead,
  parseCondition,
  parseQuery,
  positionAt,
  scanSql,
  withoutPlaceholders,
} from '../sql/parse.ts'
import type { PlacedRule, PlacedRules } from '../text/quality.ts'

type RuleContext = {
  /** The table whose rows are checked. */
  readonly table: string
  readonly columns: readonly string[]
  /** Columns that are declared but invalid: not reported as unknown. */
  readonly broken: ReadonlySet<string>
  readonly typer: SqlTyper
  /** Whether the table is registered in the typer. */
  readonly isTyped: boolean
  readonly problems: Problems
}

/** Checks that every rule is SQL over the table's columns and returns the expected type: a condition, or a number. */
export async function checkRules(rules: PlacedRules, context: RuleContext): Promise<void> {
  await parseAhead(context.typer, textsOf(rules))
  for (const row of rules.rows) await checkRow(row, context)
  for (const table of rules.tables) await checkTable(table, context)
}

/** The SQL of rules that has to be parsed. */
export function textsOf({ rows, tables }: PlacedRules): Parameters<typeof parseAhead>[1] {
  return {
    queries: tables.map(({ rule }) => queryOver(rule.query)),
    conditions: rows.map(({ rule }) => rule.expression),
  }
}

async function checkRow(row: PlacedRule<RowRule>, context: RuleContext): Promise<void> {
  const { columns, problems, typer, isTyped, table } = context
  const { expression, name } = row.rule
  const at = placesInRule(row, expression)
  const parsed = await parseCondition(typer, expression)
  if ('message' in parsed) {
    problems.error(
      at(parsed.offset),
      `the rule \`${name}\` cannot be parsed: ${parsed.message}`,
      "write a SQL condition over the columns, such as 'score between 0 and 10'",
    )
    return
  }
  const [read] = parsed.tables
  if (read !== undefined) {
    problems.error(
      at(read.offset),
      `the rule \`${name}\` reads the table \`${read.name}\``,
      'a condition sees one row alone: write a model, or a rule with a query',
    )
    return
  }
  const isForbidden = await reportForbidden(name, { sql: expression, tables: [], as: 'condition' }, { at, context })
  const unknown = parsed.columns.filter((column) => !has(columns, column.qualifier ?? column.name))
  for (const column of unknown) {
    if (context.broken.has(column.name)) continue
    problems.error(
      at(column.offset),
      `the rule \`${name}\` names the unknown column \`${column.name}\``,
      suggest(column.name, columns),
    )
  }
  if (unknown.length > 0 || isForbidden || !isTyped) return
  const typed = await sqlTypeOf(
    typer,
    { sql: expression, at, before: 'SELECT (', after: `\n) AS verdict FROM ${identifier(table)}`, names: columns },
    problems,
  )
  const type = typed?.[0]?.type
  if (type !== undefined && type !== 'BOOLEAN') {
    problems.error(
      at(0),
      `the rule \`${name}\` is no condition: it gives ${type}`,
      "write something that is true or false, such as 'score between 0 and 10'",
    )
  }
}

async function checkTable(table: PlacedRule<TableRule>, context: RuleContext): Promise<void> {
  const { problems, typer, isTyped } = context
  const { query, name } = table.rule
  const inQuery = placesInRule(table, query)
  const at = (offset: number) => inQuery(offsetInQuery(query, ROWS, offset))
  const parsed = await parseQuery(typer, queryOver(query))
  if ('message' in parsed) {
    problems.error(
      at(parsed.offset),
      `the rule \`${name}\` cannot be parsed: ${parsed.message}`,
      'write a query with one number, such as SELECT count(*) FROM {table} WHERE …',
    )
    return
  }
  const others = parsed.tables.filter((read) => read.name !== ROWS)
  for (const other of others) {
    problems.error(
      at(other.offset),
      `the rule \`${name}\` reads the table \`${other.name}\``,
      'a rule sees its own rows alone, as `{table}`: write a model for what needs more',
    )
  }
  if (parsed.tables.length === 0) {
    problems.error(at(0), `the rule \`${name}\` does not read the rows`, 'write `FROM {table}`')
  }
  const read = parsed.tables.map((table) => table.name)
  const isForbidden = await reportForbidden(name, { sql: queryOver(query), tables: read }, { at, context })
  if (others.length > 0 || isForbidden || !isTyped || context.broken.size > 0) return
  const quoted = identifier(context.table)
  const typed = await sqlTypeOf(
    typer,
    {
      sql: queryOver(query, quoted),
      at: (offset) => inQuery(offsetInQuery(query, quoted, offset)),
      names: context.columns,
    },
    problems,
  )
  if (typed === undefined) return
  const [first] = typed
  if (first !== undefined && typed.length === 1 && NUMBER.test(first.type)) return
  const given = typed.map(({ type }) => type).join(', ')
  problems.error(
    at(0),
    `the rule \`${name}\` gives ${given}`,
    'write a query with one number, such as SELECT count(*) FROM {table} WHERE …',
  )
}

/** Rules have to be deterministic: the same rows give the same result. */
async function reportForbidden(
  name: string,
  query: SqlAudit & { readonly sql: string },
  { at, context }: { readonly at: (offset: number) => Place; readonly context: RuleContext },
): Promise<boolean> {
  const { typer, problems } = context
  const refused = await refusalsOf(typer, query)
  const found = refused.map(({ offset, message }) => ({ offset, message }))
  for (const { kind, text, offset } of scanSql(query.sql)) {
    if (kind === 'placeholder') found.push({ offset, message: `\`${text}\` stands for nothing in a rule` })
  }
  for (const { offset, message } of found) {
    problems.error(
      at(offset),
      `the rule \`${name}\` depends on more than its rows: ${message}`,
      'compare with columns, or let a model say which rows are wrong (`_reject`), where `:window_end` is known',
    )
  }
  return found.length > 0
}

const NUMBER = /^(?:U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|DOUBLE|FLOAT|DECIMAL.*)$/

/** Places in a rule's SQL; all of it has one place if it was generated. */
function placesInRule(rule: PlacedRule<unknown>, sql: string): (offset: number) => Place {
  return (offset) => {
    const { line, column } = positionAt(sql, offset)
    return rule.sqlAt?.(line, column) ?? rule.at
  }
}

const has = (columns: readonly string[], name: string) =>
  columns.some((column) => column.toLowerCase() === name.toLowerCase())

/** A window to type queries with. Its value is arbitrary: types do not depend on it. */
const SOME_WINDOW = { start: '2000-01-01T00:00:00Z', end: '2000-01-02T00:00:00Z' }

type SqlToType = {
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

type Refusal = { readonly offset: number; readonly message: string; readonly remedy: string }

/** The columns of a query as inferred by the engine; its errors are reported at their places. */
export async function sqlTypeOf(
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
