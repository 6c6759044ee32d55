import type { CallOptions, Lake } from '@cinelake/lake'
import { concurrently, type Clock, type Log } from '@cinelake/core'
import type { AddFile } from '../log/actions.ts'
import { CHECKSUM_TAG, checksumOfFile } from '../log/checksum.ts'
import { columnsDigest, type ColumnPlan } from './columns.ts'
import { checkPartitionValues, copyRows, type LocalDataFile, type RowsToCopy } from './copy-rows.ts'
import type { ParquetSql } from '../delta-table.ts'
import { decodePath, encodePath } from '../log/paths.ts'
import { partitionFolder } from '../read/partitions.ts'
import { statsOf } from '../log/statistics.ts'

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
