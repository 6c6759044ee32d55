import { identifiers } from '@cinelake/sql'
import type { MetaData, LogState } from '../log/actions.ts'
import { checkPartitioning, planNewColumns, sameFields, type ColumnPlan, type QueryColumn } from './columns.ts'
import type { Change } from './commit.ts'
import type { TablePlace } from './data-files.ts'
import type { CommitOptions } from '../delta-table.ts'
import { DeltaSchemaError } from '../errors.ts'
import { planMoreRows } from './evolve-columns.ts'
import { checkWritable, PROTOCOL, readableShape, schemaString, type TableShape } from '../log/protocol.ts'
import type { DeltaField } from '../log/types.ts'

/** How rows that are there get the columns of a write: what they are, and SQL over them. */
export type Reshape = { readonly before: TableShape; readonly select: string }

/** The columns that a write gives to its table, and what the log has to say about them. */
export type TablePlan = {
  readonly columns: ColumnPlan
  readonly partitionBy: readonly string[]
  readonly header: Pick<Change, 'protocol' | 'metaData'>
  /** What has to be done to the rows that are there; undefined where they can stay in their files. */
  readonly reshape?: Reshape
}

type Plan = (
  place: TablePlace,
  state: LogState | undefined,
  query: readonly QueryColumn[],
  options: CommitOptions,
) => TablePlan

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

function planNewTable(place: TablePlace, query: readonly QueryColumn[], options: CommitOptions): TablePlan {
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
