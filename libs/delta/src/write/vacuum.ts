import { concurrently } from '@cinelake/core'
import type { CallOptions } from '@cinelake/lake'
import type { TablePlace } from './data-files.ts'
import { decodePath, LOG_FOLDER } from '../log/paths.ts'
import { listCommits, readCommit, readLog, READS_AT_ONCE } from '../log/reader.ts'
import type { LogState } from '../log/actions.ts'
import { readableShape } from '../log/protocol.ts'

type VacuumOptions = CallOptions & { readonly retentionMs: number; readonly dryRun?: boolean }

/**
 * Deletes data files that only versions older than the retention need, and leftovers of writers that died. A file
 * younger than the retention is never touched: its commit may be about to come.
 * @returns lake paths, in order
 */
export async function vacuum(place: TablePlace, options: VacuumOptions): Promise<string[]> {
  const signal = options.signal === undefined ? {} : { signal: options.signal }
  const state = await readLog(place.lake, place.path, signal)
  if (state === undefined) return []
  readableShape(place.path, state)
  const before = place.clock().getTime() - options.retentionMs
  const needed = await neededPaths(place, state, before, signal)
  const candidates: string[] = []
  const otherTables = new Set<string>()
  for await (const { path, modifiedAt } of place.lake.list(place.path, signal)) {
    const name = path.slice(place.path.length + 1)
    const log = name.indexOf(`/${LOG_FOLDER}/`)
    if (log > 0) otherTables.add(name.slice(0, log + 1))
    if (!isHidden(name) && !needed.has(name) && modifiedAt.getTime() < before) candidates.push(name)
  }
  const unneeded = candidates.filter((name) => !isWithin(otherTables, name)).map((name) => `${place.path}/${name}`)
  if (options.dryRun !== true) {
    await concurrently(unneeded, READS_AT_ONCE, async (path) => await place.lake.delete(path, signal))
  }
  return unneeded
}

/** The files of this version, and those removed so late that a version within the retention had them. */
async function neededPaths(
  place: TablePlace,
  state: LogState,
  before: number,
  signal: CallOptions,
): Promise<Set<string>> {
  const needed = new Set([...state.files.keys()].map(decoded))
  const keep = (path: string, removedAt: number) => {
    if (removedAt >= before) needed.add(decoded(path))
  }
  for (const remove of state.removed.values()) keep(remove.path, remove.deletionTimestamp)
  // A checkpoint forgets removals after a week; a longer retention finds them in the commits.
  const versions = await listCommits(place.lake, place.path, signal)
  await concurrently(versions, READS_AT_ONCE, async (version) => {
    const commit = await readCommit(place.lake, place.path, version, signal)
    for (const { remove } of commit?.actions ?? [])
      if (remove !== undefined) keep(remove.path, remove.deletionTimestamp)
  })
  return needed
}

/** A path that does not decode is no file of ours to delete; it stays under its own name. */
function decoded(path: string): string {
  return decodePath(path) ?? path
}

/** A folder below a table may hold tables of its own: those of a pipeline that is called like this table. */
function isWithin(folders: ReadonlySet<string>, name: string): boolean {
  for (let slash = name.indexOf('/'); slash >= 0; slash = name.indexOf('/', slash + 1)) {
    if (folders.has(name.slice(0, slash + 1))) return true
  }
  return false
}

/** The log, and what other tools keep beside the data; partition folders may begin with an underscore. */
function isHidden(name: string): boolean {
  return name.split('/').some((segment) => /^[_.]/.test(segment) && !segment.includes('='))
}
