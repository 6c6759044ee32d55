import { identifier, identifiers } from '@cinelake/sql'
import type { AddFile } from '../log/actions.ts'
import { sameFields } from './columns.ts'
import { signalOf } from './commit.ts'
import type { TablePlace } from './data-files.ts'
import type { CommitOptions, ParquetSql } from '../delta-table.ts'
import type { LogState } from '../log/state.ts'
import { readableShape } from '../log/protocol.ts'
import type { FileRows } from './file-rows.ts'
import { statisticsOf } from '../log/statistics.ts'
import type { DeltaField } from '../log/types.ts'
import { openFiles } from '../read/view.ts'

type PartitionValues = AddFile['partitionValues']

/** A partition by its values; a table without partitions is one. */
export function partitionKey(partitionBy: readonly string[], values: PartitionValues): string {
  return JSON.stringify(partitionBy.map((name) => values[name] ?? null))
}

/**
 * The partitions of staged rows that hold just what the table has in them already, whatever the order of the rows. Only
 * partitions of which both have the same number of rows are read. Where neither has any row, it is the one of no
 * values.
 */
export async function samePartitions(
  place: TablePlace,
  session: ParquetSql,
  state: LogState,
  staged: FileRows,
  options: CommitOptions,
): Promise<ReadonlySet<string>> {
  const shape = readableShape(place.path, state)
  const { partitionBy } = staged
  if (!sameFields(shape.fields, staged.fields)) return new Set()
  if (shape.metaData.partitionColumns.join('\n') !== partitionBy.join('\n')) return new Set()

  const known = countRows(partitionBy, [...state.files.values()], (add) => statisticsOf(add).rowCount ?? NaN)
  const given = countRows(partitionBy, staged.parts, ({ count }) => count)
  if (staged.rowCount === 0) return new Set(known.size === 0 ? [partitionKey(partitionBy, {})] : [])
  const equal = new Set([...given].filter(([key, count]) => known.get(key) === count).map(([key]) => key))
  if (equal.size === 0) return equal

  const isEqual = (file: { readonly partitionValues: PartitionValues }) =>
    equal.has(partitionKey(partitionBy, file.partitionValues))
  const files = [...state.files.values()].filter(isEqual)
  await using before = await openFiles(place, { state, shape, files }, signalOf(options))
  await using after = await staged.open(signalOf(options), isEqual)
  const sql = equalPartitions(staged, before.relation, after.relation)
  const rows = await session.rows<Record<string, string | null>>(sql, signalOf(options))
  return new Set(rows.map((row) => partitionKey(partitionBy, row)))
}

/**
 * SQL: the values of the partitions, as texts, whose rows are the same in two relations. A hash is compared and not
 * kept. Hashed twice, since DuckDB joins the hashes of a row's columns by exclusive or: in a sum of such, values that
 * change places between two rows could cancel out.
 */
function equalPartitions({ fields, partitionBy }: FileRows, before: string, after: string): string {
  const values = fields.filter(({ name }) => !partitionBy.includes(name)).flatMap(hashable)
  const partition = partitionBy.map((name) => `CAST(${identifier(name)} AS VARCHAR) AS ${identifier(name)}, `).join('')
  const groups = partitionBy.length === 0 ? '' : ` GROUP BY ${identifiers(partitionBy)}`
  const digested = (relation: string) =>
    `(SELECT ${partition}sum(hash(hash(${values.join(', ')}))) AS "cinelake.digest" FROM ${relation}${groups})`
  const same = [...partitionBy, 'cinelake.digest'].map(
    (name) => `before.${identifier(name)} IS NOT DISTINCT FROM after.${identifier(name)}`,
  )
  return `SELECT before.* FROM ${digested(before)} AS before JOIN ${digested(after)} AS after ON ${same.join(' AND ')}`
}

/** The hash input of a column's values. DuckDB's own hash is equal for some different values. */
function hashable({ name, type }: DeltaField): string[] {
  const column = identifier(name)
  // No list, an empty one and one of null; and lists of two columns, whose members could be cut apart elsewhere.
  if (typeof type !== 'string') return [`to_json(${column})`]
  // Zero, and the zero below it.
  return type === 'float' || type === 'double' ? [column, `signbit(${column})`] : [column]
}

function countRows<File extends { readonly partitionValues: PartitionValues }>(
  partitionBy: readonly string[],
  files: readonly File[],
  countOf: (file: File) => number,
): Map<string, number> {
  const counts = new Map<string, number>()
  for (const file of files) {
    const key = partitionKey(partitionBy, file.partitionValues)
    counts.set(key, (counts.get(key) ?? 0) + countOf(file))
  }
  return counts
}
