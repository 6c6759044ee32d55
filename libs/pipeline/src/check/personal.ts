import type { CheckedColumn } from '../checked/dataset.ts'
import { compare } from '../problem.ts'
import { lineageOf, ROWS, type Origin } from '../sql/lineage.ts'
import type { TypedColumn } from '../sql-typer.ts'

/** Personal data in a column of a refined table. */
export type Personal = {
  readonly allowedIn: NonNullable<CheckedColumn['personal']>['allowedIn']
  /** The contracts' columns that it comes from: `users.email`. */
  readonly from: readonly string[]
}

/** A refined table as models and analysts see it. */
export type RefinedTable = {
  readonly name: string
  readonly columns: readonly TypedColumn[]
  /** By lower-case column name; under `ROWS` what the number of its rows tells of. */
  readonly personal: ReadonlyMap<string, Personal>
  /** What the columns mean, by name. */
  readonly descriptions: Readonly<Record<string, string>>
}

/**
 * The personal columns of a query's result, by lower-case name. Where it cannot be told what a column is made of, it is
 * taken for personal when it could be: when any input has personal data.
 */
export function personalColumns(
  sql: string,
  inputs: readonly RefinedTable[],
  columns: readonly TypedColumn[],
): Map<string, Personal> {
  const found = new Map<string, Personal>()
  if (inputs.every((input) => input.personal.size === 0)) return found
  const lineage =
    lineageOf(sql, inputs, columns) ??
    new Map<string, undefined>(
      [...columns.map(({ name }) => name.toLowerCase()), ROWS].map((name) => [name, undefined]),
    )
  for (const [name, origins] of lineage) {
    const personal =
      origins === undefined ? everything(inputs) : origins.flatMap((origin) => personalOf(origin, inputs))
    const merged = merge(personal)
    if (merged !== undefined) found.set(name, merged)
  }
  return found
}

function personalOf(origin: Origin, inputs: readonly RefinedTable[]): Personal[] {
  const column = origin.column.toLowerCase()
  const table = inputs.find((input) => input.name.toLowerCase() === origin.table?.toLowerCase())
  if (table !== undefined) return present(table.personal.get(column))
  // A column of something that was not followed: of that name where an input has one, else a whole row or a made-up name.
  const named = inputs.filter((input) => input.columns.some(({ name }) => name.toLowerCase() === column))
  return named.length > 0 ? named.flatMap((input) => present(input.personal.get(column))) : everything(inputs)
}

const everything = (inputs: readonly RefinedTable[]) => inputs.flatMap((input) => [...input.personal.values()])
const present = (personal: Personal | undefined) => (personal === undefined ? [] : [personal])

/** Data of several columns goes only where each of them may. */
function merge(personal: readonly Personal[]): Personal | undefined {
  const [first] = personal
  if (first === undefined) return undefined
  return {
    allowedIn: first.allowedIn.filter((zone) => personal.every(({ allowedIn }) => allowedIn.includes(zone))),
    from: [...new Set(personal.flatMap(({ from }) => from))].sort(compare),
  }
}
