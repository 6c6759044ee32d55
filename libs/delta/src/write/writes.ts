import type { AddFile } from '../log/actions.ts'
import type { QueryColumn } from './columns.ts'
import { signalOf } from './commit.ts'
import type { RowsToCopy, DataFiles, TablePlace } from './data-files.ts'
import type { CommitOptions, ParquetSql } from '../delta-table.ts'
import { DeltaSchemaError } from '../errors.ts'
import type { TablePlan } from './plan.ts'
import type { FileRows, IsWanted } from './staged-rows.ts'
import { statisticsOf } from '../log/statistics.ts'
import type { DeltaField } from '../log/types.ts'

type Writer = (files: DataFiles, rows: RowsToCopy) => Promise<readonly AddFile[]>

/** Writes data files and checks what their statistics say. @throws {DeltaSchemaError} */
export function createWriter(place: TablePlace, session: ParquetSql, options: CommitOptions): Writer {
  return async (files, rows) => {
    const added = await files.write(session, rows, signalOf(options))
    checkNulls(place, rows.columns.fields, added)
    return added
  }
}

/** A SELECT, or rows that are in files already. */
export type GivenRows = { readonly columns: readonly QueryColumn[] } & (
  | { readonly query: string; readonly staged?: undefined; readonly adopted?: undefined }
  /** `adopted`: those of the files that another engine has put into the table's folder. */
  | { readonly staged: FileRows; readonly adopted?: readonly AddFile[] }
)

/** Writes once per distinct set of columns: a second try after a conflict finds the files there. */
export function createWriteOnce(place: TablePlace, session: ParquetSql, given: GivenRows, options: CommitOptions) {
  const write = createWriter(place, session, options)
  const done = new Map<string, readonly AddFile[]>()
  const writeAnew = async (files: DataFiles, layout: Omit<RowsToCopy, 'query'>) => {
    if (given.staged === undefined) return await write(files, { query: given.query, ...layout })
    await using opened = await given.staged.open(signalOf(options))
    return await write(files, { query: `FROM ${opened.relation}`, ...layout })
  }
  return async (
    files: DataFiles,
    { columns, partitionBy }: Pick<TablePlan, 'columns' | 'partitionBy'>,
    isWanted: IsWanted = () => true,
  ): Promise<readonly AddFile[]> => {
    const wanted = given.staged?.parts.map(isWanted)
    const key = JSON.stringify([columns.select, partitionBy, wanted])
    const before = done.get(key)
    if (before !== undefined) return before
    const { staged } = given
    const taken = await staged?.take(files, { columns, partitionBy }, isWanted, signalOf(options))
    const added = taken ?? (await writeAnew(files, { columns, partitionBy }))
    checkNulls(place, columns.fields, added)
    done.set(key, added)
    return added
  }
}

/** Tables of other writers may have columns that take no null. */
function checkNulls(place: TablePlace, fields: readonly DeltaField[], added: readonly AddFile[]): void {
  const broken = fields.filter((field) => {
    if (field.nullable) return false
    return added.some(
      (add) => add.partitionValues[field.name] === null || (statisticsOf(add).nullCount[field.name] ?? 0) > 0,
    )
  })
  if (broken.length > 0) {
    throw new DeltaSchemaError(
      place.path,
      broken.map((field) => `column ${field.name}: expected no null, got some`),
    )
  }
}
