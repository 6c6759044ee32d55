import { identifiers, literal } from '@cinelake/sql'
import { join } from 'node:path'
import type { CallOptions } from '@cinelake/lake'
import type { AddFile } from '../log/actions.ts'
import type { ColumnPlan } from './columns.ts'
import type { ParquetSql } from '../delta-table.ts'
import { deltaErrors } from '../errors.ts'
import { relationOf } from '../read/relation.ts'
import type { WrittenFile } from '../log/statistics.ts'

/**
 * Size of the files that rows are split into: large enough to read fast, small enough that a merge rewrites little. DuckDB
 * looks at it after each row group, so files are somewhat larger.
 */
const FILE_SIZE = '128MB'

export type RowsToCopy = {
  readonly query: string
  readonly columns: ColumnPlan
  readonly partitionBy: readonly string[]
}

/** A data file on this machine, not yet in the lake. */
export type LocalDataFile = WrittenFile & Pick<AddFile, 'partitionValues'>

/** Writes a query's rows as Parquet below a local directory. No rows, no file. */
export async function copyRows(
  session: ParquetSql,
  rows: RowsToCopy,
  directory: string,
  options: CallOptions,
): Promise<LocalDataFile[]> {
  const written = await copyOnce(session, rows, join(directory, 'rows'), options)
  return isFragmented(written) ? await gather(session, rows, written, join(directory, 'gathered'), options) : written
}

/** The same rows, one partition after the other. Read from what was written: the query may be costly, or not repeatable. */
export async function gather(
  session: ParquetSql,
  { columns, partitionBy }: Omit<RowsToCopy, 'query'>,
  files: readonly LocalDataFile[],
  directory: string,
  options: CallOptions,
): Promise<LocalDataFile[]> {
  const readable = files.map((file) => ({ local: file.filename, partitionValues: file.partitionValues, uniform: true }))
  const relation = relationOf(readable, { fields: columns.fields, partitionBy })
  const select = identifiers(columns.fields.map((field) => field.name))
  const query = `FROM ${relation} ORDER BY ${identifiers(partitionBy)}`
  return await copyOnce(session, { query, columns: { ...columns, select }, partitionBy }, directory, options)
}

/**
 * DuckDB keeps 100 partitions open and begins a new file whenever it comes back to another one: many partitions come out
 * as thousands of slivers.
 */
export function isFragmented(files: readonly LocalDataFile[]): boolean {
  return files.length > 2 * new Set(files.map((file) => JSON.stringify(file.partitionValues))).size
}

/** @throws {DELTA_PARTITION_INVALID} a partition column holds empty text */
export function checkPartitionValues(table: string, files: readonly Pick<AddFile, 'partitionValues'>[]): void {
  for (const { partitionValues } of files) {
    const empty = Object.entries(partitionValues).find(([, value]) => value === '')
    if (empty !== undefined) throw deltaErrors.DELTA_PARTITION_INVALID(table, empty[0])
  }
}

export async function copyOnce(
  session: ParquetSql,
  { query, columns, partitionBy }: RowsToCopy,
  directory: string,
  options: CallOptions,
): Promise<LocalDataFile[]> {
  const format = ['FORMAT parquet', 'COMPRESSION zstd', 'RETURN_STATS', "FILENAME_PATTERN 'part-{uuid}'"]
  if (partitionBy.length > 0) format.push(`PARTITION_BY (${identifiers(partitionBy)})`)
  else format.push(`FILE_SIZE_BYTES ${literal(FILE_SIZE)}`)
  const sql = `COPY (SELECT ${columns.select} FROM (${query}\n)) TO ${literal(directory)} (${format.join(', ')})`
  const written = await session.rows<WrittenFile>(sql, options)
  return written
    .filter((file) => file.count > 0)
    .map((file) => ({
      ...file,
      partitionValues: Object.fromEntries((file.partition_keys ?? []).map(({ key, value }) => [key, value])),
    }))
}
