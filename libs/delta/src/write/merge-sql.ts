import { identifier } from '@cinelake/sql'
import type { MergeOptions } from '../delta-table.ts'

type Sides = {
  /** Relations: rows that are there, rows that come. */
  readonly old: string
  readonly source: string
  readonly columns: readonly string[]
  readonly key: readonly string[]
  /** Whether a key of the new rows holds a null. */
  readonly nullable: boolean
}

/** Marks a side's rows, since any of their columns may be null. */
const THERE = identifier('cinelake.there')

/** SQL: the rows of the rewritten files after a merge, and the rows that are new. */
export function mergedRows(sides: Sides, resolve: MergeOptions['resolve']): string {
  return resolve === undefined ? replacedRows(sides) : resolvedRows(sides, resolve)
}

/** SQL: the files of the old rows, under `file`, that hold one of the keys. */
export function touchedFiles({ old, source, ...sides }: Omit<Sides, 'columns'>, fileColumn: string): string {
  return `SELECT DISTINCT old.${identifier(fileColumn)} AS file FROM ${old} AS old SEMI JOIN ${source} AS new ON ${sameKey(sides)}`
}

/** SQL in place of a table name: the old rows that have none of the keys of `source`. */
export function remainingRows({ old, source, ...sides }: Omit<Sides, 'columns'>): string {
  return `(SELECT old.* FROM ${old} AS old ANTI JOIN ${source} AS gone ON ${sameKey(sides, 'gone')})`
}

/** The usual merge needs no pairs: old rows without a new one, and all new ones. */
function replacedRows({ old, source, columns, ...sides }: Sides): string {
  const list = (side: string) => columns.map((column) => `${side}.${identifier(column)}`).join(', ')
  return `SELECT ${list('old')} FROM ${old} AS old ANTI JOIN ${source} AS new ON ${sameKey(sides)} UNION ALL SELECT ${list('new')} FROM ${source} AS new`
}

function resolvedRows(
  { old, source, columns, ...sides }: Sides,
  resolve: NonNullable<MergeOptions['resolve']>,
): string {
  const selected = columns.map((column) => {
    const [before, after] = [`old.${identifier(column)}`, `new.${identifier(column)}`]
    const both = resolve.columns?.[column] ?? after
    const met =
      resolve.when === undefined ? `(${both})` : `CASE WHEN (${resolve.when}) THEN (${both}) ELSE ${before} END`
    return `CASE WHEN new.${THERE} IS NULL THEN ${before} WHEN old.${THERE} IS NULL THEN ${after} ELSE ${met} END AS ${identifier(column)}`
  })
  const marked = (relation: string) => `(SELECT *, true AS ${THERE} FROM ${relation})`
  return `SELECT ${selected.join(', ')} FROM ${marked(old)} AS old FULL JOIN ${marked(source)} AS new ON ${sameKey(sides)}`
}

function sameKey({ key, nullable }: Pick<Sides, 'key' | 'nullable'>, side = 'new'): string {
  const equals = nullable ? 'IS NOT DISTINCT FROM' : '='
  return key.map((column) => `old.${identifier(column)} ${equals} ${side}.${identifier(column)}`).join(' AND ')
}
