import type { Action, AddFile, MetaData, Protocol, RemoveFile } from './actions.ts'

/** The state of a table at one version: the sum of its log's actions. */
export type LogState = {
  readonly version: number
  readonly protocol: Protocol | undefined
  readonly metaData: MetaData | undefined
  /** By path. */
  readonly files: ReadonlyMap<string, AddFile>
  /** Files removed before, by path: the data of older versions. */
  readonly removed: ReadonlyMap<string, RemoveFile>
  readonly txns: ReadonlyMap<string, number>
  /** The version of the newest checkpoint that was read; -1 for none. */
  readonly checkpointVersion: number
}

export type Commit = { readonly version: number; readonly actions: readonly Action[] }

/** The state after some more commits, oldest first. */
export function replay(base: LogState | undefined, commits: readonly Commit[]): LogState {
  const files = new Map(base?.files)
  const removed = new Map(base?.removed)
  let txns = new Map(base?.txns)
  let { protocol, metaData } = base ?? {}
  for (const { actions } of commits) {
    // Another id means that the table was created again: earlier commits do not count.
    const begun = actions.find((action) => action.metaData !== undefined)?.metaData
    if (metaData !== undefined && begun !== undefined && begun.id !== metaData.id) txns = new Map()
    // A commit may remove and add one path; of the two the addition counts.
    for (const { remove } of actions) {
      if (remove === undefined) continue
      files.delete(remove.path)
      removed.set(remove.path, remove)
    }
    for (const action of actions) {
      if (action.add !== undefined) {
        files.set(action.add.path, action.add)
        removed.delete(action.add.path)
      }
      if (action.txn !== undefined) txns.set(action.txn.appId, action.txn.version)
      protocol = action.protocol ?? protocol
      metaData = action.metaData ?? metaData
    }
  }
  const version = commits.at(-1)?.version ?? base?.version ?? -1
  return { version, protocol, metaData, files, removed, txns, checkpointVersion: base?.checkpointVersion ?? -1 }
}
