import type { CallOptions, Lake } from '@cinelake/lake'
import { parseCommit } from './actions.ts'
import { readCheckpointFile } from './checkpoint-reader.ts'
import { concurrently } from './concurrently.ts'
import { DeltaCorruptError, DeltaVersionMissingError } from './errors.ts'
import { isObject } from './json.ts'
import { beforeVersion, commitPath, lastCheckpointPath, logFolder, parseLogFile, type LogFile } from './log-paths.ts'
import { replay, type Commit, type LogState } from './log-state.ts'

/** Log files read at once: enough to hide a cloud storage's latency, and few beside what else a process reads. */
export const READS_AT_ONCE = 16

type ReadOptions = CallOptions & { readonly version?: number | undefined }
type Checkpoint = { readonly version: number; readonly paths: readonly string[] }

/**
 * Reads a table's log: the newest checkpoint that serves, and the commits after it.
 * @returns undefined where there is no table
 * @throws {DeltaVersionMissingError} terminal: the version was never there or its log is gone
 * @throws {DeltaCorruptError} terminal: a gap, or a file that does not parse
 */
export async function readLog(lake: Lake, table: string, options: ReadOptions = {}): Promise<LogState | undefined> {
  const hint = await hintedCheckpoint(lake, table, options)
  const listed = await listLog(lake, table, options, hint)
  const checkpoint = newestCheckpoint(listed, options.version)
  const base = checkpoint === undefined ? undefined : await readCheckpoint(lake, checkpoint, options)
  const first = (base?.version ?? -1) + 1
  const versions = listed.flatMap(({ file }) => (file.kind === 'commit' && file.version >= first ? [file.version] : []))
  if (base === undefined && versions.length === 0) return missing(table, options.version)
  const last = Math.min(versions.at(-1) ?? first - 1, options.version ?? Infinity)
  if (base === undefined && (versions[0] ?? 0) > 0 && options.version !== undefined) {
    throw new DeltaVersionMissingError(table, options.version, `the log begins with version ${versions[0]}`)
  }
  const state = replay(base, await readCommits(lake, table, first, last, options))
  if (options.version !== undefined && state.version < options.version) {
    throw new DeltaVersionMissingError(table, options.version, `the latest is ${state.version}`)
  }
  return state
}

/**
 * What is known of a table that is to be replaced: its log as it is, or, where that is damaged, only which version it
 * ends with. What a damaged log says about files and properties is lost.
 */
export async function readLogOrItsEnd(
  lake: Lake,
  table: string,
  options: CallOptions = {},
): Promise<LogState | undefined> {
  try {
    return await readLog(lake, table, options)
  } catch (error) {
    if (!(error instanceof DeltaCorruptError)) throw error
    const listed = await listLog(lake, table, options, undefined)
    const version = Math.max(...listed.map(({ file }) => file.version))
    return { ...replay(undefined, []), version, isDamaged: true }
  }
}

/** Takes up the commits that came since a state was read: one request where there is none. */
export async function catchUp(lake: Lake, table: string, state: LogState, options: CallOptions): Promise<LogState> {
  const commits: Commit[] = []
  for (let version = state.version + 1; ; version += 1) {
    const commit = await readCommit(lake, table, version, options)
    if (commit === undefined) break
    commits.push(commit)
  }
  return commits.length === 0 ? state : replay(state, commits)
}

/** @returns undefined where there is no such commit */
export async function readCommit(
  lake: Lake,
  table: string,
  version: number,
  options: CallOptions,
): Promise<Commit | undefined> {
  const path = commitPath(table, version)
  const text = await lake.readText(path, options)
  return text === undefined ? undefined : { version, actions: parseCommit(text, path) }
}

/** The versions whose commits are in the log, ascending. */
export async function listCommits(lake: Lake, table: string, options: CallOptions): Promise<number[]> {
  const listed = await listLog(lake, table, options, undefined)
  return listed.flatMap(({ file }) => (file.kind === 'commit' ? [file.version] : []))
}

async function readCommits(
  lake: Lake,
  table: string,
  first: number,
  last: number,
  options: CallOptions,
): Promise<Commit[]> {
  const versions = Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index)
  // By name and not by what was listed: a listing may miss what is written meanwhile, a file that is there may not be missed.
  return await concurrently(versions, READS_AT_ONCE, async (version) => {
    const commit = await readCommit(lake, table, version, options)
    if (commit === undefined) {
      throw new DeltaCorruptError(
        commitPath(table, version),
        `version ${version}, since later ones are there`,
        'no file',
      )
    }
    return commit
  })
}

async function readCheckpoint(lake: Lake, checkpoint: Checkpoint, options: CallOptions): Promise<LogState> {
  const parts = await concurrently(checkpoint.paths, READS_AT_ONCE, async (path) =>
    readCheckpointFile(lake, path, options),
  )
  return {
    ...replay(undefined, [{ version: checkpoint.version, actions: parts.flat() }]),
    checkpointVersion: checkpoint.version,
  }
}

function newestCheckpoint(listed: readonly Listed[], upTo = Infinity): Checkpoint | undefined {
  const found = new Map<string, { version: number; parts: number; paths: string[] }>()
  for (const { path, file } of listed) {
    if (file.kind !== 'checkpoint' || file.version > upTo) continue
    const key = `${file.version}/${file.parts}`
    const checkpoint = found.get(key) ?? { version: file.version, parts: file.parts, paths: [] }
    checkpoint.paths.push(path)
    found.set(key, checkpoint)
  }
  const complete = [...found.values()].filter(({ parts, paths }) => parts === paths.length)
  return complete.sort((a, b) => b.version - a.version)[0]
}

type Listed = { readonly path: string; readonly file: LogFile }

async function listLog(lake: Lake, table: string, options: ReadOptions, from: number | undefined): Promise<Listed[]> {
  const listed: Listed[] = []
  const startAfter = from === undefined ? {} : { startAfter: beforeVersion(table, from) }
  for await (const { path } of lake.list(logFolder(table), { ...signalOf(options), ...startAfter })) {
    const file = parseLogFile(path)
    if (file !== undefined) listed.push({ path, file })
  }
  // The hint may be of a checkpoint that is gone: then everything is looked at.
  if (from !== undefined && newestCheckpoint(listed, options.version) === undefined) {
    return await listLog(lake, table, options, undefined)
  }
  return listed
}

async function hintedCheckpoint(lake: Lake, table: string, options: ReadOptions): Promise<number | undefined> {
  const text = await lake.readText(lastCheckpointPath(table), signalOf(options))
  const version = text === undefined ? undefined : versionIn(text)
  return version === undefined || version > (options.version ?? Infinity) ? undefined : version
}

/** A hint that does not parse is no hint. */
function versionIn(text: string): number | undefined {
  try {
    const parsed: unknown = JSON.parse(text)
    const version = isObject(parsed) ? parsed['version'] : undefined
    return typeof version === 'number' && Number.isSafeInteger(version) && version >= 0 ? version : undefined
  } catch {
    return undefined
  }
}

function signalOf({ signal }: CallOptions): CallOptions {
  return signal === undefined ? {} : { signal }
}

function missing(table: string, version: number | undefined): undefined {
  if (version !== undefined) throw new DeltaVersionMissingError(table, version, 'there is no table')
}
