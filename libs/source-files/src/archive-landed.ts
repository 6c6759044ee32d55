import type { Ingest, LandedFile, LeftOutFile, Manifest } from '@cinelake/contracts'
import { CancelledError, type Log, concurrently, makeDirectory } from '@cinelake/core'
import type { Fill } from '@cinelake/secrets'
import { copyFile, open, realpath, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { FILES_AT_ONCE, systemErrorCode, fileError, fileErrors } from './errors.ts'
import type { FilesPlace } from './ingest-file-drop.ts'
import { digestOfFile } from './land-file.ts'
import { modifiedAt as modifiedAtOf } from './late-files.ts'
import { archiveFolder, fileBelow, isBelow, isOwnMarker, markerOf } from './local-paths.ts'

type Deps = { readonly fill: Fill; readonly log: Log }

/**
 * Archives or deletes files that have landed, as the dataset declares. Only files that a manifest proves to be in the lake, and
 * only if their bytes are unchanged: a file that was written to since is left in place. May be called again after a crash, and
 * by two agents concurrently.
 * @returns names of the files that could not be archived
 */
export function createArchiveLanded({ fill, log }: Deps) {
  return async (
    command: Ingest,
    { source, dataset }: Pick<FilesPlace, 'source' | 'dataset'>,
    { files, leftOut = [] }: Manifest,
    signal: AbortSignal,
  ): Promise<string[]> => {
    const { afterLanding = 'leave', marker } = dataset
    if (afterLanding === 'leave') return []
    const folder = await fill(source.path)
    const archive =
      typeof afterLanding === 'object' ? archiveFolder(folder, await fill(afterLanding.archive)) : undefined
    const failed: string[] = []
    await concurrently([...files, ...leftOut.flatMap(knownElsewhere)], FILES_AT_ONCE, async (landed) => {
      if (signal.aborted) throw new CancelledError('clearing what has landed')
      try {
        await clear(landed, { source: source.name, folder, archive, marker, log, signal })
      } catch (error) {
        if (signal.aborted) throw new CancelledError('clearing what has landed', { cause: error })
        failed.push(landed.name)
        const reason = systemErrorCode(error) ?? 'unknown'
        log.warn({ task: command.task, name: landed.name, reason }, 'file has landed and could not be cleared')
      }
    })
    return failed
  }
}

type Cleared = Pick<LandedFile, 'name' | 'sha256'> & Partial<Pick<LandedFile, 'sizeBytes' | 'modifiedAt'>>

/** A digest is given only for bytes that are known to have landed. */
function knownElsewhere({ name, sha256 }: LeftOutFile): Cleared[] {
  return sha256 === undefined ? [] : [{ name, sha256 }]
}

type ClearContext = {
  readonly source: string
  readonly folder: string
  /** Undefined: deleted. */
  readonly archive: string | undefined
  readonly marker: string | undefined
  readonly log: Log
  readonly signal: AbortSignal
}

async function clear(landed: Cleared, place: ClearContext): Promise<void> {
  const { folder, archive, marker, log } = place
  const { name, sha256 } = landed
  const file = fileBelow(folder, name)
  await checkBelow(folder, file, { source: place.source, folder, name })
  if (!(await isStill(landed, file, place))) {
    const isGone = (await stat(file).catch(() => undefined)) === undefined
    if (!isGone) log.warn({ name }, 'file was written to after it had landed, and stays where it is')
    return
  }
  const own = marker !== undefined && isOwnMarker(marker) ? markerOf(name, marker) : undefined
  if (archive === undefined) await rm(file, { force: true })
  else await moveTo(file, fileBelow(archive, name), { archive, sha256, about: { source: place.source, folder, name } })
  if (own === undefined) return
  if (archive === undefined) await rm(fileBelow(folder, own), { force: true })
  else {
    const about = { source: place.source, folder, name: own }
    await moveTo(fileBelow(folder, own), fileBelow(archive, own), { archive, sha256, about })
  }
}

type About = { readonly source: string; readonly folder: string; readonly name: string }

/**
 * Users who can put files into a folder can also put links there: a file that is moved or deleted has to be inside the
 * source's folder, and its target inside the archive.
 * @throws {FILES_OUTSIDE_SOURCE} terminal
 */
async function checkBelow(folder: string, file: string, { source, name }: About): Promise<void> {
  const [root, parent] = await Promise.all(
    [folder, dirname(file)].map(async (path) => await realpath(path).catch(() => path)),
  )
  if (root === undefined || parent === undefined || parent === root || isBelow(root, parent)) return
  throw fileErrors.FILES_OUTSIDE_SOURCE(source, folder, name)
}

/** Whether the bytes of a file are those that landed. Compares size and time first; if they differ, reads the whole file. */
async function isStill(
  { name, sha256, sizeBytes, modifiedAt }: Cleared,
  file: string,
  place: ClearContext,
): Promise<boolean> {
  const found = await stat(file).catch((error: unknown) => {
    if (systemErrorCode(error) === 'ENOENT') return undefined
    throw fileError(error, place.source, name)
  })
  if (found === undefined) return false
  if (sizeBytes !== undefined && found.size !== sizeBytes) return false
  if (sizeBytes !== undefined && modifiedAtOf({ modifiedMs: found.mtimeMs }) === modifiedAt) return true
  return (await digestOfFile({ name, file }, place)) === sha256
}

/** Never overwrites a file: if the name is taken, the digest is added to the name. */
async function moveTo(
  file: string,
  target: string,
  { archive, sha256, about }: { readonly archive: string; readonly sha256: string; readonly about: About },
): Promise<void> {
  await makeDirectory(dirname(target))
  await checkBelow(archive, target, about)
  const isTaken = (await stat(target).catch(() => undefined)) !== undefined
  const to = isTaken ? `${target}.${sha256.slice(0, 16)}` : target
  try {
    await rename(file, to)
  } catch (error) {
    // Another agent has moved it.
    if (systemErrorCode(error) === 'ENOENT') return
    if (systemErrorCode(error) !== 'EXDEV') throw error
    await copyAcross(file, to)
  }
}

/** Moves across disks. The copy gets its final name when it is complete. */
async function copyAcross(file: string, target: string): Promise<void> {
  const unfinished = `${target}.unfinished-${process.pid}`
  try {
    await copyFile(file, unfinished)
    await using handle = await open(unfinished, 'r+')
    await handle.sync()
  } catch (error) {
    await rm(unfinished, { force: true })
    throw error
  }
  await rename(unfinished, target)
  await rm(file, { force: true })
}
