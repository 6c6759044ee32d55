import { createHash } from 'node:crypto'
import { pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { BodyCheck, RowShape } from './body-check.ts'
import { PushBodyError, pushErrors, PushTooLargeError, PushTooSlowError } from '../errors.ts'

/** A body that is being received. */
export type Upload = {
  /** The stream from the network. It is not destroyed when reading it fails: the response still has to be sent over it. */
  readonly stream: Readable
  readonly isPacked: boolean
  /** Bytes, both received and decompressed. */
  readonly maxBytes: number
  readonly pace?: Pace
}

/** The minimum rate of a body: a connection that receives a byte now and then never reaches its idle timeout. */
type Pace = { /** Before it is looked at. */ readonly afterMs: number; readonly bytesPerSecond: number }

const SLOWEST: Pace = { afterMs: 300_000, bytesPerSecond: 1024 }

export type UploadDigest = {
  readonly sizeBytes: number
  readonly sha256: string
  readonly rowCount: number
  readonly shape: RowShape
}

/**
 * The bytes of a body at the rate of both sender and reader, decompressed and checked while they stream.
 * @returns the description of the body after its last byte
 * @throws {PushBodyError} terminal
 * @throws {PushTooLargeError} terminal
 * @throws {PUSH_CUT} transient
 * @throws {PushTooSlowError} transient
 */
export async function* readUpload(
  upload: Upload,
  check: BodyCheck,
  found: (digest: UploadDigest) => void,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  let sizeBytes = 0
  const wire = limited(received(upload.stream, upload.pace ?? SLOWEST), upload.maxBytes)
  for await (const chunk of upload.isPacked ? limited(unpacked(wire), upload.maxBytes) : wire) {
    sizeBytes += chunk.length
    hash.update(chunk)
    check.push(chunk)
    yield chunk
  }
  check.end()
  found({ sizeBytes, sha256: hash.digest('hex'), rowCount: check.rowCount, shape: check.shape })
}

async function* received(stream: Readable, { afterMs, bytesPerSecond }: Pace): AsyncGenerator<Uint8Array> {
  const begun = performance.now()
  let sizeBytes = 0
  try {
    for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
      sizeBytes += chunk.length
      const tookMs = performance.now() - begun
      if (tookMs > afterMs && sizeBytes * 1000 < bytesPerSecond * tookMs) throw new PushTooSlowError(bytesPerSecond)
      yield chunk
    }
  } catch (error) {
    throw error instanceof PushTooSlowError ? error : pushErrors.PUSH_CUT({ cause: error })
  }
  // A connection that ends early does not always raise an error on the stream.
  if (stream.readableAborted || ('complete' in stream && stream.complete === false)) throw pushErrors.PUSH_CUT()
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
