import type { CallOptions } from '@cinelake/lake'
import { identifier } from '@cinelake/sql'
import { join } from 'node:path'
import type { DeltaPartition, DeltaStage, ParquetSql, StageOptions, StagedFiles, WrittenFile } from '../delta-table.ts'
import { deltaErrors } from '../errors.ts'
import type { AddFile } from '../log/actions.ts'
import { decodePath, encodePath } from '../log/paths.ts'
import { statisticsOf } from '../log/statistics.ts'
import { type DeltaField, engineTypeOf } from '../log/types.ts'
import { relationOf, partitionKey } from '../read/relation.ts'
import { openFiles } from '../read/view.ts'
import { planNewColumns, sameFields } from './columns.ts'
import {
  type LocalDataFile,
  checkPartitionValues,
  copyOnce,
  gather,
  isFragmented,
  DataFiles,
  type Layout,
  type TablePlace,
} from './data-files.ts'

/** The partition column of staged files that marks the rejected rows. In folder names only, in no file. */
const ASIDE = 'cinelake.aside'

type Staged = {
  /** The table's part of each file's columns, and all of them. */
  readonly fields: readonly DeltaField[]
  readonly allFields: readonly DeltaField[]
  readonly partitionBy: readonly string[]
  readonly files: readonly LocalDataFile[]
  readonly asideFiles: readonly LocalDataFile[]
  readonly scratch: AsyncDisposable
}

/** Rows as data files on this machine, of which a commit takes the files as they are. */
export class StagedRows implements DeltaStage, FileRows {
  readonly #place: TablePlace
  readonly #staged: Staged
  readonly relation: string
  readonly aside: string
  readonly rowCount: number
  readonly asideRowCount: number
  readonly emptiedPartitions: readonly DeltaPartition[]
  isTaken = false
  /** The files that are already in the lake, as a commit names them. */
  #inLake: readonly AddFile[] | undefined

  constructor(place: TablePlace, staged: Staged) {
    this.#place = place
    this.#staged = staged
    const { allFields, partitionBy, asideFiles } = staged
    this.relation = this.#local(() => true)
    this.aside = relationOf(asideFiles.map(readable), { fields: allFields, partitionBy })
    this.rowCount = rowsIn(staged.files)
    this.asideRowCount = rowsIn(asideFiles)
    this.emptiedPartitions = withoutRows(staged)
  }

  get fields(): readonly DeltaField[] {
    return this.#staged.fields
  }

  get partitionBy(): readonly string[] {
    return this.#staged.partitionBy
  }

  get parts(): readonly LocalDataFile[] {
    return this.#staged.files
  }

  get columns(): { readonly name: string; readonly type: string }[] {
    return this.fields.map(({ name, type }) => ({ name, type: engineTypeOf(type) ?? '' }))
  }

  async files(options: CallOptions = {}): Promise<WrittenFile[]> {
    this.#inLake ??= await new DataFiles(this.#place).bring(this.parts, this.#layout(), options)
    return this.#inLake.map((add) => {
      const { rowCount = 0, min, max, nullCount } = statisticsOf(add)
      const { partitionValues, size: sizeBytes } = add
      return { path: decodePath(add.path) ?? add.path, partitionValues, sizeBytes, rowCount, min, max, nullCount }
    })
  }

  async open(options: CallOptions, isWanted: IsWanted = () => true) {
    if (this.#inLake === undefined) return { relation: this.#local(isWanted), [Symbol.asyncDispose]: async () => {} }
    const shape = { fields: this.fields, metaData: { partitionColumns: this.partitionBy } }
    const wanted = { state: { version: -1 }, shape, files: this.#inLake.filter(isWanted) }
    return await openFiles(this.#place, wanted, options)
  }

  async take(
    into: DataFiles,
    layout: Layout,
    isWanted: IsWanted,
    options: CallOptions,
  ): Promise<AddFile[] | undefined> {
    if (this.isTaken)
      throw deltaErrors.DELTA_CONFLICT(
        this.#place.path,
        'the table as it was when the rows were brought',
        'what another writer made of it',
      )
    into.adopt(this.#inLake ?? [])
    const sizes = this.parts.map(({ file_size_bytes: sizeBytes }) => sizeBytes)
    if (!fits(this, sizes, layout)) return undefined
    this.isTaken = true
    this.#inLake ??= await into.bring(this.parts.filter(isWanted), layout, options)
    return this.#inLake.filter(isWanted)
  }

  #layout(): Layout {
    return { columns: { fields: this.fields }, partitionBy: this.partitionBy }
  }

  #local(isWanted: IsWanted): string {
    const { fields, partitionBy, files } = this.#staged
    return relationOf(files.filter(isWanted).map(readable), { fields, partitionBy })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#staged.scratch[Symbol.asyncDispose]()
  }
}

/** Runs a query once, into files in the layout of the table. */
export async function stageRows(
  place: TablePlace,
  session: ParquetSql,
  query: string,
  { partitionBy = [], aside, ...options }: StageOptions,
): Promise<StagedRows> {
  const all = planNewColumns(place.path, await session.describe(query), partitionBy)
  const fields = all.fields.filter(({ name }) => aside?.columns.includes(name) !== true)
  await using opening = new AsyncDisposableStack()
  const scratch = await place.lake.scratch()
  opening.use(scratch)
  const layout = aside === undefined ? partitionBy : [ASIDE, ...partitionBy]
  const select = aside === undefined ? all.select : `${all.select}, (${aside.when}) AS ${identifier(ASIDE)}`
  const rows = { query, columns: { ...all, select }, partitionBy: layout }
  const written = (await copyOnce(session, rows, join(scratch.directory, 'staged'), options)).map(apart)
  const asideFiles = written.filter(({ isAside }) => isAside)
  let files: readonly LocalDataFile[] = written.filter(({ isAside }) => !isAside)
  checkPartitionValues(place.path, files)
  if (isFragmented(files) && partitionBy.length > 0) {
    const wanted = { columns: { fields, select: '' }, partitionBy }
    files = await gather(session, wanted, files, join(scratch.directory, 'gathered'), options)
  }
  opening.move()
  return new StagedRows(place, { fields, allFields: all.fields, partitionBy, files, asideFiles, scratch })
}

function apart(file: LocalDataFile): LocalDataFile & { readonly isAside: boolean } {
  const { [ASIDE]: isAside, ...partitionValues } = file.partitionValues
  return { ...file, partitionValues, isAside: isAside === 'true' }
}

/** By the files' folders: the engine would hold every row's partition values to find them. */
function withoutRows({ partitionBy, files, asideFiles }: Staged): DeltaPartition[] {
  if (partitionBy.length === 0) return []
  const filled = new Set(files.map(({ partitionValues }) => partitionKey(partitionBy, partitionValues)))
  const emptied = new Map<string, DeltaPartition>()
  for (const { partitionValues } of asideFiles) {
    const key = partitionKey(partitionBy, partitionValues)
    if (!filled.has(key)) emptied.set(key, partitionValues)
  }
  return [...emptied].toSorted(([one], [other]) => (one < other ? -1 : 1)).map(([, partition]) => partition)
}

function readable({ filename, partitionValues }: LocalDataFile) {
  return { local: filename, partitionValues, uniform: true }
}

function rowsIn(files: readonly LocalDataFile[]): number {
  return files.reduce((sum, { count }) => sum + count, 0)
}

/** A file by its content, local or in the lake. */
export type RowsFile = { readonly partitionValues: AddFile['partitionValues']; readonly count: number }

/** Tells the files that are meant from the others. */
export type IsWanted = (file: Pick<AddFile, 'partitionValues'>) => boolean

/** Rows that are in data files before a commit: on this machine, or in the table's folder. */
export interface FileRows {
  readonly fields: readonly DeltaField[]
  readonly partitionBy: readonly string[]
  readonly rowCount: number
  readonly parts: readonly RowsFile[]
  /** Whether a commit has taken the files: then they are in the lake. */
  readonly isTaken: boolean
  /** The rows as something that SQL of any session can read until it is disposed. */
  open(options: CallOptions, isWanted?: IsWanted): Promise<AsyncDisposable & { readonly relation: string }>
  /**
   * The files, in the lake, if they are what the table wants; undefined if their rows have to be written again.
   * @throws {DELTA_CONFLICT} they were taken for another state of the table
   */
  take(into: DataFiles, layout: Layout, isWanted: IsWanted, options: CallOptions): Promise<AddFile[] | undefined>
}

/**
 * Bytes. A file beyond this would make every merge into it rewrite too much: its rows are split when they are
 * published.
 */
const MAX_FILE_BYTES = 512 * 1024 * 1024

/** Whether files can be taken as they are. */
function fits(
  { fields, partitionBy }: Pick<FileRows, 'fields' | 'partitionBy'>,
  sizes: readonly number[],
  wanted: Layout,
): boolean {
  if (!sameFields(fields, wanted.columns.fields)) return false
  if (partitionBy.join('\n') !== wanted.partitionBy.join('\n')) return false
  return partitionBy.length > 0 || sizes.every((sizeBytes) => sizeBytes <= MAX_FILE_BYTES)
}

/** Rows that another engine has written into the table's folder. */
export class AdoptedRows implements FileRows {
  readonly #place: TablePlace
  readonly #columns: StagedFiles['columns']
  readonly partitionBy: readonly string[]
  readonly fields: readonly DeltaField[]
  readonly parts: readonly RowsFile[]
  readonly rowCount: number
  readonly isTaken = false
  /** As a commit names them. */
  readonly adds: readonly AddFile[]

  /** @throws {DeltaSchemaError} terminal: columns that a Delta table cannot have @throws {DELTA_PARTITION_INVALID} terminal */
  constructor(
    place: TablePlace,
    { columns, partitionBy }: Pick<StagedFiles, 'columns' | 'partitionBy'>,
    files: readonly WrittenFile[],
  ) {
    this.#place = place
    this.#columns = columns
    this.partitionBy = partitionBy
    this.fields = planNewColumns(place.path, columns, partitionBy).fields
    this.parts = files.map(({ partitionValues, rowCount: count }) => ({ partitionValues, count }))
    checkPartitionValues(place.path, this.parts)
    this.rowCount = files.reduce((sum, { rowCount }) => sum + rowCount, 0)
    const at = place.clock().getTime()
    this.adds = files.map((file) => addOf(file, at))
  }

  async open(options: CallOptions, isWanted: IsWanted = () => true) {
    const metaData = { partitionColumns: this.partitionBy }
    const wanted = { state: { version: -1 }, shape: { fields: this.fields, metaData } }
    return await openFiles(this.#place, { ...wanted, files: this.adds.filter(isWanted) }, options)
  }

  async take(_into: DataFiles, layout: Layout, isWanted: IsWanted): Promise<AddFile[] | undefined> {
    const sizes = this.adds.map(({ size }) => size)
    const areOfTable = this.fields.every(({ type }, index) => engineTypeOf(type) === this.#columns[index]?.type)
    return areOfTable && fits(this, sizes, layout) ? this.adds.filter(isWanted) : undefined
  }
}

/** Without tags: what another engine wrote is checked when it is read, column by column. */
function addOf({ path, partitionValues, sizeBytes, rowCount, ...bounds }: WrittenFile, at: number): AddFile {
  const { min: minValues = {}, max: maxValues = {}, nullCount = {} } = bounds
  return {
    path: encodePath(path),
    partitionValues,
    size: sizeBytes,
    modificationTime: at,
    dataChange: true,
    stats: JSON.stringify({ numRecords: rowCount, minValues, maxValues, nullCount }),
  }
}
