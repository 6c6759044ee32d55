import { identifier, identifiers } from '@cinelake/sql'
import type { CommitOptions, DeltaPartition, OverwriteOptions, ParquetSql } from '../delta-table.ts'
import { DeltaSchemaError } from '../errors.ts'
import type { AddFile, LogState } from '../log/actions.ts'
import { readableShape } from '../log/protocol.ts'
import { statisticsOf } from '../log/statistics.ts'
import type { DeltaField } from '../log/types.ts'
import { partitionKey } from '../read/relation.ts'
import { openFiles } from '../read/view.ts'
import { sameFields } from './columns.ts'
import { type Operation, UNCHANGED, signalOf } from './commit.ts'
import type { TablePlace } from './data-files.ts'
import { planAddedRows, planReplacedTable, writableShape } from './plan.ts'
import { createRewriter } from './rewrite.ts'
import type { FileRows, IsWanted } from './staged-rows.ts'
import { type GivenRows, createWriteOnce } from './writes.ts'

/** Appends rows. Concurrent commits do not conflict, unless existing rows are rewritten with other columns. */
export function appendOperation(
  place: TablePlace,
  session: ParquetSql,
  rows: GivenRows,
  options: CommitOptions,
): Operation {
  const write = createWriteOnce(place, session, rows, options)
  const rewrite = createRewriter(place, session, options)
  return async (state, files) => {
    const { reshape, ...plan } = planAddedRows(place, state, rows.columns, options)
    const add = await write(files, plan)
    const parameters = { mode: 'Append', partitionBy: JSON.stringify(plan.partitionBy) }
    const change = { operation: 'WRITE', parameters, ...plan.header }
    if (state === undefined || reshape === undefined) return { ...change, blind: true, add, remove: [] }
    const before = [...state.files.values()]
    const again = await rewrite(state, { ...plan, reshape }, { files: before }, files)
    return { ...change, blind: false, add: [...again, ...add], remove: before }
  }
}

/** Replaces all rows, including those of concurrent commits: it comes after them. */
export function overwriteOperation(
  place: TablePlace,
  session: ParquetSql,
  rows: GivenRows,
  options: OverwriteOptions,
): Operation {
  const write = createWriteOnce(place, session, rows, options)
  return async (state, files) => {
    const plan = planReplacedTable(place, state, rows.columns, options)
    const before = [...(state?.files.values() ?? [])]
    const isSame = await sameAsBefore(place, session, state, rows, options)
    const isUnchanged = state !== undefined && before.every(isSame) && (rows.staged?.parts.every(isSame) ?? false)
    if (isUnchanged && (before.length > 0 || isSame({ partitionValues: {} }))) return UNCHANGED
    const add = await write(files, plan)
    const parameters = { mode: 'Overwrite', partitionBy: JSON.stringify(plan.partitionBy) }
    return { operation: 'WRITE', parameters, blind: false, ...plan.header, add, remove: before }
  }
}

type PartitionOptions = OverwriteOptions & { readonly partitions?: readonly DeltaPartition[] }

/** Replaces the rows of the same partitions. */
export function overwritePartitionsOperation(
  place: TablePlace,
  session: ParquetSql,
  rows: GivenRows,
  options: PartitionOptions,
): Operation {
  const write = createWriteOnce(place, session, rows, options)
  const rewrite = createRewriter(place, session, options)
  return async (state, files) => {
    if (state !== undefined) writableShape(place, state, true)
    const { reshape, ...plan } = planAddedRows(place, state, rows.columns, options)
    const named = options.partitions ?? []
    checkPartitions(place, plan.partitionBy, named)
    const isSame = await sameAsBefore(place, session, state, rows, options)
    const isChanged = (file: Pick<AddFile, 'partitionValues'>) => !isSame(file)
    const filesOf = (partitions: readonly DeltaPartition[]) =>
      [...(state?.files.values() ?? [])].filter((file) => partitions.some((partition) => isOf(file, partition)))
    const isSettled = reshape === undefined && filesOf(named).length === 0
    if (state !== undefined && rows.staged?.parts.every(isSame) === true && isSettled) return UNCHANGED
    const add = await write(files, plan, isChanged)
    const replaced = [...named, ...add.map((file) => file.partitionValues)]
    const parameters = {
      mode: 'Overwrite',
      partitionOverwriteMode: 'dynamic',
      partitionBy: JSON.stringify(plan.partitionBy),
    }
    const change = { operation: 'WRITE', parameters, blind: false, ...plan.header }
    if (state === undefined || reshape === undefined) return { ...change, add, remove: filesOf(replaced) }
    const before = [...state.files.values()]
    const others = await rewrite(state, { ...plan, reshape }, { files: before, except: replaced }, files)
    return { ...change, add: [...others, ...add], remove: before }
  }
}

/** The partitions that need not be written. Compared only where `unlessSame` asks for it. */
async function sameAsBefore(
  place: TablePlace,
  session: ParquetSql,
  state: LogState | undefined,
  { staged }: GivenRows,
  options: OverwriteOptions,
): Promise<IsWanted> {
  if (options.unlessSame !== true || state === undefined) return () => false
  // Adopted files are in the lake already: a retry need not compare them.
  if (staged === undefined || staged.isTaken) return () => false
  const same = await samePartitions(place, session, state, staged, options)
  return ({ partitionValues }) => same.has(partitionKey(staged.partitionBy, partitionValues))
}

function isOf(file: AddFile, partition: DeltaPartition): boolean {
  return Object.entries(partition).every(([name, value]) => (file.partitionValues[name] ?? null) === value)
}

function checkPartitions(place: TablePlace, partitionBy: readonly string[], named: readonly DeltaPartition[]): void {
  if (partitionBy.length === 0) {
    throw new DeltaSchemaError(place.path, [
      'expected a table with partitions, got one without; overwrite it as a whole',
    ])
  }
  for (const partition of named) {
    const names = Object.keys(partition)
    const unknown = names.find((name) => !partitionBy.includes(name))
    if (unknown !== undefined || names.length === 0) {
      throw new DeltaSchemaError(place.path, [
        `partition to replace: expected values of (${partitionBy.join(', ')}), got ${unknown ?? 'none'}`,
      ])
    }
  }
}

type PartitionValues = AddFile['partitionValues']

/**
 * The partitions of staged rows that hold just what the table has in them already, whatever the order of the rows. Only
 * partitions of which both have the same number of rows are read. Where neither has any row, it is the one of no
 * values.
 */
async function samePartitions(
  place: TablePlace,
  session: ParquetSql,
  state: LogState,
  staged: FileRows,
  options: CommitOptions,
): Promise<ReadonlySet<string>> {
  const shape = readableShape(place.path, state)
  const { partitionBy } = staged
  if (!sameFields(shape.fields, staged.fields)) return new Set()
  if (shape.metaData.partitionColumns.join('\n') !== partitionBy.join('\n')) return new Set()

  const known = countRows(partitionBy, [...state.files.values()], (add) => statisticsOf(add).rowCount ?? NaN)
  const given = countRows(partitionBy, staged.parts, ({ count }) => count)
  if (staged.rowCount === 0) return new Set(known.size === 0 ? [partitionKey(partitionBy, {})] : [])
  const equal = new Set([...given].filter(([key, count]) => known.get(key) === count).map(([key]) => key))
  if (equal.size === 0) return equal

  const isEqual = (file: { readonly partitionValues: PartitionValues }) =>
    equal.has(partitionKey(partitionBy, file.partitionValues))
  const files = [...state.files.values()].filter(isEqual)
  await using before = await openFiles(place, { state, shape, files }, signalOf(options))
  await using after = await staged.open(signalOf(options), isEqual)
  const sql = equalPartitions(staged, before.relation, after.relation)
  const rows = await session.rows<Record<string, string | null>>(sql, signalOf(options))
  return new Set(rows.map((row) => partitionKey(partitionBy, row)))
}

/**
 * SQL: the values of the partitions, as texts, whose rows are the same in two relations. A hash is compared and not
 * kept. Hashed twice, since DuckDB joins the hashes of a row's columns by exclusive or: in a sum of such, values that
 * change places between two rows could cancel out.
 */
function equalPartitions({ fields, partitionBy }: FileRows, before: string, after: string): string {
  const values = fields.filter(({ name }) => !partitionBy.includes(name)).flatMap(hashable)
  const partition = partitionBy.map((name) => `CAST(${identifier(name)} AS VARCHAR) AS ${identifier(name)}, `).join('')
  const groups = partitionBy.length === 0 ? '' : ` GROUP BY ${identifiers(partitionBy)}`
  const digested = (relation: string) =>
    `(SELECT ${partition}sum(hash(hash(${values.join(', ')}))) AS "cinelake.digest" FROM ${relation}${groups})`
  const same = [...partitionBy, 'cinelake.digest'].map(
    (name) => `before.${identifier(name)} IS NOT DISTINCT FROM after.${identifier(name)}`,
  )
  return `SELECT before.* FROM ${digested(before)} AS before JOIN ${digested(after)} AS after ON ${same.join(' AND ')}`
}

/** The hash input of a column's values. DuckDB's own hash is equal for some different values. */
function hashable({ name, type }: DeltaField): string[] {
  const column = identifier(name)
  // No list, an empty one and one of null; and lists of two columns, whose members could be cut apart elsewhere.
  if (typeof type !== 'string') return [`to_json(${column})`]
  // Zero, and the zero below it.
  return type === 'float' || type === 'double' ? [column, `signbit(${column})`] : [column]
}

function countRows<File extends { readonly partitionValues: PartitionValues }>(
  partitionBy: readonly string[],
  files: readonly File[],
  countOf: (file: File) => number,
): Map<string, number> {
  const counts = new Map<string, number>()
  for (const file of files) {
    const key = partitionKey(partitionBy, file.partitionValues)
    counts.set(key, (counts.get(key) ?? 0) + countOf(file))
  }
  return counts
}
