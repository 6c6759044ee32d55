import { join } from 'node:path'
import type { CallOptions, Lake } from '@cinelake/lake'
import type { Clock, Log } from '@cinelake/core'
import type { AddFile } from './actions.ts'
import { columnsDigest, type ColumnPlan } from './columns.ts'
import { concurrently } from './concurrently.ts'
import type { ParquetSql } from './delta-table.ts'
import { DeltaPartitionError } from './errors.ts'
import { encodePath } from './log-paths.ts'
import { partitionFolder } from './partitions.ts'
import { relationOf } from './relation.ts'
import { identifiers, literal } from './sql.ts'
import { statsOf, type WrittenFile } from './statistics.ts'

/** Where a table is, and what time and randomness it has. */
export type TablePlace = {
  readonly lake: Lake
  readonly path: string
  readonly clock: Clock
  /** A new UUID. */
  readonly random: () => string
  readonly log: Log
}

/**
 * Size of the files that rows are split into: large enough to read fast, small enough that a merge rewrites little. DuckDB
 * looks at it after each row group, so files are somewhat larger.
 */
const FILE_SIZE = '128MB'

const UPLOADS_AT_ONCE = 4

/** The `add.tags` entry with a digest of the columns that a file was written with. Files of other writers lack it. */
export const COLUMNS_TAG = 'cinelake.columns'

export type DataToWrite = {
  readonly query: string
  readonly columns: ColumnPlan
  readonly partitionBy: readonly string[]
}

/**
 * The data files that one commit writes. Until a commit names them nobody sees them; those that no commit will name are
 * deleted again, except after a kill, which `vacuum` cleans up after.
 */
export class DataFiles {
  readonly #place: TablePlace
  readonly #uploaded = new Map<string, string>()

  constructor(place: TablePlace) {
    this.#place = place
  }

  /**
   * Writes a query's rows as Parquet and brings the files into the lake. No rows, no file.
   * @throws {DeltaPartitionError} a partition column holds empty text
   */
  async write(session: ParquetSql, data: DataToWrite, options: CallOptions): Promise<AddFile[]> {
    await using scratch = await this.#place.lake.scratch()
    const written = await this.#copy(session, data, join(scratch.directory, 'rows'), options)
    const files = isFragmented(written)
      ? await this.#copy(session, gathered(written, data), join(scratch.directory, 'gathered'), options)
      : written
    return await concurrently(files, UPLOADS_AT_ONCE, async (file) => await this.#upload(file, data, options))
  }

  /** Deletes what was uploaded and is not among the files of a commit. Fails silently: what stays is found by `vacuum`. */
  async discardExcept(kept: ReadonlySet<string>): Promise<void> {
    const unused = [...this.#uploaded].filter(([logPath]) => !kept.has(logPath))
    await concurrently(unused, UPLOADS_AT_ONCE, async ([logPath, lakePath]) => {
      await this.#place.lake.delete(lakePath).catch(() => false)
      this.#uploaded.delete(logPath)
    })
  }

  async #copy(session: ParquetSql, data: DataToWrite, directory: string, options: CallOptions): Promise<DataFile[]> {
    const written = await session.rows<WrittenFile>(copyOf(data, directory), options)
    const filled = written.filter((file) => file.count > 0)
    return filled.map((file) => ({ ...file, partitionValues: partitionValuesOf(this.#place.path, file) }))
  }

  async #upload(file: DataFile, data: DataToWrite, options: CallOptions): Promise<AddFile> {
    const { lake, path, clock, random } = this.#place
    const { partitionValues } = file
    const name = `${partitionFolder(data.partitionBy, partitionValues)}part-${random()}.zstd.parquet`
    const logPath = encodePath(name)
    // Noted first: an upload that fails half-way may have left something.
    this.#uploaded.set(logPath, `${path}/${name}`)
    await lake.upload(file.filename, `${path}/${name}`, options)
    return {
      path: logPath,
      partitionValues,
      size: file.file_size_bytes,
      modificationTime: clock().getTime(),
      dataChange: true,
      stats: statsOf(file, data.columns.fields),
      tags: { [COLUMNS_TAG]: columnsDigest(data.columns.fields) },
    }
  }
}

type DataFile = WrittenFile & Pick<AddFile, 'partitionValues'>

/**
 * DuckDB keeps 100 partitions open and begins a new file whenever it comes back to another one: many partitions come out
 * as thousands of slivers.
 */
function isFragmented(files: readonly DataFile[]): boolean {
  return files.length > 2 * new Set(files.map((file) => JSON.stringify(file.partitionValues))).size
}

/** The same rows, one partition after the other. Read from what was written: the query may be costly, or not repeatable. */
function gathered(files: readonly DataFile[], { columns, partitionBy }: DataToWrite): DataToWrite {
  const readable = files.map((file) => ({ local: file.filename, partitionValues: file.partitionValues, uniform: true }))
  const relation = relationOf(readable, { fields: columns.fields, partitionBy })
  const select = identifiers(columns.fields.map((field) => field.name))
  return {
    query: `FROM ${relation} ORDER BY ${identifiers(partitionBy)}`,
    columns: { ...columns, select },
    partitionBy,
  }
}

function copyOf({ query, columns, partitionBy }: DataToWrite, directory: string): string {
  const options = ['FORMAT parquet', 'COMPRESSION zstd', 'RETURN_STATS', "FILENAME_PATTERN 'part-{uuid}'"]
  if (partitionBy.length > 0) options.push(`PARTITION_BY (${identifiers(partitionBy)})`)
  else options.push(`FILE_SIZE_BYTES ${literal(FILE_SIZE)}`)
  return `COPY (SELECT ${columns.select} FROM (${query}\n)) TO ${literal(directory)} (${options.join(', ')})`
}

function partitionValuesOf(table: string, file: WrittenFile): Record<string, string | null> {
  const values: Record<string, string | null> = {}
  for (const { key, value } of file.partition_keys ?? []) {
    if (value === '') throw new DeltaPartitionError(table, key)
    values[key] = value
  }
  return values
}
