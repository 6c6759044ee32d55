import type { BlobDownloadResponseParsed } from '@azure/storage-blob'
import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { md5Of } from './blocks.ts'
import { CutAnswer, DamagedAnswer, isMissing, statusOf } from './errors.ts'
import { isFolder, look, SHA256, type AdlsContainer } from './container.ts'
import { lakeErrors } from '../errors.ts'

/** The requested part of an object. */
export type Wanted = {
  readonly path: string
  readonly start: number
  readonly end: number
  readonly signal: AbortSignal | undefined
  /** Only this version. */
  readonly etag?: string
}

/** An existing object, with the requested bytes. */
export type OpenObject = {
  readonly sizeBytes: number
  /**
   * The bytes in order, each range verified against Azure's checksum of it, and the whole against the object's.
   * @throws {LAKE_OBJECT_CORRUPT} transient
   */
  readonly content: AsyncGenerator<Uint8Array>
}

/** The expected digest of the whole object. */
type Digest = { readonly algorithm: 'sha256' | 'md5'; readonly hex: string }

type Range = {
  readonly bytes: Buffer
  readonly sizeBytes: number
  readonly etag: string
  readonly whole: Digest | undefined
}

/** Fetches the first range of an object. @returns undefined where there is none */
export async function openObject(container: AdlsContainer, wanted: Wanted): Promise<OpenObject | undefined> {
  const { path, start, end, signal } = wanted
  const first = start < end ? await fetchRange(container, wanted) : 'beyond'
  if (first === undefined) return undefined
  if (first !== 'beyond') return { sizeBytes: first.sizeBytes, content: contentOf(container, wanted, first) }
  const found = await look(container, path, signal)
  if (found === undefined || found === 'folder') return undefined
  return { sizeBytes: found.sizeBytes, content: nothing() }
}

/** Reads the following ranges: some ahead of the reader while the lake grants permits. */
async function* contentOf(container: AdlsContainer, wanted: Wanted, first: Range): AsyncGenerator<Uint8Array> {
  const { path, start, signal } = wanted
  const end = Math.min(wanted.end, first.sizeBytes)
  const isWhole = start === 0 && end === first.sizeBytes
  const whole = isWhole && first.whole !== undefined ? createHash(first.whole.algorithm) : undefined
  const stop = new AbortController()
  const stopped = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal])
  const ahead: { readonly range: Promise<Buffer>; readonly permit: Disposable | undefined }[] = []
  let asked = start + first.bytes.byteLength

  const ask = (permit: Disposable | undefined) => {
    const next = { ...wanted, start: asked, end, etag: first.etag, signal: stopped }
    asked = Math.min(asked + container.tuning.rangeBytes, end)
    const range = fetchRange(container, next).then((found) => bytesOfVersion(found, path))
    // Errors surface in order; a reader that stops early never sees them.
    range.catch(() => {})
    ahead.push({ range, permit })
  }
  const askAhead = () => {
    if (ahead.length === 0 && asked < end) ask(undefined)
    for (let permit = asked < end ? container.tryPermit() : undefined; permit !== undefined;) {
      ask(permit)
      permit = asked < end ? container.tryPermit() : undefined
    }
  }

  try {
    for (let bytes: Buffer | undefined = first.bytes; bytes !== undefined;) {
      askAhead()
      whole?.update(bytes)
      yield bytes
      const next = ahead.shift()
      using _ = next?.permit
      bytes = await next?.range
    }
    checkWhole(path, whole?.digest('hex'), first.whole)
  } finally {
    stop.abort()
    for (const { permit } of ahead) permit?.[Symbol.dispose]()
  }
}

/** @returns undefined where there is no object; `beyond` where the object ends before the range, or is a folder */
async function fetchRange(container: AdlsContainer, wanted: Wanted): Promise<Range | 'beyond' | undefined> {
  const { path, start, end, signal, etag } = wanted
  const count = Math.min(end - start, container.tuning.rangeBytes)
  try {
    return await container.transfer(signal, async (abortSignal) => {
      const answer = await container.blob(path).download(start, count, {
        abortSignal,
        rangeGetContentMD5: true,
        // The SDK's own resumption after a dropped connection loses the checksum of the range.
        maxRetryRequests: 0,
        ...(etag !== undefined && { conditions: { ifMatch: etag } }),
      })
      if (isFolder(answer.metadata)) return 'beyond'
      const bytes = await bytesOf(answer.readableStreamBody, answer.contentLength ?? 0)
      if (answer.contentMD5 === undefined || !md5Of(bytes).equals(answer.contentMD5)) {
        throw new DamagedAnswer(`bytes ${start} and following are not those of their checksum`)
      }
      const sizeBytes = Number(/\/(\d+)$/.exec(answer.contentRange ?? '')?.[1])
      return { bytes, sizeBytes, etag: answer.etag ?? '', whole: wholeOf(answer) }
    })
  } catch (error) {
    if (statusOf(error) === 416) return 'beyond'
    if (isMissing(error)) return undefined
    if (error instanceof DamagedAnswer) throw lakeErrors.LAKE_OBJECT_CORRUPT(path, 'their checksum', error.message)
    throw error
  }
}

async function bytesOf(stream: NodeJS.ReadableStream | undefined, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(length)
  let filled = 0
  try {
    for await (const part of (stream ?? []) as Readable) {
      const piece = part as Buffer
      filled += piece.copy(bytes, filled)
    }
  } catch (error) {
    throw new CutAnswer(`the answer was cut off after ${filled} of ${length} bytes`, { cause: error })
  }
  if (filled < length) throw new CutAnswer(`the answer ended after ${filled} of ${length} bytes`)
  return bytes
}

function bytesOfVersion(range: Range | 'beyond' | undefined, path: string): Buffer {
  if (range === undefined || range === 'beyond') {
    throw lakeErrors.LAKE_OBJECT_CORRUPT(path, 'as many bytes as it had', 'fewer')
  }
  return range.bytes
}

/**
 * The digest stored by the writer: this adapter stores a SHA-256, or lets Azure compute the MD5 of a single-request
 * upload.
 */
function wholeOf({ metadata, blobContentMD5 }: BlobDownloadResponseParsed): Digest | undefined {
  const sha256 = metadata?.[SHA256]
  if (sha256 !== undefined) return { algorithm: 'sha256', hex: sha256 }
  if (blobContentMD5 === undefined) return undefined
  return { algorithm: 'md5', hex: Buffer.from(blobContentMD5).toString('hex') }
}

function checkWhole(path: string, actual: string | undefined, expected: Digest | undefined): void {
  if (actual === undefined || expected === undefined || actual === expected.hex) return
  throw lakeErrors.LAKE_OBJECT_CORRUPT(path, `${expected.algorithm.toUpperCase()} ${expected.hex}`, actual)
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
