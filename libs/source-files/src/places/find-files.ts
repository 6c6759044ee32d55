import { CancelledError, concurrently } from '@cinelake/core'
import type { Dirent } from 'node:fs'
import { readdir, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
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
} from '../errors.ts'
import { type FilePattern, parseFilePattern } from '../file-pattern.ts'
import { ANY_NAME, type GlobSegment } from '../glob.ts'
import type { FindOptions, FoundFile } from './drop-place.ts'
import { isBelow } from './local-paths.ts'

type SourceFolder = { readonly source: string; readonly folder: string }

type FolderOptions = Omit<FindOptions, 'within'> & {
  /** A folder within the source's folder that is not part of it (real path): it is not searched. */
  readonly except?: string | undefined
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
  options: FolderOptions = {},
): Promise<FoundFile[]> {
  const walk: Walk = { ...place, ...options, root: await openFolder(place, options), found: new Map() }
  await visit(walk, '', pattern.segments)
  // In order of code units: the same on every machine and in every locale.
  return [...walk.found.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

type Walk = SourceFolder & {
  readonly root: string
  readonly found: Map<string, FoundFile>
} & FolderOptions

async function openFolder({ source, folder }: SourceFolder, options: FolderOptions): Promise<string> {
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
