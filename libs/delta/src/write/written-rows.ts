import type { CallOptions } from '@cinelake/lake'
import type { AddFile } from '../log/actions.ts'
import { encodePath } from '../log/paths.ts'
import { engineTypeOf, type DeltaField } from '../log/types.ts'
import type { StagedFiles, WrittenFile } from '../delta-table.ts'
import { openFiles } from '../read/view.ts'
import { planNewColumns } from './columns.ts'
import { checkPartitionValues } from './copy-rows.ts'
import type { DataFiles, Layout, TablePlace } from './data-files.ts'
import { fits, type FileRows, type IsWanted, type RowsFile } from './file-rows.ts'

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
