import type { Action } from './actions.ts'
import { concurrently } from '../concurrently.ts'
import type { TablePlace } from '../write/data-files.ts'
import type { CommitOptions, CommitResult } from '../delta-table.ts'
import { readCommit, READS_AT_ONCE } from './reader.ts'
import type { Commit, LogState } from './state.ts'
import { statisticsOf } from './statistics.ts'

type PastCommit = {
  readonly result: Omit<CommitResult, 'outcome' | 'id'>
  /** Files that the commit added, as the log writes them; undefined where the log does not say. */
  readonly paths: ReadonlySet<string> | undefined
}

/** The commit by which a txn came into a table. Where the log no longer reaches back so far: the state's version, without rows. */
export async function findTxn(
  { lake, path }: TablePlace,
  state: LogState,
  options: CommitOptions,
): Promise<PastCommit> {
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
