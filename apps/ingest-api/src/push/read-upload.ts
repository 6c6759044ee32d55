import { createHash } from 'node:crypto'
import { pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { BodyCheck, RowShape } from './body-check.ts'
import { PushBodyError, PushCutError, PushTooLargeError } from './push-errors.ts'

/** A body on its way in. */
export type Upload = {
  /** As it comes over the wire. It is not destroyed when reading it fails: it still has to carry the answer. */
  readonly stream: Readable
  readonly isPacked: boolean
  /** Bytes, of the wire and unpacked. */
  readonly maxBytes: number
}

export type UploadDigest = {
  readonly sizeBytes: number
  readonly sha256: string
  readonly rowCount: number
  readonly shape: RowShape
}

/**
 * The bytes of a body as its sender pushes them and its reader takes them, unpacked and checked as they pass.
 * @returns what is known when all have passed
 * @throws {PushBodyError} terminal
 * @throws {PushTooLargeError} terminal
 * @throws {PushCutError} transient
 */
export async function* readUpload(
  upload: Upload,
  check: BodyCheck,
  found: (digest: UploadDigest) => void,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  let sizeBytes = 0
  const wire = limited(received(upload.stream), upload.maxBytes)
  for await (const chunk of upload.isPacked ? limited(unpacked(wire), upload.maxBytes) : wire) {
    sizeBytes += chunk.length
    hash.update(chunk)
    check.push(chunk)
    yield chunk
  }
  check.end()
  found({ sizeBytes, sha256: hash.digest('hex'), rowCount: check.rowCount, shape: check.shape })
}

async function* received(stream: Readable): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of stream.iterator({ destroyOnReturn: false })) yield chunk as Uint8Array
  } catch (error) {
    throw new PushCutError({ cause: error })
  }
  // A connection that ends in the middle is not always an error of the stream.
  if (stream.readableAborted || ('complete' in stream && stream.complete === false)) throw new PushCutError()
}

async function* limited(chunks: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array> {
  let left = maxBytes
  for await (const chunk of chunks) {
    left -= chunk.length
    if (left < 0) throw new PushTooLargeError('a body', maxBytes)
    yield chunk
  }
}

async function* unpacked(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip()
  const failed = new Promise<unknown>((resolve) => {
    pipeline(Readable.from(chunks, { objectMode: false }), gunzip, (error) => resolve(error ?? undefined))
  })
  try {
    for await (const chunk of gunzip) yield chunk as Uint8Array
  } catch (error) {
    const cause = (await failed) ?? error
    throw isPackingError(cause) ? new PushBodyError('the body', 'gzip', 'something else, or only the beginning') : cause
  }
}

function isPackingError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('Z_')
}
