import type { TaskContext } from '@cinelake/bus'
import { DELETED_COLUMN, rawFolder, type Ingest, type LandedFile, type TableName } from '@cinelake/contracts'
import { PipelineError } from '@cinelake/core'
import type { SqlEngine } from '@cinelake/engine'
import { windowFolder, type Lake, type Landed } from '@cinelake/lake'
import type { PipelineOfSource } from '@cinelake/source-kind'
import { isWanted, type DatabaseDataset, type DatabaseSource, type TableSplit } from '../config/index.ts'
import type { Fill } from '@cinelake/secrets'
import type { AzureCredential } from '@cinelake/database'
import { databaseSourceErrors, type DatabaseLocation } from '../errors.ts'
import { landRanges, openLandingState } from './land-ranges.ts'
import { landRows } from './land-rows.ts'
import { mixed, openTableSnapshot, type TableSnapshot } from '../shared-snapshot.ts'
import { planReading, type Reading } from './plan-reading.ts'
import type { KeyRange, Snapshot, SnapshotOptions, SourceDatabase, SourceTable } from '../source-database.ts'
import { splitColumn } from '../columns.ts'
import { withAnother, withDatabase, type ConnectionSemaphore } from '../with-database.ts'

type Deps = {
  readonly lake: Lake
  readonly engine: SqlEngine
  readonly fill: Fill
  readonly connections: ConnectionSemaphore
  readonly credential?: AzureCredential | undefined
}
type Place = {
  readonly pipeline: PipelineOfSource
  readonly source: DatabaseSource
  readonly table: TableName
  /** Undefined for tables that are not declared. */
  readonly dataset: DatabaseDataset | undefined
}
type Work = Place & {
  readonly deps: Deps
  readonly command: Ingest
  readonly database: SourceDatabase
  readonly snapshot: Snapshot
  readonly tableSnapshot: TableSnapshot
  readonly described: SourceTable
  readonly reading: Reading
  readonly context: TaskContext
}

/** Copies a table, or its new rows, into raw as typed Parquet. */
export function createIngestTable(deps: Deps) {
  return async (command: Ingest, place: Place, context: TaskContext): Promise<Landed> => {
    const { lake } = deps
    const { signal } = context
    return await withDatabase(place.source, { ...deps, signal }, async (database) => {
      const found = withRowsOfHeirs(await database.describe(place.table), place, database.place)
      const described = withDigitsCut(found, place)
      const tableSnapshot = await openTableSnapshot(
        { database, table: described, source: place.source },
        { lake, command, signal },
      )
      await using snapshot = tableSnapshot.snapshot
      const at = database.place
      const { pipeline, dataset } = place
      const reading = await planReading(dataset, { lake, snapshot, table: described, at, pipeline, command, signal })
      const work = { ...place, deps, command, database, snapshot, tableSnapshot, described, reading, context }
      return landedOf(work, reading.isEmpty === true ? { files: [] } : await landTable(work))
    })
  }
}

/**
 * The rows of tables that inherit from a table are copied once: with these tables if the source copies them, else with
 * the table. A key of the table does not hold for them all.
 * @throws {DATABASE_TABLE_UNUSABLE} terminal: only some of them are copied
 */
function withRowsOfHeirs(table: SourceTable, { source }: Place, at: DatabaseLocation): SourceTable {
  const { heirs = [] } = table
  const isCopied = (one: TableName) =>
    isWanted(source, one) ||
    source.datasets.some(({ table: { schema, name } }) => schema === one.schema && name === one.name)
  const copied = heirs.filter(isCopied).length
  if (copied === heirs.length) return table
  if (copied === 0) return { ...table, primaryKey: [], withHeirs: true }
  throw databaseSourceErrors.DATABASE_TABLE_UNUSABLE(
    at,
    table.table,
    `expected all of the ${heirs.length} tables that inherit from it to be copied, or none, so that each row is copied once, got ${copied}`,
  )
}

/** Digits of a second that times in the lake do not have are cut off where the pipeline's text says so. */
function withDigitsCut(table: SourceTable, { source, dataset }: Place): SourceTable {
  if ((dataset?.subMicroseconds ?? source.subMicroseconds) !== 'cut') return table
  const columns = table.columns.map((column) => ({ ...column, fromText: column.cutFromText ?? column.fromText }))
  return { ...table, columns }
}

function landedOf({ described, reading, tableSnapshot }: Work, { files: parts, isMixed = false }: Parts): Landed {
  const { shared, quality } = isMixed ? mixed(tableSnapshot) : tableSnapshot
  const rowCount = rowsIn(parts)
  const isPart = reading.range !== undefined || reading.isEmpty === true
  return {
    format: 'parquet',
    // An empty table is reported if it is read in full; no new rows are normal.
    files: isPart && rowCount === 0 ? [] : withoutEmpty(parts),
    rowCount,
    columns: landedColumns(described, reading).map(({ name, type }) => ({ name, type })),
    primaryKey: [...described.primaryKey],
    ...(quality && { quality: [...quality] }),
    ...(shared !== undefined && { snapshot: shared }),
    ...(reading.cursor && { cursor: reading.cursor }),
  }
}

/** `isMixed`: some ranges are of other attempts, and so of another snapshot. */
type Parts = { readonly files: readonly LandedFile[]; readonly isMixed?: boolean }

async function landTable(work: Work): Promise<Parts> {
  const { source, dataset, described, database, snapshot, reading } = work
  const plan = await planRanges(dataset?.split ?? source.split, work)
  const parts = plan === undefined ? { files: await landWhole(work) } : await landInRanges(work, plan)
  if (verificationOf(work) !== undefined) {
    const counted = await snapshot.count(described, { range: reading.range })
    const found = rowsIn(parts.files)
    if (counted !== found)
      throw databaseSourceErrors.DATABASE_ROWS_LOST(database.place, described.table, counted, found)
  }
  return parts
}

async function landWhole(work: Work): Promise<LandedFile[]> {
  const { context, snapshot } = work
  return await land(work, snapshot, { signal: context.signal, progress: context.progress })
}

type Ranges = { readonly column: string; readonly split: TableSplit; readonly shared: string | undefined }

/** Undefined for a table that is read in one query. */
async function planRanges(
  split: TableSplit | undefined,
  { described, database, snapshot, reading }: Work,
): Promise<Ranges | undefined> {
  const column = splitColumn(database.place, described, split)
  if (split === undefined || column === undefined || reading.range?.kind === 'changes') return undefined
  if ((await snapshot.estimate(described)) < split.minRows) return undefined
  return { column, split, shared: await snapshot.share() }
}

async function landInRanges(work: Work, { column, split, shared }: Ranges): Promise<Parts> {
  const { deps, source, command, snapshot, described, reading, context } = work
  const { signal, progress } = context
  const { columns, table } = described
  const what = [table, columns.map(({ name, sourceType, type }) => [name, sourceType, type]), reading, column, split]
  const find = async () => await snapshot.boundaries(described, column, split.ranges)
  const state = split.resume
    ? openLandingState(deps.lake, command, what, { signal, snapshot: work.tableSnapshot.shared })
    : undefined
  const boundaries = await (state === undefined ? find() : state.boundaries(find))
  const stop = new AbortController()
  const both = AbortSignal.any([signal, stop.signal])
  const done = createTally(progress)
  // If connections do not see the same snapshot, a table would be a mixture of several: only if that is accepted anyway.
  const mayHelp = shared !== undefined || split.resume
  const files = await landRanges(
    { column, boundaries, state },
    {
      snapshot,
      stop,
      land: async (connection, keys, range) =>
        await land(work, connection, { signal: both, progress: (rows) => done(range, rows), keys, range }),
      help: async (help) => {
        if (mayHelp) await helpOut(source, { ...deps, signal: both }, { shared, table: described }, help)
      },
    },
  )
  return { files, isMixed: state?.hasOthers() ?? false }
}

/** If an additional connection cannot be opened, the task continues without it. */
async function helpOut(
  source: DatabaseSource,
  deps: Deps & { readonly signal: AbortSignal },
  seen: SnapshotOptions,
  work: (snapshot: Snapshot) => Promise<void>,
): Promise<void> {
  let isOpen = false
  try {
    await withAnother(source, deps, async (database) => {
      await using snapshot = await database.snapshot(seen)
      isOpen = true
      await work(snapshot)
    })
  } catch (error) {
    if (isOpen || !(error instanceof PipelineError)) throw error
  }
}

type Part = {
  readonly signal: AbortSignal
  readonly progress: TaskContext['progress']
  readonly keys?: KeyRange
  readonly range?: number
}

async function land(work: Work, snapshot: Snapshot, { signal, progress, keys, range }: Part): Promise<LandedFile[]> {
  const { deps, command, table, described, database, reading } = work
  const isCompared = verificationOf(work) === 'checksum'
  const selection = { range: reading.range, keys, digests: isCompared }
  return await landRows(deps, snapshot.rows(described, selection), {
    table: { ...described, columns: landedColumns(described, reading) },
    place: database.place,
    folder: `${rawFolder(command.pipeline.name, 'database', command.source, folderName(table))}/${windowFolder(command)}`,
    compare: isCompared,
    signal,
    progress,
    ...(range === undefined ? {} : { range }),
  })
}

const DELETED = {
  name: DELETED_COLUMN,
  sourceType: 'bit',
  type: 'BOOLEAN',
  nullable: false,
  fromText: (text: string) => `CAST(${text} AS BOOLEAN)`,
}

/** Changes have a flag for deleted rows. */
function landedColumns({ columns }: SourceTable, { range }: Reading): SourceTable['columns'] {
  return range?.kind === 'changes' ? [...columns, DELETED] : columns
}

function verificationOf({ source, dataset }: Work) {
  return dataset?.verify ?? source.verify
}

/** Ranges without rows have an empty file each, which is redundant beside the others. One is kept. */
function withoutEmpty(parts: readonly LandedFile[]): LandedFile[] {
  const full = parts.filter(({ rowCount }) => rowCount !== 0)
  return full.length > 0 ? full : parts.slice(0, 1)
}

function createTally(progress: TaskContext['progress']) {
  const ranges = new Map<number, { readonly rowCount?: number; readonly sizeBytes?: number }>()
  return (range: number, done: { readonly rowCount?: number; readonly sizeBytes?: number }) => {
    ranges.set(range, done)
    const all = [...ranges.values()]
    progress({
      rowCount: all.reduce((sum, { rowCount = 0 }) => sum + rowCount, 0),
      sizeBytes: all.reduce((sum, { sizeBytes = 0 }) => sum + sizeBytes, 0),
    })
  }
}

function rowsIn(parts: readonly LandedFile[]): number {
  return parts.reduce((sum, { rowCount = 0 }) => sum + rowCount, 0)
}

/** A table's name as one name in the lake. Injective: two tables never get the same name. */
function folderName({ schema, name }: TableName): string {
  return `${schema}.${name}`.replaceAll(/[%/\\\p{Cc}]/gu, (char) => encodeURIComponent(char))
}
