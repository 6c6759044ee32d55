import type { AddFile } from '../log/actions.ts'
import { UNCHANGED, type Operation } from './commit.ts'
import type { TablePlace } from './data-files.ts'
import type { CommitOptions, DeltaPartition, OverwriteOptions, ParquetSql } from '../delta-table.ts'
import { DeltaSchemaError } from '../errors.ts'
import type { LogState } from '../log/state.ts'
import { createRewriter } from './rewrite.ts'
import { partitionKey, samePartitions } from './same-rows.ts'
import { planAddedRows, planReplacedTable, writableShape } from './plan.ts'
import type { IsWanted } from './file-rows.ts'
import { createWriteOnce, type GivenRows } from './writes.ts'

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
