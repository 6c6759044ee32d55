import type { Ingest, LandedFile, LeftOutFile, Manifest } from '@cinelake/contracts'
import { CancelledError, type Log, concurrently, PipelineError } from '@cinelake/core'
import { FILES_AT_ONCE, systemErrorCode } from './errors.ts'
import type { FilesPlace } from './ingest-file-drop.ts'
import { digestOf } from './land-file.ts'
import { modifiedAt as modifiedAtOf } from './late-files.ts'
import type { DropPlace, FoundFile } from './places/drop-place.ts'
import { isOwnMarker, markerOf } from './places/local-paths.ts'
import { type DropPlaceDeps, inDropPlace } from './places/open.ts'

type Deps = DropPlaceDeps & { readonly log: Log }

/**
 * Archives or deletes files that have landed, as the dataset declares. Only files that a manifest proves to be in the lake, and
 * only if their bytes are unchanged: a file that was written to since is left in place. May be called again after a crash, and
 * by two agents concurrently.
 * @returns names of the files that could not be archived
 */
export function createArchiveLanded({ log, ...deps }: Deps) {
  return async (
    command: Ingest,
    { source, dataset }: Pick<FilesPlace, 'source' | 'dataset'>,
    { files, leftOut = [] }: Manifest,
    signal: AbortSignal,
  ): Promise<string[]> => {
    const { afterLanding = 'leave', marker } = dataset
    if (afterLanding === 'leave') return []
    const failed: string[] = []
    await inDropPlace({ source, dataset }, deps, async (place) => {
      await concurrently([...files, ...leftOut.flatMap(knownElsewhere)], FILES_AT_ONCE, async (landed) => {
        if (signal.aborted) throw new CancelledError('clearing what has landed')
        try {
          await clear(landed, { place, marker, log, signal })
        } catch (error) {
          if (signal.aborted) throw new CancelledError('clearing what has landed', { cause: error })
          failed.push(landed.name)
          const reason = systemErrorCode(error) ?? (error instanceof PipelineError ? error.code : 'unknown')
          log.warn({ task: command.task, name: landed.name, reason }, 'file has landed and could not be cleared')
        }
      })
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
  readonly place: DropPlace
  readonly marker: string | undefined
  readonly log: Log
  readonly signal: AbortSignal
}

async function clear(landed: Cleared, context: ClearContext): Promise<void> {
  const { place, marker, log, signal } = context
  const { name, sha256 } = landed
  const found = await place.stat(name, { signal })
  // Another agent, or an earlier attempt, has cleared it.
  if (found === undefined) return
  if (!(await isStill(landed, found, context))) {
    log.warn({ name }, 'file was written to after it had landed, and stays where it is')
    return
  }
  await place.clear(found, sha256, { signal })
  if (marker === undefined || !isOwnMarker(marker)) return
  const beside = await place.stat(markerOf(name, marker), { signal })
  if (beside !== undefined) await place.clear(beside, sha256, { signal })
}

/** Whether the bytes of a file are those that landed. Compares size and time first; if they differ, reads the whole file. */
async function isStill(
  { sha256, sizeBytes, modifiedAt }: Cleared,
  found: FoundFile,
  { place, signal }: ClearContext,
): Promise<boolean> {
  if (sizeBytes !== undefined && found.sizeBytes !== sizeBytes) return false
  if (sizeBytes !== undefined && modifiedAtOf(found) === modifiedAt) return true
  return (await digestOf(place, found, signal)) === sha256
}
