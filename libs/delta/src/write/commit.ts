import { concurrently } from '@cinelake/core'
import type { CommitOptions, CommitResult, ParquetSql } from '../delta-table.ts'
import { DeltaCorruptError, deltaErrors } from '../errors.ts'
import {
  commitText,
  type Action,
  type AddFile,
  type MetaData,
  type Protocol,
  type RemoveFile,
  replay,
  type Commit,
  type LogState,
} from '../log/actions.ts'
import { CheckpointWriter } from '../log/checkpoint-writer.ts'
import { commitPath } from '../log/paths.ts'
import { beginLog, catchUp, endBeginning, readCommit, readLog, READS_AT_ONCE, removeLog } from '../log/reader.ts'
import { statisticsOf } from '../log/statistics.ts'
import { formerIdsOf, isBegunBy, lifeProperties } from '../log/table-life.ts'
import { DataFiles, type TablePlace } from './data-files.ts'

/** Attempts. Each failure means that another writer committed, so some writer always makes progress. */
const MAX_TRIES = 200

/** The changes of one commit. */
export type Change = {
  readonly operation: string
  readonly parameters: Readonly<Record<string, string>>
  /** Whether the table was not read, so that no other writer's rows matter (blind append). */
  readonly blind: boolean
  readonly protocol?: Protocol
  readonly metaData?: MetaData
  readonly add: readonly AddFile[]
  readonly remove: readonly AddFile[]
}

/**
 * Computes the change relative to the newest version. Called again when another writer committed first: it reuses the
 * work whose basis is unchanged, and repeats the rest. All rules of concurrency are in this function.
 */
export type Operation = (state: LogState | undefined, files: DataFiles) => Promise<Change | typeof UNCHANGED>

/** The outcome of an operation when the table already holds its rows. */
export const UNCHANGED = 'unchanged'

/**
 * Commits an operation idempotently, for any number of attempts and deliveries.
 * @param adopted files that are in the table's folder already: deleted where the commit does not name them
 */
export async function commit(
  place: TablePlace,
  session: ParquetSql,
  options: CommitOptions,
  operation: Operation,
  adopted: readonly AddFile[] = [],
): Promise<CommitResult> {
  const files = new DataFiles(place)
  files.adopt(adopted)
  let found = await readBefore(place, options)
  let isFirst = false
  // The files that the log names; while unknown, none is deleted.
  let named: ReadonlySet<string> | undefined
  try {
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const { state } = found
      const isRestart = options.restart !== undefined && !isBegun(state, options)
      if (state !== undefined && !isRestart && isApplied(state, options)) {
        const past = await findTxn(place, state, options)
        // Possibly this very commit, whose answer was lost: then its files are in use.
        named = past.paths
        return { ...past.result, id: idOf(state), outcome: 'already-committed' }
      }
      named = new Set()
      if (!isRestart) checkBase(place, state, options)
      if (state === undefined && !found.isDamaged) {
        isFirst = true
        await beginLog(place.lake, place.path, signalOf(options))
      }
      const planned = await operation(isRestart ? undefined : state, files)
      if (planned === UNCHANGED) {
        return {
          version: state?.version ?? -1,
          id: idOf(state),
          outcome: UNCHANGED,
          addedRowCount: 0,
          removedRowCount: 0,
        }
      }
      const change = isRestart ? inPlaceOf(state, planned, options) : planned
      const version = (state?.version ?? -1) + 1
      const removed = change.remove.map((add) => removalOf(add, place.clock().getTime()))
      if (found.isDamaged) await removeLog(place.lake, place.path, signalOf(options))
      named = undefined
      if ((await put(place, options, change, removed, version)) === 'created') {
        named = new Set(change.add.map((add) => add.path))
        const after = await checkpointIfDue(place, session, state, { change, removed, version, options })
        return {
          version,
          id: idOf(after),
          outcome: 'committed',
          addedRowCount: rowsIn(change.add),
          removedRowCount: rowsIn(change.remove),
        }
      }
      found = await afterConflict(place, state, options)
    }
  } finally {
    if (named !== undefined) {
      await files.discardExcept(named)
      if (isFirst) await endBeginning(place.lake, place.path)
    }
  }
  throw deltaErrors.DELTA_CONFLICT(place.path, `to be first within ${MAX_TRIES} tries`, 'other writers each time')
}

/** The state before a commit. `isDamaged`: an unreadable log, which is to be removed. */
type Before = { readonly state: LogState | undefined; readonly isDamaged: boolean }

async function readBefore(place: TablePlace, options: CommitOptions): Promise<Before> {
  try {
    return { state: await readLog(place.lake, place.path, signalOf(options)), isDamaged: false }
  } catch (error) {
    if (options.restart === undefined || !(error instanceof DeltaCorruptError)) throw error
    return { state: undefined, isDamaged: true }
  }
}

function idOf(state: LogState | undefined): string {
  return state?.metaData?.id ?? ''
}

function isBegun(state: LogState | undefined, { txn }: CommitOptions): boolean {
  return state?.metaData !== undefined && isBegunBy(state.metaData, txn)
}

/** The change that makes a new table, as one that begins a new life in place of what is there. */
function inPlaceOf(state: LogState | undefined, change: Change, { txn, restart }: CommitOptions): Change {
  const { metaData } = change
  if (metaData === undefined) return change
  const before = state?.metaData
  const former = [...formerIdsOf(before?.configuration ?? {}), before?.id, restart?.formerId]
  const life = lifeProperties(
    txn,
    former.filter((id) => id !== undefined),
  )
  return {
    ...change,
    metaData: { ...metaData, configuration: { ...metaData.configuration, ...life } },
    remove: [...(state?.files.values() ?? [])],
  }
}

function isApplied(state: LogState, { txn }: CommitOptions): boolean {
  return (state.txns.get(txn.appId) ?? -Infinity) >= txn.version
}

function checkBase(place: TablePlace, state: LogState | undefined, { basedOn, basedOnId }: CommitOptions): void {
  if (basedOnId !== undefined && basedOnId !== idOf(state)) {
    throw deltaErrors.DELTA_CONFLICT(place.path, `the table with id ${basedOnId}`, `one with id ${idOf(state)}`)
  }
  const latest = state?.version ?? -1
  if (basedOn !== undefined && basedOn !== latest) {
    throw deltaErrors.DELTA_CONFLICT(place.path, `version ${basedOn} to be the latest`, `version ${latest}`)
  }
}

async function afterConflict(place: TablePlace, state: LogState | undefined, options: CommitOptions): Promise<Before> {
  if (state === undefined) return await readBefore(place, options)
  return { state: await catchUp(place.lake, place.path, state, signalOf(options)), isDamaged: false }
}

async function put(
  place: TablePlace,
  options: CommitOptions,
  change: Change,
  removed: readonly RemoveFile[],
  version: number,
): Promise<'created' | 'exists'> {
  const text = commitTextOf(place, options, change, removed, version)
  return await place.lake.putIfAbsent(commitPath(place.path, version), text, signalOf(options))
}

function commitTextOf(
  place: TablePlace,
  { txn }: CommitOptions,
  change: Change,
  removed: readonly RemoveFile[],
  version: number,
): string {
  const timestamp = place.clock().getTime()
  const commitInfo = {
    timestamp,
    operation: change.operation,
    operationParameters: change.parameters,
    ...(version > 0 && { readVersion: version - 1 }),
    isBlindAppend: change.blind,
    operationMetrics: {
      numAddedFiles: String(change.add.length),
      numRemovedFiles: String(change.remove.length),
      numOutputRows: String(rowsIn(change.add)),
    },
    engineInfo: 'cinelake',
    txnId: place.random(),
  }
  return commitText(commitInfo, [
    ...(change.protocol === undefined ? [] : [{ protocol: change.protocol }]),
    ...(change.metaData === undefined ? [] : [{ metaData: change.metaData }]),
    { txn: { ...txn, lastUpdated: timestamp } },
    ...removed.map((remove) => ({ remove: { ...remove, extendedFileMetadata: true } })),
    ...change.add.map((add) => ({ add })),
  ])
}

function removalOf(add: AddFile, deletionTimestamp: number): RemoveFile {
  const { path, partitionValues, size, stats } = add
  return { path, deletionTimestamp, dataChange: true, partitionValues, size, ...(stats !== undefined && { stats }) }
}

type Done = { change: Change; removed: readonly RemoveFile[]; version: number; options: CommitOptions }

/** @returns the state that the commit made */
async function checkpointIfDue(
  place: TablePlace,
  session: ParquetSql,
  before: LogState | undefined,
  done: Done,
): Promise<LogState> {
  const { change, removed, version, options } = done
  const actions = [
    {
      txn: options.txn,
      ...(change.protocol && { protocol: change.protocol }),
      ...(change.metaData && { metaData: change.metaData }),
    },
    ...removed.map((remove) => ({ remove })),
    ...change.add.map((add) => ({ add })),
  ]
  const state = replay(before, [{ version, actions }])
  await new CheckpointWriter(place, session).writeIfDue(state, signalOf(options))
  return state
}

function rowsIn(files: readonly AddFile[]): number {
  return files.reduce((sum, file) => sum + (statisticsOf(file).rowCount ?? 0), 0)
}

export function signalOf({ signal }: { readonly signal?: AbortSignal }): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}

type PastCommit = {
  readonly result: Omit<CommitResult, 'outcome' | 'id'>
  /** Files that the commit added, as the log writes them; undefined where the log does not say. */
  readonly paths: ReadonlySet<string> | undefined
}

/**
 * The commit by which a txn came into a table. Where the log no longer reaches back so far: the state's version,
 * without rows.
 */
async function findTxn({ lake, path }: TablePlace, state: LogState, options: CommitOptions): Promise<PastCommit> {
  const { txn, signal } = options
  const isIt = (action: Action) => action.txn?.appId === txn.appId && action.txn.version >= txn.version
  for (let newest = state.version; newest >= 0; newest -= READS_AT_ONCE) {
    const versions = Array.from({ length: Math.min(READS_AT_ONCE, newest + 1) }, (_, index) => newest - index)
    const commits = await concurrently(versions, READS_AT_ONCE, async (version) => {
      return await readCommit(lake, path, version, signal === undefined ? {} : { signal })
    })
    const found = commits.find((commit) => commit?.actions.some(isIt) === true)
    if (found !== undefined) return summaryOf(found)
    if (commits.includes(undefined)) break
  }
  return { result: { version: state.version, addedRowCount: 0, removedRowCount: 0 }, paths: undefined }
}

function summaryOf({ version, actions }: Commit): PastCommit {
  const added = actions.flatMap(({ add }) => add ?? [])
  const removed = actions.flatMap(({ remove }) => remove ?? [])
  const rows = (stats: string | undefined) => statisticsOf({ stats }).rowCount ?? 0
  return {
    result: {
      version,
      addedRowCount: added.reduce((sum, file) => sum + rows(file.stats), 0),
      removedRowCount: removed.reduce((sum, file) => sum + rows(file.stats), 0),
    },
    paths: new Set(added.map((file) => file.path)),
  }
}
