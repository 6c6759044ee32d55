import { Readable } from 'node:stream'
import type { Throttle } from './container.ts'

/** Bytes sent at once where the rate is limited: small compared to a slow connection's bytes per second. */
const PIECE_BYTES = 64 * 1024

/**
 * The body of a request, at the permitted rate. Created for each attempt, so that retries count against the limit as
 * well; aborting the request destroys the stream, which ends the wait.
 */
export function pacedBody(bytes: Buffer, throttle: Throttle | undefined): Buffer | (() => NodeJS.ReadableStream) {
  if (throttle === undefined) return bytes
  return () => {
    const stop = new AbortController()
    const body = Readable.from(pieces(bytes, throttle, stop.signal), { objectMode: false })
    return body.once('close', () => stop.abort())
  }
}

async function* pieces(bytes: Buffer, throttle: Throttle, signal: AbortSignal): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    const piece = bytes.subarray(at, at + PIECE_BYTES)
    await throttle(piece.length, signal)
    // A copy: the buffer is reused when the request has ended, and the socket may still reference it.
    yield Buffer.from(piece)
  }
}
