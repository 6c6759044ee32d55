import { CancelledError } from '@cinelake/core'
import type { FileReading } from '@cinelake/pipeline'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { FileUnreadableError } from '../refine/errors.ts'
import { createTranscoder, guessEncoding, InvalidBytes, type Encoding } from '../read-csv/text-encoding.ts'

/** Bytes that are read at once. */
const CHUNK_BYTES = 1024 * 1024

/** Bytes by which an encoding is known. */
const HEAD_BYTES = 4096

type TextFile = { readonly name: string; readonly file: string; readonly encoding: FileReading['encoding'] }

/** The bytes of a file from an offset on. Each chunk is a buffer of its own. */
export async function* bytesOf(file: string, start: number, signal: AbortSignal): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of createReadStream(file, { start, highWaterMark: CHUNK_BYTES, signal }))
      yield chunk as Buffer
  } catch (error) {
    if (signal.aborted) throw new CancelledError(`reading ${file}`, { cause: error })
    throw error
  }
}

/**
 * The text of a file as UTF-8, without its byte order mark. UTF-8 itself is not checked, so that a record with other
 * bytes can be rejected alone.
 * @throws {FileUnreadableError} terminal: bytes that are invalid in another encoding
 */
export async function* textChunks(
  { name, file, encoding: declared }: TextFile,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { encoding, markLength } = guessEncoding(await firstBytes(file, HEAD_BYTES), declared)
  if (encoding === 'utf-8') {
    yield* bytesOf(file, markLength, signal)
    return
  }
  const transcoder = createTranscoder(encoding, markLength)
  const told = (decode: () => Uint8Array) => decoded(name, encoding, decode)
  for await (const chunk of bytesOf(file, markLength, signal)) yield told(() => transcoder.push(chunk))
  yield told(() => transcoder.end())
}

function decoded(name: string, encoding: Encoding, decode: () => Uint8Array): Uint8Array {
  try {
    return decode()
  } catch (error) {
    if (!(error instanceof InvalidBytes)) throw error
    throw new FileUnreadableError(name, { byte: error.offset }, `text in ${encoding}`, 'a byte that is invalid in it')
  }
}

/** @param start offset of the first of them */
export async function firstBytes(file: string, count: number, start = 0): Promise<Buffer> {
  await using handle = await open(file, 'r')
  const { bytesRead, buffer } = await handle.read(Buffer.alloc(count), 0, count, start)
  return buffer.subarray(0, bytesRead)
}

/** A line without its end. */
export type TextLine = {
  readonly bytes: Uint8Array
  /** From 1. */
  readonly line: number
  /** It ends with a line end, not with the file. */
  readonly isEnded: boolean
}

/** The lines of a text in batches. A longer one than the limit comes without bytes beyond it. */
export async function* textLines(
  chunks: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<readonly TextLine[]> {
  let line = 1
  let begun: Uint8Array[] = []
  let begunBytes = 0
  const whole = (last: Uint8Array) => (begun.length === 0 ? last : Buffer.concat([...begun, last]))
  for await (const chunk of chunks) {
    const lines: TextLine[] = []
    let start = 0
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, start)) {
      lines.push({ bytes: whole(chunk.subarray(start, end)), line, isEnded: true })
      begun = []
      begunBytes = 0
      start = end + 1
      line += 1
    }
    // One byte more than the limit tells that a line is too long.
    const rest = chunk.slice(start, Math.min(chunk.length, start + Math.max(0, maxBytes + 1 - begunBytes)))
    if (rest.length > 0) begun.push(rest)
    begunBytes += rest.length
    if (lines.length > 0) yield lines
  }
  if (begunBytes > 0) yield [{ bytes: whole(new Uint8Array(0)), line, isEnded: false }]
}

const LF = 0x0a
