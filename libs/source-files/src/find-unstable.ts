import { CancelledError, concurrently } from '@cinelake/core'
import { stat } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { FILES_AT_ONCE, withTimeout } from './with-timeout.ts'
import type { FoundFile } from './find-files.ts'
import { fileBelow, markerOf } from './local-paths.ts'

/** Why a file is not considered complete. */
export type Unstable = { readonly expected: string; readonly found: string }

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
