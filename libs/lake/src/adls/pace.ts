import { Readable } from 'node:stream'
import type { Throttle } from './container.ts'

/** Bytes that leave at once where the line is limited: small beside what a slow line carries in a second. */
const PIECE_BYTES = 64 * 1024

/**
 * The body of a request, as fast as it may leave. Made anew for each try of the request, so that what is sent again is
 * counted again; aborting the request destroys the stream, which ends the waiting.
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
    // A copy: the buffer is used again when the request has ended, and the socket may hold what it was given.
    yield Buffer.from(piece)
  }
}
