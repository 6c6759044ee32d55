import { concurrently, PipelineError } from '@cinelake/core'
import type { CallOptions, Lake } from '@cinelake/lake'
import { parquetMetadata, parquetReadObjects, type Compressors } from 'hyparquet'
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import { DeltaCorruptError, DeltaVersionMissingError } from '../errors.ts'
import { parseAction, parseCommit, type Action, replay, type Commit, type LogState } from './actions.ts'
import { CHECKSUM_TAG, checksumOf, isObject } from './json.ts'
import {
  beforeVersion,
  begunPath,
  commitPath,
  lastCheckpointPath,
  logFolder,
  parseLogFile,
  type LogFile,
} from './paths.ts'

/** Log files read at once: enough to hide a cloud storage's latency, and few beside what else a process reads. */
export const READS_AT_ONCE = 16

type ReadOptions = CallOptions & { readonly version?: number | undefined }
type Checkpoint = { readonly version: number; readonly paths: readonly string[] }

/**
 * Reads a table's log: the newest usable checkpoint, and the commits after it. A damaged checkpoint is skipped where
 * all commits before it exist.
 * @returns undefined where there is no table
 * @throws {DeltaVersionMissingError} terminal: the version was never there or its log is gone
 * @throws {DeltaCorruptError} terminal: a gap, a file that does not parse, or data files without a log
 */
export async function readLog(lake: Lake, table: string, options: ReadOptions = {}): Promise<LogState | undefined> {
  const hint = await readHint(lake, table, options)
  const from = hint !== undefined && hint.version <= (options.version ?? Infinity) ? hint.version : undefined
  const listed = await listLog(lake, table, options, from)
  requireNewest(table, listed, hint)
  if (listed.length === 0) return await noTable(lake, table, options)
  const [newest] = checkpointsOf(listed, options.version)
  try {
    return await readFrom(lake, table, listed, { ...options, checkpoint: newest, hint })
  } catch (error) {
    if (newest === undefined || !(error instanceof DeltaCorruptError)) throw error
    const all = from === undefined ? listed : await listLog(lake, table, options, undefined)
    for (const checkpoint of [...checkpointsOf(all, options.version).slice(1), undefined]) {
      const state = await readFrom(lake, table, all, { ...options, checkpoint, hint }).catch(undefinedWhenDamaged)
      if (state !== undefined && state.version >= newest.version) return state
    }
    throw error
  }
}

/** Marks that the first commit of a table is about to be made. */
export async function beginLog(lake: Lake, table: string, options: CallOptions): Promise<void> {
  await lake.put(begunPath(table), '', options)
}

/** Removes the mark. A leftover mark does no harm. */
export async function endBeginning(lake: Lake, table: string): Promise<void> {
  await lake.delete(begunPath(table)).catch(() => false)
}

/**
 * Deletes a log that cannot be read, oldest files first, so that a partial deletion exposes no older state. The data
 * files are left to `vacuum`.
 */
export async function removeLog(lake: Lake, table: string, options: CallOptions): Promise<void> {
  await lake.delete(lastCheckpointPath(table), options)
  const paths: string[] = []
  for await (const { path } of lake.list(logFolder(table), options)) if (path !== begunPath(table)) paths.push(path)
  for (const path of paths) await lake.delete(path, options)
}

type ReadFrom = ReadOptions & { readonly checkpoint: Checkpoint | undefined; readonly hint: Hint | undefined }

async function readFrom(
  lake: Lake,
  table: string,
  listed: readonly Listed[],
  { checkpoint, hint, ...options }: ReadFrom,
): Promise<LogState> {
  const base =
    checkpoint === undefined ? undefined : await readCheckpoint(lake, table, { checkpoint, hint, ...options })
  const first = (base?.version ?? -1) + 1
  const versions = listed.flatMap(({ file }) => (file.kind === 'commit' && file.version >= first ? [file.version] : []))
  const last = Math.min(versions.at(-1) ?? first - 1, options.version ?? Infinity)
  const isCleanedUp = base === undefined && (versions[0] ?? 0) > 0 && checkpointsOf(listed).length > 0
  if (isCleanedUp && options.version !== undefined) {
    throw new DeltaVersionMissingError(table, options.version, `the log begins with version ${versions[0]}`)
  }
  if (base === undefined && versions.length === 0) {
    throw new DeltaCorruptError(logFolder(table), 'the commits of the table', 'none')
  }
  const state = replay(base, await readCommits(lake, table, first, last, options))
  if (options.version !== undefined && state.version < options.version) {
    throw new DeltaVersionMissingError(table, options.version, `the latest is ${state.version}`)
  }
  return state
}

/** The hint names a version beyond the end of the log: its end is missing. */
function requireNewest(table: string, listed: readonly Listed[], hint: Hint | undefined): void {
  const newest = Math.max(-1, ...listed.map(({ file }) => file.version))
  if (hint === undefined || hint.version <= newest) return
  throw new DeltaCorruptError(
    lastCheckpointPath(table),
    `version ${hint.version}, which it names`,
    newest < 0 ? 'a log without any' : `${newest} as the latest`,
  )
}

/** A lost log leaves data files behind; so does a first writer that died, but with its mark. */
async function noTable(lake: Lake, table: string, options: ReadOptions): Promise<LogState | undefined> {
  const signal = signalOf(options)
  const orphan = await firstDataFile(lake, table, signal)
  if (orphan === undefined) return missing(table, options.version)
  // Checked after the data files: the first commit may have been made since the log was listed.
  for await (const { path } of lake.list(logFolder(table), signal)) {
    if (path === begunPath(table)) return missing(table, options.version)
    if (parseLogFile(path) !== undefined) return await readLog(lake, table, options)
  }
  throw new DeltaCorruptError(logFolder(table), `the log of the data files beside it (${orphan})`, 'none')
}

async function firstDataFile(lake: Lake, table: string, options: CallOptions): Promise<string | undefined> {
  for await (const { path } of lake.list(table, options)) if (path.endsWith('.parquet')) return path
  return undefined
}

function undefinedWhenDamaged(error: unknown): undefined {
  if (error instanceof DeltaCorruptError || error instanceof DeltaVersionMissingError) return undefined
  throw error
}

/** Applies the commits since a state was read: one request where there is none. */
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
  // By name and not by a listing, which may miss entries that are written meanwhile.
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

async function readCheckpoint(
  lake: Lake,
  table: string,
  { checkpoint, hint, ...options }: ReadFrom & { readonly checkpoint: Checkpoint },
): Promise<LogState> {
  const checksum = hint?.version === checkpoint.version ? hint.checksum : undefined
  const parts = await concurrently(checkpoint.paths, READS_AT_ONCE, async (path) =>
    readCheckpointFile(lake, path, checksum, options),
  )
  const state = replay(undefined, [{ version: checkpoint.version, actions: parts.flat() }])
  if (state.metaData === undefined || state.protocol === undefined) {
    throw new DeltaCorruptError(checkpoint.paths[0] ?? logFolder(table), 'a protocol and metaData in it', 'none')
  }
  return { ...state, checkpointVersion: checkpoint.version }
}

/** The complete ones by the names of their files, newest first. */
function checkpointsOf(listed: readonly Listed[], upTo = Infinity): Checkpoint[] {
  const found = new Map<string, { version: number; parts: number; paths: string[] }>()
  for (const { path, file } of listed) {
    if (file.kind !== 'checkpoint' || file.version > upTo) continue
    const key = `${file.version}/${file.parts}`
    const checkpoint = found.get(key) ?? { version: file.version, parts: file.parts, paths: [] }
    checkpoint.paths.push(path)
    found.set(key, checkpoint)
  }
  const complete = [...found.values()].filter(({ parts, paths }) => parts === paths.length)
  return complete.sort((a, b) => b.version - a.version)
}

type Listed = { readonly path: string; readonly file: LogFile }

async function listLog(lake: Lake, table: string, options: ReadOptions, from: number | undefined): Promise<Listed[]> {
  const listed: Listed[] = []
  const startAfter = from === undefined ? {} : { startAfter: beforeVersion(table, from) }
  for await (const { path } of lake.list(logFolder(table), { ...signalOf(options), ...startAfter })) {
    const file = parseLogFile(path)
    if (file !== undefined) listed.push({ path, file })
  }
  // The hinted checkpoint may be gone: then all are tried.
  if (from !== undefined && checkpointsOf(listed, options.version).length === 0) {
    return await listLog(lake, table, options, undefined)
  }
  return listed
}

/** What `_last_checkpoint` says: which version, and, of a checkpoint in one file, the checksum of its bytes. */
type Hint = { readonly version: number; readonly checksum: string | undefined }

async function readHint(lake: Lake, table: string, options: ReadOptions): Promise<Hint | undefined> {
  const text = await lake.readText(lastCheckpointPath(table), signalOf(options))
  return text === undefined ? undefined : hintIn(text)
}

/** A hint that does not parse is no hint. */
function hintIn(text: string): Hint | undefined {
  try {
    const parsed: unknown = JSON.parse(text)
    if (!isObject(parsed)) return undefined
    const { version, tags } = parsed
    if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 0) return undefined
    const checksum = isObject(tags) ? tags[CHECKSUM_TAG] : undefined
    return { version, checksum: typeof checksum === 'string' ? checksum : undefined }
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

/** The columns of a checkpoint that carry what `Action` has. */
const COLUMNS = ['txn', 'add', 'remove', 'metaData', 'protocol']

/** Snappy is built in; the others come with Node. */
const COMPRESSORS: Compressors = {
  GZIP: (input) => gunzipSync(input),
  BROTLI: (input) => brotliDecompressSync(input),
  ZSTD: (input) => zstdDecompressSync(input),
}

/**
 * Reads one Parquet file of a checkpoint, of this or any other writer. Needs no engine: a snapshot is asked for where
 * there is no session.
 * @param checksum of the file's bytes, where it is known
 * @throws {DeltaCorruptError} the file is damaged
 */
async function readCheckpointFile(
  lake: Lake,
  path: string,
  checksum: string | undefined,
  options: CallOptions,
): Promise<Action[]> {
  const blocks: Uint8Array[] = []
  for await (const block of lake.read(path, options)) blocks.push(block)
  const bytes = new Uint8Array(Buffer.concat(blocks))
  const found = checksum === undefined ? undefined : checksumOf(bytes)
  if (found !== checksum) throw new DeltaCorruptError(path, `a file with the checksum ${checksum}`, `${found}`)
  try {
    const file = bytes.buffer
    const metadata = parquetMetadata(file)
    const present = new Set(metadata.schema.map((element) => element.name))
    const columns = COLUMNS.filter((column) => present.has(column))
    const rows = await parquetReadObjects({ file, metadata, columns, compressors: COMPRESSORS })
    return rows.map((row, index) => parseAction(row, `${path}:${index + 1}`))
  } catch (error) {
    if (error instanceof PipelineError) throw error
    throw new DeltaCorruptError(path, 'a Parquet file of actions', 'a file that does not parse', { cause: error })
  }
}
