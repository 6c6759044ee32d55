import type { CheckedColumn } from '@cinelake/source-kind'
import { compare } from '@cinelake/config-text'
import { lineageOf, type Origin } from '../sql/lineage.ts'
import type { ParsedQuery } from '../sql/parse.ts'
import type { TypedColumn } from '../sql-typer.ts'

/** Personal data in a column of a refined table. */
export type Personal = {
  readonly allowedIn: NonNullable<CheckedColumn['personal']>['allowedIn']
  /** The contracts' columns that it is derived from: `users.email`. */
  readonly from: readonly string[]
}

/** A refined table as models and analysts see it. */
export type RefinedTable = {
  readonly name: string
  readonly columns: readonly TypedColumn[]
  /** By lower-case column name; under `ROWS` the personal data that the number of its rows reveals. */
  readonly personal: ReadonlyMap<string, Personal>
  /** Descriptions of the columns, by name. */
  readonly descriptions: Readonly<Record<string, string>>
}

/**
 * The personal columns of a query's result, by lower-case name. If the lineage of a column is unknown, it
 * counts as personal if any input has personal data.
 */
export function personalColumns(
  { tree }: Pick<ParsedQuery, 'tree'>,
  inputs: readonly RefinedTable[],
  columns: readonly TypedColumn[],
): Map<string, Personal> {
  const found = new Map<string, Personal>()
  if (inputs.every((input) => input.personal.size === 0)) return found
  for (const [name, origins] of lineageOf(tree, inputs, columns)) {
    const personal =
      origins === undefined ? everything(inputs) : origins.flatMap((origin) => personalOf(origin, inputs))
    const merged = merge(personal)
    if (merged !== undefined) found.set(name, merged)
  }
  return found
}

function personalOf({ table, column }: Origin, inputs: readonly RefinedTable[]): Personal[] {
  const personal = inputs.find(({ name }) => name === table)?.personal.get(column.toLowerCase())
  return personal === undefined ? [] : [personal]
}

const everything = (inputs: readonly RefinedTable[]) => inputs.flatMap((input) => [...input.personal.values()])

/** Data derived from several columns may go only where each of them may. */
function merge(personal: readonly Personal[]): Personal | undefined {
  const [first] = personal
  if (first === undefined) return undefined
  return {
    allowedIn: first.allowedIn.filter((zone) => personal.every(({ allowedIn }) => allowedIn.includes(zone))),
    from: [...new Set(personal.flatMap(({ from }) => from))].sort(compare),
  }
}
