import type { AddFile, MetaData, Protocol, RemoveFile } from './actions.ts'
import { CheckpointWriter } from './checkpoint-writer.ts'
import { DataFiles, type TablePlace } from './data-files.ts'
import type { CommitOptions, CommitResult, ParquetSql } from './delta-table.ts'
import { DeltaConflictError } from './errors.ts'
import { commitPath } from './log-paths.ts'
import { catchUp, readLog } from './log-reader.ts'
import { replay, type LogState } from './log-state.ts'
import { findTxn } from './past-commit.ts'
import { statisticsOf } from './statistics.ts'

/** Tries. Each means that somebody else committed meanwhile, so some writer always gets on. */
const MAX_TRIES = 200

/** What one commit changes. */
export type Change = {
  readonly operation: string
  readonly parameters: Readonly<Record<string, string>>
  /** Whether nothing of the table was looked at, so that no other writer's rows matter. */
  readonly blind: boolean
  readonly protocol?: Protocol
  readonly metaData?: MetaData
  readonly add: readonly AddFile[]
  readonly remove: readonly AddFile[]
}

/**
 * Works out the change to the newest version. Called again when another writer came first: it keeps the work that rests
 * on what is still so, and does the rest again. Every rule of concurrency is in that.
 */
export type Operation = (state: LogState | undefined, files: DataFiles) => Promise<Change | typeof UNCHANGED>

/** What an operation says when the table holds already what it would bring. */
export const UNCHANGED = 'unchanged'

/** Commits an operation once, whatever the number of tries and deliveries. */
export async function commit(
  place: TablePlace,
  session: ParquetSql,
  options: CommitOptions,
  operation: Operation,
  read: typeof readLog = readLog,
): Promise<CommitResult> {
  const files = new DataFiles(place)
  let state = await read(place.lake, place.path, signalOf(options))
  // The files that the log names; undefined while that is not known, and then none is deleted.
  let named: ReadonlySet<string> | undefined
  try {
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      if (state !== undefined && isApplied(state, options)) {
        const found = await findTxn(place, state, options)
        // Perhaps it is this very commit, whose answer was lost on its way: then its files are in use.
        named = found.paths
        return { ...found.result, outcome: 'already-committed' }
      }
      named = new Set()
      checkBase(place, state, options)
      const change = await operation(state, files)
      if (change === UNCHANGED)
        return { version: state?.version ?? -1, outcome: UNCHANGED, addedRowCount: 0, removedRowCount: 0 }
      const version = (state?.version ?? -1) + 1
      const removed = change.remove.map((add) => removalOf(add, place.clock().getTime()))
      named = undefined
      if ((await put(place, options, change, removed, version)) === 'created') {
        named = new Set(change.add.map((add) => add.path))
        await checkpointIfDue(place, session, state, { change, removed, version, options })
        return {
          version,
          outcome: 'committed',
          addedRowCount: rowsIn(change.add),
          removedRowCount: rowsIn(change.remove),
        }
      }
      state = await afterConflict(place, state, options)
    }
  } finally {
    if (named !== undefined) await files.discardExcept(named)
  }
  throw new DeltaConflictError(place.path, `to be first within ${MAX_TRIES} tries`, 'other writers each time')
}

function isApplied(state: LogState, { txn }: CommitOptions): boolean {
  return (state.txns.get(txn.appId) ?? -Infinity) >= txn.version
}

function checkBase(place: TablePlace, state: LogState | undefined, { basedOn }: CommitOptions): void {
  const latest = state?.version ?? -1
  if (basedOn !== undefined && basedOn !== latest) {
    throw new DeltaConflictError(place.path, `version ${basedOn} to be the latest`, `version ${latest}`)
  }
}

async function afterConflict(
  place: TablePlace,
  state: LogState | undefined,
  options: CommitOptions,
): Promise<LogState | undefined> {
  if (state === undefined) return await readLog(place.lake, place.path, signalOf(options))
  return await catchUp(place.lake, place.path, state, signalOf(options))
}

async function put(
  place: TablePlace,
  options: CommitOptions,
  change: Change,
  removed: readonly RemoveFile[],
  version: number,
): Promise<'created' | 'exists'> {
  const lines = linesOf(place, options, change, removed, version).map((line) => JSON.stringify(line))
  return await place.lake.putIfAbsent(commitPath(place.path, version), `${lines.join('\n')}\n`, signalOf(options))
}

function linesOf(
  place: TablePlace,
  { txn }: CommitOptions,
  change: Change,
  removed: readonly RemoveFile[],
  version: number,
): object[] {
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
  return [
    { commitInfo },
    ...(change.protocol === undefined ? [] : [{ protocol: change.protocol }]),
    ...(change.metaData === undefined ? [] : [{ metaData: change.metaData }]),
    { txn: { ...txn, lastUpdated: timestamp } },
    ...removed.map((remove) => ({ remove: { ...remove, extendedFileMetadata: true } })),
    ...change.add.map((add) => ({ add })),
  ]
}

function removalOf(add: AddFile, deletionTimestamp: number): RemoveFile {
  const { path, partitionValues, size, stats } = add
  return { path, deletionTimestamp, dataChange: true, partitionValues, size, ...(stats !== undefined && { stats }) }
}

type Done = { change: Change; removed: readonly RemoveFile[]; version: number; options: CommitOptions }

async function checkpointIfDue(
  place: TablePlace,
  session: ParquetSql,
  before: LogState | undefined,
  done: Done,
): Promise<void> {
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
  const writer = new CheckpointWriter(place, session)
  // Readers begin with it: the log before it cannot be read.
  if (state.isDamaged === true) await writer.write(state, signalOf(options))
  else await writer.writeIfDue(state, signalOf(options))
}

function rowsIn(files: readonly AddFile[]): number {
  return files.reduce((sum, file) => sum + (statisticsOf(file).rowCount ?? 0), 0)
}

export function signalOf({ signal }: { readonly signal?: AbortSignal }): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}
