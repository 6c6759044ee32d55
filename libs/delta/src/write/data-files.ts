import { type Clock, type Log, concurrently } from '@cinelake/core'
import type { CallOptions, Lake } from '@cinelake/lake'
import { identifiers, literal } from '@cinelake/sql'
import { join } from 'node:path'
import type { ParquetSql } from '../delta-table.ts'
import { deltaErrors } from '../errors.ts'
import type { AddFile } from '../log/actions.ts'
import { CHECKSUM_TAG, checksumOfFile } from '../log/json.ts'
import { decodePath, encodePath } from '../log/paths.ts'
import { type WrittenFile, statsOf } from '../log/statistics.ts'
import { partitionFolder, relationOf } from '../read/relation.ts'
import { type ColumnPlan, columnsDigest } from './columns.ts'

/** A table's location, clock and source of ids. */
export type TablePlace = {
  readonly lake: Lake
  readonly path: string
  readonly clock: Clock
  /** A new UUID. */
  readonly random: () => string
  readonly log: Log
}

const UPLOADS_AT_ONCE = 4

/** The `add.tags` entry with a digest of the columns that a file was written with. Files of other writers lack it. */
export const COLUMNS_TAG = 'cinelake.columns'

/** The layout of a table's files: its columns, and one folder per partition. */
export type Layout = { readonly columns: Pick<ColumnPlan, 'fields'>; readonly partitionBy: readonly string[] }

/**
 * The data files that one commit writes. They are invisible until a commit names them; the others are deleted again, or
 * after a kill by `vacuum`.
 */
export class DataFiles {
  readonly #place: TablePlace
  readonly #uploaded = new Map<string, string>()

  constructor(place: TablePlace) {
    this.#place = place
  }

  /**
   * Writes a query's rows as Parquet and brings the files into the lake. No rows, no file.
   * @throws {DELTA_PARTITION_INVALID} a partition column holds empty text
   */
  async write(session: ParquetSql, rows: RowsToCopy, options: CallOptions): Promise<AddFile[]> {
    await using scratch = await this.#place.lake.scratch()
    const files = await copyRows(session, rows, scratch.directory, options)
    checkPartitionValues(this.#place.path, files)
    return await this.bring(files, rows, options)
  }

  /** Uploads existing files into the lake; they may be moved away. */
  async bring(files: readonly LocalDataFile[], layout: Layout, options: CallOptions): Promise<AddFile[]> {
    return await concurrently(files, UPLOADS_AT_ONCE, async (file) => await this.#upload(file, layout, options))
  }

  /** Adopts files that another engine has put into the table's folder. */
  adopt(files: readonly AddFile[]): void {
    for (const { path } of files) this.#uploaded.set(path, `${this.#place.path}/${decodePath(path)}`)
  }

  /**
   * Deletes uploaded files that a commit does not name. Fails silently: leftovers are found by `vacuum`.
   */
  async discardExcept(kept: ReadonlySet<string>): Promise<void> {
    const unused = [...this.#uploaded].filter(([logPath]) => !kept.has(logPath))
    await concurrently(unused, UPLOADS_AT_ONCE, async ([logPath, lakePath]) => {
      await this.#place.lake.delete(lakePath).catch(() => false)
      this.#uploaded.delete(logPath)
    })
  }

  async #upload(file: LocalDataFile, layout: Layout, options: CallOptions): Promise<AddFile> {
    const { lake, path, clock, random } = this.#place
    const { partitionValues } = file
    const name = `${partitionFolder(layout.partitionBy, partitionValues)}part-${random()}.zstd.parquet`
    const logPath = encodePath(name)
    // Noted first: an upload that fails half-way may have left something.
    this.#uploaded.set(logPath, `${path}/${name}`)
    const checksum = await checksumOfFile(file.filename)
    await lake.upload(file.filename, `${path}/${name}`, options)
    return {
      path: logPath,
      partitionValues,
      size: file.file_size_bytes,
      modificationTime: clock().getTime(),
      dataChange: true,
      stats: statsOf(file, layout.columns.fields),
      tags: { [COLUMNS_TAG]: columnsDigest(layout.columns.fields), [CHECKSUM_TAG]: checksum },
    }
  }
}

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
async function copyRows(
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
