import { identifier } from '@cinelake/sql'
import { join } from 'node:path'
import { planNewColumns, sameFields, type ColumnPlan } from './columns.ts'
import { checkPartitionValues, copyOnce, gather, isFragmented, type LocalDataFile } from './copy-rows.ts'
import type { TablePlace } from './data-files.ts'
import type { DeltaStage, ParquetSql, StageOptions } from '../delta-table.ts'
import { DeltaConflictError } from '../errors.ts'
import { relationOf } from '../read/relation.ts'
import { engineTypeOf, type DeltaField } from '../log/types.ts'

/** The partition column of staged files that tells the rows kept aside. In folder names only, in no file. */
const ASIDE = 'cinelake.aside'

/** Bytes. A file beyond this would make every merge into it rewrite too much: its rows are split when they are published. */
const MAX_FILE_BYTES = 512 * 1024 * 1024

type Staged = {
  readonly table: string
  /** The table's part of each file's columns, and all of them. */
  readonly fields: readonly DeltaField[]
  readonly allFields: readonly DeltaField[]
  readonly partitionBy: readonly string[]
  readonly files: readonly LocalDataFile[]
  readonly asideFiles: readonly LocalDataFile[]
  readonly scratch: AsyncDisposable
}

/** Rows as data files on this machine, of which a commit takes the files as they are. */
export class StagedRows implements DeltaStage {
  readonly #staged: Staged
  readonly relation: string
  readonly aside: string
  readonly rowCount: number
  readonly asideRowCount: number
  #isTaken = false

  constructor(staged: Staged) {
    this.#staged = staged
    const { fields, allFields, partitionBy, files, asideFiles } = staged
    this.relation = relationOf(files.map(readable), { fields, partitionBy })
    this.aside = relationOf(asideFiles.map(readable), { fields: allFields, partitionBy })
    this.rowCount = rowsIn(files)
    this.asideRowCount = rowsIn(asideFiles)
  }

  get isTaken(): boolean {
    return this.#isTaken
  }

  get fields(): readonly DeltaField[] {
    return this.#staged.fields
  }

  get partitionBy(): readonly string[] {
    return this.#staged.partitionBy
  }

  get files(): readonly LocalDataFile[] {
    return this.#staged.files
  }

  /** As a query would be described. */
  get columns(): { readonly name: string; readonly type: string }[] {
    return this.fields.map(({ name, type }) => ({ name, type: engineTypeOf(type) ?? '' }))
  }

  /**
   * The files, if they are what the table wants; undefined if their rows have to be written anew. They are moved into the
   * lake, so that they can be taken once.
   * @throws {DeltaConflictError} they were taken for another state of the table
   */
  take(columns: Pick<ColumnPlan, 'fields'>, partitionBy: readonly string[]): readonly LocalDataFile[] | undefined {
    const { table, fields, files } = this.#staged
    if (this.#isTaken)
      throw new DeltaConflictError(
        table,
        'the table as it was when the rows were brought',
        'what another writer made of it',
      )
    const fits = sameFields(fields, columns.fields) && this.partitionBy.join('\n') === partitionBy.join('\n')
    if (!fits || files.some((file) => partitionBy.length === 0 && file.file_size_bytes > MAX_FILE_BYTES))
      return undefined
    this.#isTaken = true
    return files
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
  return new StagedRows({ table: place.path, fields, allFields: all.fields, partitionBy, files, asideFiles, scratch })
}

function apart(file: LocalDataFile): LocalDataFile & { readonly isAside: boolean } {
  const { [ASIDE]: isAside, ...partitionValues } = file.partitionValues
  return { ...file, partitionValues, isAside: isAside === 'true' }
}

function readable({ filename, partitionValues }: LocalDataFile) {
  return { local: filename, partitionValues, uniform: true }
}

function rowsIn(files: readonly LocalDataFile[]): number {
  return files.reduce((sum, { count }) => sum + count, 0)
}
