import { concurrently } from '@cinelake/core'
import type { CallOptions } from '@cinelake/lake'
import type { TablePlace } from '../write/data-files.ts'
import type { DeltaCommitInfo } from '../delta-table.ts'
import { commitPath } from './paths.ts'
import { listCommits, readCommit, READS_AT_ONCE } from './reader.ts'
import type { Commit } from './state.ts'
import { statisticsOf } from './statistics.ts'

/** The newest commits of a table, newest first. */
export async function readHistory(place: TablePlace, limit: number, options: CallOptions): Promise<DeltaCommitInfo[]> {
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
