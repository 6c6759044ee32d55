import { CancelledError } from '@cinelake/core'
import { setTimeout as pause } from 'node:timers/promises'
import { PlaceFileChangedError, PlaceUnavailableError } from './errors.ts'
import type { PlaceFile } from './file-place.ts'

/** How often in a row a connection may be lost without a byte having come; then the task is tried again later. */
const MAX_TRIES = 4

/** Milliseconds before the second attempt; doubled for each further one. */
const RETRY_DELAY_MS = 250

type Reading = { readonly location: string; readonly signal: AbortSignal | undefined }

/**
 * The bytes of a file, asked for again from where they broke off. The stream fails instead of ending early, so that a
 * part of a file is never taken for the whole.
 * @param open the bytes of the same version of the file from an offset on
 * @throws {PlaceFileChangedError} transient: there are more or fewer bytes than were found
 */
export async function* readResuming(
  { name, sizeBytes }: PlaceFile,
  open: (offset: number) => AsyncIterable<Uint8Array>,
  { location, signal }: Reading,
): AsyncGenerator<Uint8Array> {
  let offset = 0
  let tries = 1
  for (;;) {
    try {
      for await (const chunk of open(offset)) {
        if (chunk.byteLength === 0) continue
        offset += chunk.byteLength
        tries = 1
        if (offset > sizeBytes) break
        yield chunk
      }
      break
    } catch (error) {
      if (signal?.aborted === true) throw new CancelledError(`reading ${name}`, { cause: error })
      if (!(error instanceof PlaceUnavailableError) || tries >= MAX_TRIES) throw error
      // Everything came, and then the connection broke off.
      if (offset === sizeBytes && sizeBytes > 0) break
    }
    await pause(RETRY_DELAY_MS * 2 ** (tries - 1), undefined, signal === undefined ? {} : { signal }).catch(
      (error: unknown) => {
        throw new CancelledError(`reading ${name}`, { cause: error })
      },
    )
    tries += 1
  }
  if (offset === sizeBytes) return
  const found = offset > sizeBytes ? `more than its ${sizeBytes} bytes` : `${offset} of its ${sizeBytes} bytes`
  throw new PlaceFileChangedError(location, name, `${found} came`)
}
