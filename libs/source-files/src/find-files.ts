import { CancelledError, concurrently } from '@cinelake/core'
import type { Dirent } from 'node:fs'
import { readdir, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import {
  FILES_AT_ONCE,
  FileForbiddenError,
  FileMisnamedError,
  systemErrorCode,
  fileError,
  fileErrors,
  folderError,
  unusableFolder,
  withTimeout,
} from './errors.ts'
import { type FilePattern, parseFilePattern } from './file-pattern.ts'
import { ANY_NAME, type GlobSegment } from './glob.ts'
import { fileBelow, isBelow, markerOf } from './local-paths.ts'

type SourceFolder = { readonly source: string; readonly folder: string }

/** A file below a source's folder. */
export type FoundFile = {
  /** Path below the folder, with `/`. */
  readonly name: string
  /** Its real path, with every link resolved: a path below the folder as well. */
  readonly file: string
  readonly sizeBytes: number
  /** Modification time in milliseconds since 1970, as set by the writer; copies may keep that of the original. */
  readonly modifiedMs: number
  /** Change time in milliseconds since 1970: when it last got a name, content or permissions on this disk. */
  readonly changedMs: number
}

type FindOptions = {
  readonly signal?: AbortSignal
  /** A folder within the source's folder that is not part of it (real path): it is not searched. */
  readonly except?: string | undefined
  /** Called for matching files that may not be read. Without it, they are an error. */
  readonly onForbidden?: ((name: string) => void) | undefined
  /** Called for matching files that cannot be landed under their name. Without it, they are an error. */
  readonly onMisnamed?: ((error: FileMisnamedError) => void) | undefined
  /** Called for matches that are neither a file nor a folder: a pipe, a socket, a device. */
  readonly onNoFile?: ((name: string) => void) | undefined
}

/**
 * The files below a folder that may match a pattern, in order of name. Links are followed as long as they stay below the
 * folder; `**` does not follow links. Only folders that the pattern leads to are opened.
 *
 * @throws {SourceFolderUnusableError} terminal
 * @throws {FILES_FOLDER_AWAY} transient
 * @throws {FileForbiddenError} terminal: a match may not be read
 * @throws {FileUnreadableError} transient
 * @throws {FileMisnamedError} terminal: the bytes of a matching name are not valid text
 * @throws {FILES_OUTSIDE_SOURCE} terminal: a matching link leads out of the folder
 */
export async function findFiles(
  place: SourceFolder,
  pattern: FilePattern,
  options: FindOptions = {},
): Promise<FoundFile[]> {
  const walk: Walk = { ...place, ...options, root: await openFolder(place, options), found: new Map() }
  await visit(walk, '', pattern.segments)
  // In order of code units: the same on every machine and in every locale.
  return [...walk.found.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

type Walk = SourceFolder & {
  readonly root: string
  readonly found: Map<string, FoundFile>
} & FindOptions

async function openFolder({ source, folder }: SourceFolder, options: FindOptions): Promise<string> {
  try {
    const root = await withTimeout(realpath(folder), options)
    if ((await withTimeout(stat(root), options)).isDirectory()) return root
  } catch (error) {
    throw folderError(error, source, folder)
  }
  throw unusableFolder(source, folder, ['a file', 'name the folder that the file is in'])
}

async function visit(walk: Walk, below: string, segments: readonly GlobSegment[]): Promise<void> {
  const [segment, ...rest] = segments
  if (segment === undefined) return
  if (walk.signal?.aborted === true) throw new CancelledError(`listing ${walk.folder}`)
  if (segment === 'any-depth') {
    await visitAnyDepth(walk, below, rest)
    return
  }
  const entries = (await entriesOf(walk, below)).filter(({ name }) => segment.takes(name))
  const names = entries.map((entry) => (below === '' ? entry.name : `${below}/${entry.name}`))
  if (rest.length === 0) await concurrently(names, FILES_AT_ONCE, async (name) => await step(walk, name, rest))
  // One folder at a time: each may contain many files.
  else for (const name of names) await step(walk, name, rest)
}

/** `**`: the rest of the pattern may match here, or in any folder below. At the end it means every file below. */
async function visitAnyDepth(walk: Walk, below: string, rest: readonly GlobSegment[]): Promise<void> {
  await visit(walk, below, rest.length === 0 ? [ANY_NAME] : rest)
  for (const entry of await entriesOf(walk, below)) {
    if (!entry.isDirectory() || entry.name.startsWith('.')) continue
    await visitAnyDepth(walk, below === '' ? entry.name : `${below}/${entry.name}`, rest)
  }
}

/** A name that matches so far: a file if the pattern ends here, else a folder to descend into. */
async function step(walk: Walk, name: string, rest: readonly GlobSegment[]): Promise<void> {
  if (walk.signal?.aborted === true) throw new CancelledError(`listing ${walk.folder}`)
  // Its bytes are not valid text, so that it cannot even be opened.
  if (name.includes('\uFFFD')) {
    tellMisnamed(walk, name)
    return
  }
  const file = await followInside(walk, name)
  if (file === undefined || (walk.except !== undefined && isBelow(walk.except, file))) return
  const found = await withTimeout(stat(file), walk).catch((error: unknown) => undefinedWhenGone(error, walk, name))
  if (rest.length > 0) {
    if (found?.isDirectory() === true) await visit(walk, name, rest)
  } else if (found?.isFile() === true) {
    const { size: sizeBytes, mtimeMs: modifiedMs, ctimeMs: changedMs } = found
    walk.found.set(name, { name, file, sizeBytes, modifiedMs, changedMs })
  } else if (found !== undefined && !found.isDirectory()) walk.onNoFile?.(name)
}

function tellMisnamed({ source, onMisnamed }: Walk, name: string): void {
  const error = new FileMisnamedError(source, name, 'expected a name in UTF-8, got other bytes')
  if (onMisnamed === undefined) throw error
  onMisnamed(error)
}

/** Undefined for a file that no longer exists, and for broken links. */
async function followInside(walk: Walk, name: string): Promise<string | undefined> {
  const file = await withTimeout(realpath(join(walk.root, name)), walk).catch((error: unknown) =>
    undefinedWhenGone(error, walk, name),
  )
  if (file === undefined || isBelow(walk.root, file)) return file
  if (walk.onForbidden === undefined) throw fileErrors.FILES_OUTSIDE_SOURCE(walk.source, walk.folder, name)
  walk.onForbidden(name)
  return undefined
}

/** Any other error of examining a file fails the task: an incomplete drop must not be taken for a complete one. */
function undefinedWhenGone(error: unknown, walk: Walk, name: string): undefined {
  const code = systemErrorCode(error)
  if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP') return undefined
  const translated = fileError(error, walk.source, name)
  if (walk.onForbidden === undefined || !(translated instanceof FileForbiddenError)) throw translated
  walk.onForbidden(name)
  return undefined
}

async function entriesOf(walk: Walk, below: string): Promise<Dirent[]> {
  try {
    return await withTimeout(readdir(join(walk.root, below), { withFileTypes: true }), walk)
  } catch (error) {
    // A folder that was removed meanwhile has no files; the source's own folder has to exist.
    if (below !== '' && systemErrorCode(error) === 'ENOENT') return []
    if (below !== '' && walk.onForbidden !== undefined && ['EACCES', 'EPERM'].includes(systemErrorCode(error) ?? '')) {
      walk.onForbidden(below)
      return []
    }
    throw folderError(error, walk.source, join(walk.folder, below))
  }
}

/** Why a file is not considered complete. */
type Unstable = { readonly expected: string; readonly found: string }

type Options = {
  readonly folder: string
  /** Quiet period in milliseconds: size and times must not have changed for so long. */
  readonly restMs?: number | undefined
  readonly marker?: string | undefined
  readonly now: () => number
  readonly signal?: AbortSignal | undefined
}

/**
 * The files that are not complete yet, by name. A file that has not changed during the quiet period is complete; others
 * are examined again after that period. If the clock of the file server is slow, files wait longer, never
 * shorter; if it is fast, this holds as long as the difference is less than the quiet period.
 */
export async function findUnstable(
  files: readonly FoundFile[],
  { folder, restMs, marker, now, signal }: Options,
): Promise<ReadonlyMap<string, Unstable>> {
  const unstable = new Map<string, Unstable>()
  if (marker !== undefined) {
    await concurrently(files, FILES_AT_ONCE, async ({ name }) => {
      const beside = markerOf(name, marker)
      const isThere = await withTimeout(stat(fileBelow(folder, beside)), { signal }).then(
        () => true,
        (error: unknown) => {
          if (error instanceof CancelledError) throw error
          return false
        },
      )
      if (!isThere) unstable.set(name, { expected: `the marker ${beside} beside it`, found: 'none' })
    })
  }
  if (restMs === undefined || restMs === 0) return unstable
  const young = files.filter((file) => !unstable.has(file.name) && !isAtRest(file, now(), restMs))
  if (young.length === 0) return unstable
  await pause(restMs, undefined, { ...(signal && { signal }) }).catch((error: unknown) => {
    throw new CancelledError('waiting for the quiet period of files', { cause: error })
  })
  for (const file of young) {
    const change = await changeOf(file)
    if (change === undefined) continue
    unstable.set(file.name, { expected: `it to stay as it is for ${restMs / 1000} s`, found: change })
  }
  return unstable
}

/** A time in the future is no evidence. */
function isAtRest({ modifiedMs, changedMs }: FoundFile, now: number, restMs: number): boolean {
  return now - Math.max(modifiedMs, changedMs) >= restMs
}

async function changeOf({ file, sizeBytes, modifiedMs }: FoundFile): Promise<string | undefined> {
  const found = await withTimeout(stat(file)).catch(() => undefined)
  if (found === undefined) return 'a file that is gone'
  if (found.size !== sizeBytes) return `a size that went from ${sizeBytes} to ${found.size} bytes`
  return found.mtimeMs === modifiedMs ? undefined : 'a file that was written to'
}

/**
 * The beginning of the time in the name of a folder's oldest file, as a default for the start of a schedule.
 * @returns an instant (UTC); undefined if no matching file has a time in its name
 * @throws {FILES_PATTERN_INVALID} terminal; and all errors of finding files
 */
export async function oldestFile(
  folder: string,
  files: string,
  { source, timeZone, signal }: { readonly source: string; readonly timeZone: string; readonly signal: AbortSignal },
): Promise<Date | undefined> {
  const pattern = parseFilePattern(files)
  const found = await findFiles({ source, folder }, pattern, { signal })
  const starts = found.flatMap(({ name }) => {
    const verdict = pattern.judge(name, timeZone)
    return verdict.kind === 'timed' ? [Date.parse(verdict.start)] : []
  })
  const oldest = starts.reduce((one, other) => Math.min(one, other), Infinity)
  return oldest === Infinity ? undefined : new Date(oldest)
}
