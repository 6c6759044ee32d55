import { TerminalError, suggest } from '@cinelake/core'
import { SqlInvalidError } from '@cinelake/engine'
import type { Lake } from '@cinelake/lake'
import { type Warehouse, WarehouseQueryError } from '@cinelake/warehouse'
import { CALL } from '../command.ts'
import { refinedTablesNamed } from '../lake-tables.ts'
import widthOf from 'string-width'

/** A name that a query can use. */
export type LakeName = {
  /** As it is written: `orders`, or with its pipeline where several have one of that name. */
  readonly written: string
  readonly table: string
  /** Whether several pipelines have one of that name. */
  readonly isShared: boolean
  readonly isOfRejects: boolean
}

/** The error of a failed query, with the place and a suggestion. */
class QueryProblem extends TerminalError {
  readonly code: string

  constructor(
    { code, context }: TerminalError,
    problem: string,
    {
      sql,
      position,
      hint,
    }: { readonly sql: string; readonly position: number | undefined; readonly hint: string | undefined },
    options: ErrorOptions,
  ) {
    const place = position === undefined ? '' : ` [position=${position}]`
    const lines = [
      `the query does not run${place}: ${problem}`,
      ...(position === undefined ? [] : pointTo(sql, position)),
      ...(hint === undefined ? [] : [hint]),
    ]
    super(lines.join('\n  '), { ...context, ...(position === undefined ? {} : { position }) }, options)
    this.code = code
  }
}

/**
 * Explains the failure of a query on the mart, with the names in the mart.
 * @param openLake whose tables may be meant; opened only where the mart has no such table
 */
export async function martProblem(
  error: unknown,
  sql: string,
  { warehouse, openLake }: { readonly warehouse: Warehouse; readonly openLake: () => Promise<Lake | undefined> },
): Promise<unknown> {
  if (!(error instanceof WarehouseQueryError)) return error
  const { position, problem, unknown } = error
  let hint: string | undefined
  if (unknown !== undefined) {
    const tables = await warehouse.describe()
    if (unknown.kind === 'table') {
      const wanted = unknown.name.replace(/^.*\./, '')
      hint =
        (await hintOfLake(unknown.name, openLake)) ??
        suggest(
          wanted,
          tables.map(({ name }) => name),
          'the mart has no tables yet: run a pipeline first',
        )
    } else {
      const mentioned = tables.filter(({ name }) => mentions(sql, name))
      hint = suggest(
        unknown.name.replace(/^.*\./, ''),
        (mentioned.length > 0 ? mentioned : tables).flatMap(({ columns }) => columns.map(({ name }) => name)),
        'see `cinelake tables`',
      )
    }
  }
  return new QueryProblem(error, problem, { sql, position, hint }, { cause: undefined })
}

/** A reader of the mart may not have access to the lake: then there is no hint. */
async function hintOfLake(name: string, openLake: () => Promise<Lake | undefined>): Promise<string | undefined> {
  try {
    await using lake = await openLake()
    return await refinedOnly(lake, name)
  } catch {
    return undefined
  }
}

/** Whether a query on the lake names a table, or a pipeline, that does not exist. */
export function isOfMissingTable(error: unknown): boolean {
  return error instanceof SqlInvalidError && /\b(?:table|schema|catalog)\b.* does not exist/i.test(error.message)
}

/** Explains the failure of a query on the lake, with the names in the lake. */
export function lakeProblem(error: unknown, sql: string, names: readonly LakeName[]): unknown {
  if (!(error instanceof SqlInvalidError)) return error
  const said = error.message.replace(/^SQL is not valid(?: \[[^\]]*\])?: /, '')
  const missing = /Table with name (\S+) does not exist/.exec(said)?.[1]
  const position = offsetOf(sql, error.position)
  const { problem, hint } =
    missing === undefined ? { problem: said, hint: undefined } : notThere(missing, placeIn(sql, position), names)
  return new QueryProblem(error, problem, { sql, position, hint }, { cause: undefined })
}

/** The rest of a query from a position on. */
function placeIn(sql: string, position: number | undefined): string | undefined {
  return position === undefined
    ? undefined
    : Array.from(sql)
        .slice(position - 1)
        .join('')
}

/** @param place the query from the name on */
function notThere(missing: string, place: string | undefined, names: readonly LakeName[]) {
  const table = missing.replace(/@\d+$/, '').toLowerCase()
  const isOfRejects = place === undefined ? undefined : /^"?_rejects"?\s*\./i.test(place)
  const shared = names.filter((name) => name.isShared && name.table.toLowerCase() === table)
  const meant = shared.filter((name) => name.isOfRejects === (isOfRejects ?? name.isOfRejects))
  if (meant.length > 0) {
    const hint = `write ${meant.map(({ written }) => written).join(' or ')}`
    return { problem: `several pipelines have a table ${missing}`, hint }
  }
  const known = names.map(({ written }) => written)
  return {
    problem: `there is no table ${missing}`,
    hint: suggest(missing, known, 'the lake has no tables yet: run a pipeline first'),
  }
}

/** Whether a text contains a name as a separate word. */
export function mentions(sql: string, name: string): boolean {
  return new RegExp(`(?<![\\w@])${RegExp.escape(name)}(?![\\w@])`, 'i').test(sql)
}

function offsetOf(sql: string, position: SqlInvalidError['position']): number | undefined {
  if (position === undefined) return undefined
  const before = sql.split('\n').slice(0, position.line - 1)
  return before.reduce((sum, line) => sum + line.length + 1, 0) + position.column
}

/** Characters of a line that are shown before and after the place. */
const BEFORE = 50
const AFTER = 30

/** The line of a place, and a caret under it. @param position characters from 1 */
function pointTo(sql: string, position: number): string[] {
  // Databases count characters, JavaScript counts UTF-16 units.
  const characters = Array.from(sql)
  const at = Math.min(position, characters.length + 1) - 1
  const start = characters.lastIndexOf('\n', at - 1) + 1
  const next = characters.indexOf('\n', at)
  const end = next < 0 ? characters.length : next
  const from = Math.max(start, at - BEFORE)
  const to = Math.min(end, at + AFTER)
  const shown = (begin: number, stop: number) => characters.slice(begin, stop).join('').replaceAll(/\s/g, ' ')
  const lead = from > start ? '…' : ''
  const line = `${lead}${shown(from, to)}${to < end ? '…' : ''}`
  return [line, `${' '.repeat(widthOf(`${lead}${shown(from, at)}`))}^`]
}

/**
 * A hint where the mart has no such table but the lake has.
 * @param lake undefined where the lake does not exist
 * @param name as the user wrote it, with or without a schema
 * @returns undefined where no pipeline has such a table
 */
export async function refinedOnly(lake: Lake | undefined, name: string): Promise<string | undefined> {
  const found = lake === undefined ? [] : await refinedTablesNamed(lake, name.replace(/^.*\./, ''))
  const [only, ...others] = found.map(({ pipeline, table }) => (found.length === 1 ? table : `${pipeline}.${table}`))
  if (only === undefined) return undefined
  const tables =
    others.length === 0 ? `${only} is a refined table` : `${[only, ...others].join(' and ')} are refined tables`
  return `${tables}, and the mart has none of that name: \`${CALL} query --lake "SELECT * FROM ${only}"\` reads it in the lake; to have it in the mart, name it under \`serve\` in pipeline.yaml`
}
