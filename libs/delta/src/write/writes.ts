import { identifiers } from '@cinelake/sql'
import type { AddFile, MetaData } from '../log/actions.ts'
import { checkPartitioning, planNewColumns, sameFields, type ColumnPlan } from './columns.ts'
import { signalOf, type Change } from './commit.ts'
import type { RowsToCopy } from './copy-rows.ts'
import type { DataFiles, TablePlace } from './data-files.ts'
import type { CommitOptions, ParquetSql } from '../delta-table.ts'
import { DeltaSchemaError } from '../errors.ts'
import { planMoreRows } from './evolve-columns.ts'
import type { LogState } from '../log/state.ts'
import { checkWritable, PROTOCOL, readableShape, schemaString, type TableShape } from '../log/protocol.ts'
import type { Reshape } from './rewrite.ts'
import type { StagedRows } from './staged-rows.ts'
import { statisticsOf } from '../log/statistics.ts'
import type { DeltaField } from '../log/types.ts'

/** The columns that a write gives to its table, and what the log has to say about them. */
export type TablePlan = {
  readonly columns: ColumnPlan
  readonly partitionBy: readonly string[]
  readonly header: Pick<Change, 'protocol' | 'metaData'>
  /** What has to be done to the rows that are there; undefined where they can stay in their files. */
  readonly reshape?: Reshape
}

type QueryColumns = Awaited<ReturnType<ParquetSql['describe']>>
type Plan = (place: TablePlace, state: LogState | undefined, query: QueryColumns, options: CommitOptions) => TablePlan

/** The table's columns stay, or become what the write makes of them, and new ones may come. @throws {DeltaSchemaError} */
export const planAddedRows: Plan = (place, state, query, options) => {
  if (state === undefined) return planNewTable(place, query, options)
  const shape = writableShape(place, state, false)
  const { columns, renamed, reshape } = planMoreRows(place.path, shape.fields, query, options.evolve)
  const before = shape.metaData.partitionColumns.map((name) => renamed.get(name) ?? name)
  const partitionBy = options.partitionBy ?? before
  const isSameLayout = partitionBy.join('\n') === before.join('\n')
  if (!isSameLayout && options.evolve?.partitions !== true) {
    throw new DeltaSchemaError(place.path, [
      `partition columns: expected (${before.join(', ')}), got (${partitionBy.join(', ')}); overwrite the table to partition it again`,
    ])
  }
  // Of other types, another writer's spelling of a value need not be ours: rows of one partition would become two.
  checkPartitioning(place.path, columns.fields, partitionBy)
  const header = headerOf(shape, columns.fields, partitionBy, options)
  if (reshape === undefined && isSameLayout) return { columns, partitionBy, header }
  writableShape(place, state, true)
  const select = reshape ?? identifiers(columns.fields.map(({ name }) => name))
  return { columns, partitionBy, header, reshape: { before: shape, select } }
}

/** The query's columns become the table's. @throws {DeltaSchemaError} */
export const planReplacedTable: Plan = (place, state, query, options) => {
  if (state === undefined) return planNewTable(place, query, options)
  const shape = writableShape(place, state, true)
  const partitionBy = options.partitionBy ?? shape.metaData.partitionColumns
  const columns = planNewColumns(place.path, query, partitionBy)
  // What stays the same keeps what other tools have noted about it.
  const kept = new Map(shape.fields.map((field) => [field.name, field]))
  const fields = columns.fields.map((field) => {
    const before = kept.get(field.name)
    return before !== undefined && sameFields([before], [field]) ? before : field
  })
  return { columns: { ...columns, fields }, partitionBy, header: headerOf(shape, fields, partitionBy, options) }
}

function planNewTable(place: TablePlace, query: QueryColumns, options: CommitOptions): TablePlan {
  const partitionBy = options.partitionBy ?? []
  const columns = planNewColumns(place.path, query, partitionBy)
  const metaData: MetaData = {
    id: place.random(),
    format: { provider: 'parquet', options: {} },
    schemaString: schemaString(columns.fields),
    partitionColumns: partitionBy,
    configuration: options.configuration ?? {},
    createdTime: place.clock().getTime(),
  }
  return { columns, partitionBy, header: { protocol: PROTOCOL, metaData } }
}

/** @param removes whether rows would be taken away */
export function writableShape(place: TablePlace, state: LogState, removes: boolean): TableShape {
  const shape = readableShape(place.path, state)
  checkWritable(place.path, state, shape, removes)
  return shape
}

function headerOf(
  { metaData, fields: before }: TableShape,
  fields: readonly DeltaField[],
  partitionBy: readonly string[],
  options: CommitOptions,
): TablePlan['header'] {
  const configuration = { ...metaData.configuration, ...options.configuration }
  const sameConfiguration = Object.entries(configuration).every(([key, value]) => metaData.configuration[key] === value)
  const samePartitions = metaData.partitionColumns.join('\n') === partitionBy.join('\n')
  if (sameConfiguration && samePartitions && sameFields(before, fields)) return {}
  const schema = sameFields(before, fields) ? metaData.schemaString : schemaString(fields)
  return { metaData: { ...metaData, schemaString: schema, partitionColumns: partitionBy, configuration } }
}

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
export type GivenRows = { readonly query: string; readonly columns: QueryColumns; readonly staged?: StagedRows }

/** Writes once per distinct set of columns: a second try after a conflict finds the files there. */
export function createWriteOnce(place: TablePlace, session: ParquetSql, given: GivenRows, options: CommitOptions) {
  const write = createWriter(place, session, options)
  const done = new Map<string, readonly AddFile[]>()
  return async (
    files: DataFiles,
    { columns, partitionBy }: Pick<TablePlan, 'columns' | 'partitionBy'>,
    isWanted: (file: Pick<AddFile, 'partitionValues'>) => boolean = () => true,
  ): Promise<readonly AddFile[]> => {
    const wanted = given.staged?.files.map(isWanted)
    const key = JSON.stringify([columns.select, partitionBy, wanted])
    const before = done.get(key)
    if (before !== undefined) return before
    const ready = given.staged?.take(columns, partitionBy)
    const added =
      ready === undefined
        ? await write(files, { query: given.query, columns, partitionBy })
        : await files.bring(ready.filter(isWanted), { columns, partitionBy }, signalOf(options))
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
