import { type Clock, type Log, concurrently, silentLog } from '@cinelake/core'
import type { CallOptions, Lake } from '@cinelake/lake'
import { randomUUID } from 'node:crypto'
import type {
  CommitOptions,
  DeltaCommitInfo,
  DeltaRows,
  DeltaSnapshot,
  DeltaTable,
  DeltaView,
  MergeOptions,
  ParquetSql,
} from './delta-table.ts'
import { DeltaVersionMissingError, TableLostError, TableReplacedError } from './errors.ts'
import type { AddFile, Commit, LogState } from './log/actions.ts'
import { commitPath } from './log/paths.ts'
import { type TableShape, readableShape } from './log/protocol.ts'
import { READS_AT_ONCE, beginLog, listCommits, readCommit, readLog } from './log/reader.ts'
import { statisticsOf } from './log/statistics.ts'
import { engineTypeOf } from './log/types.ts'
import { mayHold, readBounds } from './read/key-bounds.ts'
import { fileOf, snapshotOf, openFiles } from './read/view.ts'
import type { QueryColumn } from './write/columns.ts'
import { type Operation, commit, signalOf } from './write/commit.ts'
import { DataFiles, type TablePlace } from './write/data-files.ts'
import { type FileRows, StagedRows, stageRows, AdoptedRows } from './write/staged-rows.ts'
import { Merge } from './write/merge.ts'
import { appendOperation, overwriteOperation, overwritePartitionsOperation } from './write/overwrite.ts'
import { vacuum } from './write/vacuum.ts'
import type { GivenRows } from './write/writes.ts'

type Deps = {
  readonly lake: Lake
  /** Lake path of the table's folder: `refined/titles`. The table is made by its first commit. */
  readonly path: string
  readonly clock: Clock
  /** A new UUID; names of files and tables. */
  readonly random?: () => string
  /** Called with errors that have no consequence. Default: ignored. */
  readonly log?: Log
}

/** Opens a Delta table, whether it exists yet or not. Caches nothing: each call reads the log again. */
export function createDeltaTable({ random = randomUUID, log = silentLog, ...deps }: Deps): DeltaTable {
  const place: TablePlace = { ...deps, random, log }
  const described = async (session: ParquetSql, rows: DeltaRows, options: CommitOptions): Promise<GivenRows> => {
    if (rows instanceof StagedRows) return { columns: columnsOf(rows), staged: rows }
    if (typeof rows === 'string') return { query: rows, columns: await session.describe(rows) }
    const staged = new AdoptedRows(place, rows, await rows.files(options))
    return { columns: columnsOf(staged), staged, adopted: staged.adds }
  }
  return {
    path: place.path,
    snapshot: async (options = {}) => await readSnapshot(place, options),
    view: async (session, options = {}) => await openView(place, session, options),
    begin: async (options = {}) => await beginLog(place.lake, place.path, options),
    async append(session, query, options) {
      const rows = await described(session, query, options)
      return await commit(place, session, options, appendOperation(place, session, rows, options))
    },
    stage: async (session, query, options = {}) => await stageRows(place, session, query, options),
    async read(rows, options = {}) {
      if (rows instanceof StagedRows) return await rows.open(options)
      const adopted = new AdoptedRows(place, rows, await rows.files(options))
      const files = new DataFiles(place)
      files.adopt(adopted.adds)
      const opened = await adopted.open(options)
      const dispose = async () => {
        await opened[Symbol.asyncDispose]()
        await files.discardExcept(new Set())
      }
      return { relation: opened.relation, [Symbol.asyncDispose]: dispose }
    },
    async overwrite(session, given, options) {
      const rows = await described(session, given, options)
      return await commit(place, session, options, overwriteOperation(place, session, rows, options), rows.adopted)
    },
    async overwritePartitions(session, given, options) {
      const rows = await described(session, given, options)
      const operation = overwritePartitionsOperation(place, session, rows, options)
      return await commit(place, session, options, operation, rows.adopted)
    },
    async merge(session, given, options: MergeOptions) {
      const rows = await described(session, given, options)
      await using merge = new Merge(place, session, rows, options)
      const operation: Operation = async (state, files) => await merge.change(state, files)
      return await commit(place, session, options, operation, rows.adopted)
    },
    changedFiles: async (from, to) => await changedFiles(place, from, to),
    history: async ({ limit = Infinity } = {}) => await readHistory(place, limit, {}),
    vacuum: async (options) => await vacuum(place, options),
  }
}

/** As a query of these rows would be described. */
function columnsOf({ fields }: FileRows): QueryColumn[] {
  return fields.map(({ name, type }) => ({ name, type: engineTypeOf(type) ?? '' }))
}

type ReadOptions = { readonly version?: number; readonly id?: string | undefined; readonly signal?: AbortSignal }

async function readSnapshot(place: TablePlace, options: ReadOptions): Promise<DeltaSnapshot | undefined> {
  const state = await readLife(place, options)
  if (state === undefined) return undefined
  return snapshotOf(place.path, state, readableShape(place.path, state))
}

/**
 * The log of the table that is meant.
 * @throws {TableReplacedError} terminal: another table has that version
 * @throws {TableLostError} terminal: the version is known to have been made, and none has it
 */
async function readLife(place: TablePlace, options: ReadOptions): Promise<LogState | undefined> {
  const { id } = options
  const state = await readLog(place.lake, place.path, options).catch((error: unknown) => {
    if (id === undefined || !(error instanceof DeltaVersionMissingError)) throw error
    throw new TableLostError(place.path, options.version ?? 0, error.got)
  })
  const found = state?.metaData?.id
  if (state === undefined || id === undefined || found === undefined || found === id) return state
  throw new TableReplacedError(place.path, { version: state.version, id }, found)
}

type ViewOptions = Parameters<DeltaTable['view']>[1] & {}

async function openView(
  place: TablePlace,
  session: ParquetSql,
  { keep = () => true, matching, ...options }: ViewOptions,
): Promise<DeltaView | undefined> {
  const state = await readLife(place, options)
  if (state === undefined) return undefined
  const shape = readableShape(place.path, state)
  const snapshot = snapshotOf(place.path, state, shape)
  const matches = matching === undefined ? () => true : await matcherOf(session, shape, matching, signalOf(options))
  const files = [...state.files.values()].filter((add) => matches(add) && keep(fileOf(place.path, add, state.version)))
  const opened = await openFiles(place, { state, shape, files }, signalOf(options))
  return { relation: opened.relation, snapshot, [Symbol.asyncDispose]: async () => await opened[Symbol.asyncDispose]() }
}

/** Which files may hold one of the keys. */
async function matcherOf(
  session: ParquetSql,
  { fields, metaData }: TableShape,
  { relation, key }: NonNullable<ViewOptions['matching']>,
  options: { readonly signal?: AbortSignal },
): Promise<(add: AddFile) => boolean> {
  const known = key.flatMap((name) => fields.find((field) => field.name === name) ?? [])
  const bounds = await readBounds(session, { relation, key: known, partitionBy: metaData.partitionColumns }, options)
  return (add) => mayHold(add, known, bounds)
}

/** By the two versions' files, so that what came and went in between does not show. */
async function changedFiles(place: TablePlace, from: number, to: number): ReturnType<DeltaTable['changedFiles']> {
  const newer = await readSnapshot(place, { version: to })
  const older = await readSnapshot(place, { version: from }).catch((error: unknown) => {
    if (error instanceof DeltaVersionMissingError) return undefined
    throw error
  })
  if (older === undefined || newer === undefined) return undefined
  const [before, after] = [new Set(older.files.map((file) => file.path)), new Set(newer.files.map((file) => file.path))]
  return {
    added: newer.files.filter((file) => !before.has(file.path)),
    removed: older.files.filter((file) => !after.has(file.path)),
  }
}

/** The newest commits of a table, newest first. */
async function readHistory(place: TablePlace, limit: number, options: CallOptions): Promise<DeltaCommitInfo[]> {
  const versions = (await listCommits(place.lake, place.path, options)).reverse().slice(0, limit)
  const entries = await concurrently(versions, READS_AT_ONCE, async (version) => {
    const commit = await readCommit(place.lake, place.path, version, options)
    return commit === undefined ? [] : [await infoOf(place, commit, options)]
  })
  return entries.flat()
}

async function infoOf(place: TablePlace, { version, actions }: Commit, options: CallOptions): Promise<DeltaCommitInfo> {
  const info = actions.find((action) => action.commitInfo !== undefined)?.commitInfo
  const added = actions.flatMap(({ add }) => add ?? [])
  const txn = actions.find((action) => action.txn !== undefined)?.txn
  const { timestamp, operation } = info ?? {}
  return {
    version,
    at: typeof timestamp === 'number' ? new Date(timestamp) : await writtenAt(place, version, options),
    operation: typeof operation === 'string' ? operation : 'UNKNOWN',
    addedFileCount: added.length,
    removedFileCount: actions.filter(({ remove }) => remove !== undefined).length,
    addedRowCount: added.reduce((sum, add) => sum + (statisticsOf(add).rowCount ?? 0), 0),
    ...(txn !== undefined && { txn: { appId: txn.appId, version: txn.version } }),
  }
}

/** Other writers may leave the commitInfo out. */
async function writtenAt({ lake, path }: TablePlace, version: number, options: CallOptions): Promise<Date> {
  const found = await lake.stat(commitPath(path, version), options)
  return found?.modifiedAt ?? new Date(0)
}
