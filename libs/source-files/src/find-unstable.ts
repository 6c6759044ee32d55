import { CancelledError, concurrently } from '@cinelake/core'
import { setTimeout as pause } from 'node:timers/promises'
import { FILES_AT_ONCE, FileForbiddenError } from './errors.ts'
import type { DropPlace, FoundFile } from './places/drop-place.ts'
import { markerOf } from './places/local-paths.ts'

/** Why a file is not considered complete. */
type Unstable = { readonly expected: string; readonly found: string }

type Options = {
  readonly place: Pick<DropPlace, 'stat'>
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
  { place, restMs, marker, now, signal }: Options,
): Promise<ReadonlyMap<string, Unstable>> {
  const unstable = new Map<string, Unstable>()
  if (marker !== undefined) {
    await concurrently(files, FILES_AT_ONCE, async ({ name }) => {
      const beside = markerOf(name, marker)
      const isThere = (await statOf(place, beside, signal)) !== undefined
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
    const change = await changeOf(place, file, signal)
    if (change === undefined) continue
    unstable.set(file.name, { expected: `it to stay as it is for ${restMs / 1000} s`, found: change })
  }
  return unstable
}

/** A time in the future is no evidence. */
function isAtRest({ modifiedMs, changedMs }: FoundFile, now: number, restMs: number): boolean {
  return now - Math.max(modifiedMs, changedMs) >= restMs
}

async function changeOf(
  place: Options['place'],
  { name, sizeBytes, modifiedMs, etag }: FoundFile,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const found = await statOf(place, name, signal)
  if (found === undefined) return 'a file that is gone'
  if (found.sizeBytes !== sizeBytes) return `a size that went from ${sizeBytes} to ${found.sizeBytes} bytes`
  return found.modifiedMs === modifiedMs && found.etag === etag ? undefined : 'a file that was written to'
}

/** A file that may not be looked at cannot be told from one that is not there. */
async function statOf(place: Options['place'], name: string, signal: AbortSignal | undefined) {
  try {
    return await place.stat(name, { signal })
  } catch (error) {
    if (error instanceof FileForbiddenError) return undefined
    throw error
  }
}
