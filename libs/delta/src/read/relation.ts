import { identifier, literal } from '@cinelake/sql'
import { type DeltaField, engineTypeOf } from '../log/types.ts'

/** A data file that the engine can read. */
export type ReadableFile = {
  /** Absolute local path. */
  readonly local: string
  readonly partitionValues: Readonly<Record<string, string | null>>
  /** Whether it is known to have the table's columns and types of now. */
  readonly uniform: boolean
}

export type RelationShape = {
  readonly fields: readonly DeltaField[]
  readonly partitionBy: readonly string[]
  /** Also gives each row's file, under this name. */
  readonly fileColumn?: string
}

/** SQL in place of a table name: the rows of some files, with the table's columns in order. */
export function relationOf(files: readonly ReadableFile[], shape: RelationShape): string {
  if (files.length === 0) return `(${noRows(shape)})`
  const { partitionBy } = shape
  const { spoken = [], silent = [] } = Object.groupBy(files, (file) =>
    pathSaysPartition(file.local, partitionBy, file.partitionValues) ? 'spoken' : 'silent',
  )
  const groups = Map.groupBy(silent, (file) =>
    JSON.stringify(partitionBy.map((name) => file.partitionValues[name] ?? null)),
  )
  if (hidesFileName(shape)) return `(${files.map((file) => scanOfOne(file, shape)).join(' UNION ALL ')})`
  const scans = [
    // One scan for all of them: each scan of a union takes memory of its own, even over a few rows.
    ...(spoken.length > 0 ? [scan(spoken, shape)] : []),
    // Paths without usable partition values: the log's values are added to the rows of each partition.
    ...[...groups.values()].map((group) => scan(group, shape, group[0]?.partitionValues)),
  ]
  return `(${scans.join(' UNION ALL ')})`
}

/**
 * Whether the table has a column with the name that the engine gives to a row's file: with its option `filename`, under
 * whatever name, a condition on such a column chooses among the files by their paths (1.5.6).
 */
function hidesFileName({ fields, fileColumn }: RelationShape): boolean {
  return fileColumn !== undefined && fields.some(({ name }) => name.toLowerCase() === 'filename')
}

function scanOfOne(file: ReadableFile, { fileColumn = '', ...shape }: RelationShape): string {
  const rows = scan([file], shape, file.partitionValues)
  return `SELECT *, ${literal(file.local)} AS ${identifier(fileColumn)} FROM (${rows})`
}

type PartitionValues = ReadableFile['partitionValues']

function scan(files: readonly ReadableFile[], shape: RelationShape, constants?: PartitionValues): string {
  const uniform = files.every((file) => file.uniform)
  const columns = shape.fields.map((field) => selected(field, shape, uniform, constants))
  if (shape.fileColumn !== undefined) columns.push(identifier(shape.fileColumn))
  return `SELECT ${columns.join(', ')} FROM ${uniform ? parquet(files, shape, constants) : widened(files, shape, constants)}`
}

function selected(
  field: DeltaField,
  { partitionBy }: RelationShape,
  uniform: boolean,
  constants?: PartitionValues,
): string {
  const column = identifier(field.name)
  const type = engineTypeOf(field.type) ?? ''
  if (constants !== undefined && partitionBy.includes(field.name)) {
    return `CAST(${textOrNull(constants[field.name] ?? null)} AS ${type}) AS ${column}`
  }
  return uniform ? column : `CAST(${column} AS ${type}) AS ${column}`
}

function parquet(files: readonly ReadableFile[], shape: RelationShape, constants?: PartitionValues): string {
  const options = [`[${files.map((file) => literal(file.local)).join(', ')}]`]
  const hive = shape.partitionBy.length > 0 && constants === undefined
  options.push(`hive_partitioning = ${hive}`)
  if (hive) options.push(`hive_types = {${partitionTypes(shape)}}`)
  if (shape.fileColumn !== undefined) options.push(`filename = ${literal(shape.fileColumn)}`)
  if (files.some((file) => !file.uniform)) options.push('union_by_name = true')
  return `read_parquet(${options.join(', ')})`
}

/** Older files lack newer columns, and perhaps all of these files lack one: the empty part brings every column. */
function widened(files: readonly ReadableFile[], shape: RelationShape, constants?: PartitionValues): string {
  return `(FROM ${parquet(files, shape, constants)} UNION ALL BY NAME ${noRows({ fields: shape.fields, partitionBy: shape.partitionBy })})`
}

function noRows({ fields, fileColumn }: RelationShape): string {
  const columns = fields.map((field) => `CAST(NULL AS ${engineTypeOf(field.type)}) AS ${identifier(field.name)}`)
  if (fileColumn !== undefined) columns.push(`CAST(NULL AS VARCHAR) AS ${identifier(fileColumn)}`)
  return `SELECT ${columns.join(', ')} WHERE false`
}

function partitionTypes({ fields, partitionBy }: RelationShape): string {
  const types = new Map(fields.map((field) => [field.name, engineTypeOf(field.type)]))
  return partitionBy.map((name) => `${literal(name)}: ${types.get(name)}`).join(', ')
}

function textOrNull(value: string | null): string {
  return value === null || value === '' ? 'NULL' : literal(value)
}

/** How partition folders spell null, in Hive and in every reader since. */
const NULL_PARTITION = '__HIVE_DEFAULT_PARTITION__'

/**
 * Bytes. A segment of a path may have 255; longer values are truncated and suffixed with their length, since only the
 * log's values count.
 */
const MAX_VALUE_BYTES = 180

/** A partition by its values; a table without partitions is one. */
export function partitionKey(partitionBy: readonly string[], values: Readonly<Record<string, string | null>>): string {
  return JSON.stringify(partitionBy.map((name) => values[name] ?? null))
}

/** The folder of a partition: `day=2026-03-01/country=D%20E/`, empty for a table without partitions. */
export function partitionFolder(
  partitionBy: readonly string[],
  values: Readonly<Record<string, string | null>>,
): string {
  return partitionBy.map((name) => `${escaped(name)}=${valueName(values[name] ?? null)}/`).join('')
}

function valueName(value: string | null): string {
  if (value === null) return NULL_PARTITION
  const name = escaped(value)
  return name.length <= MAX_VALUE_BYTES ? name : `${name.slice(0, MAX_VALUE_BYTES)}~${value.length}`
}

/** Keeps characters that are safe in every file system and address; all others as `%XX`. */
function escaped(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

/**
 * Whether DuckDB takes a text in a folder's name for null; `NULL` it does in any case. Source: duckdb,
 * hive_partitioning.cpp
 */
function readsAsNull(value: string | null): boolean {
  return value === NULL_PARTITION || value?.toUpperCase() === 'NULL'
}

/**
 * Whether a reader of Hive partitions finds just these values in a file's path, so that it can prune by them.
 * @param file absolute local path
 */
function pathSaysPartition(
  file: string,
  partitionBy: readonly string[],
  values: Readonly<Record<string, string | null>>,
): boolean {
  const found = new Map<string, string>()
  for (const segment of file.split('/').slice(0, -1)) {
    const at = segment.indexOf('=')
    if (at < 0) continue
    const name = segment.slice(0, at)
    if (found.has(name) || !partitionBy.includes(name)) return false
    found.set(name, segment.slice(at + 1))
  }
  return partitionBy.every((name) => {
    const value = values[name] ?? null
    return !readsAsNull(value) && found.get(name) === (value === null ? NULL_PARTITION : escaped(value))
  })
}
