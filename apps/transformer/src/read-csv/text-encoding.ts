import { isAscii, isUtf8 } from 'node:buffer'

/** As `FileReading` has it. */
export type Encoding = string

/** The encoding as detected from the first bytes of a file. */
export type EncodingGuess = {
  readonly encoding: Encoding
  /** Bytes of the byte order mark, which is not text. */
  readonly markLength: number
  /** No later byte of the file can change it. */
  readonly isCertain: boolean
}

const MARKS: readonly (readonly [Encoding, readonly number[]])[] = [
  ['utf-8', [0xef, 0xbb, 0xbf]],
  ['utf-16le', [0xff, 0xfe]],
  ['utf-16be', [0xfe, 0xff]],
]

/**
 * Looks for a byte order mark, then for the zeros that UTF-16 leaves between ASCII letters. The guess is UTF-8
 * otherwise; where the file has bytes that are invalid in UTF-8, a census of all its bytes decides.
 * @param declared overrides the detection; a mark of that encoding is still not text
 */
export function guessEncoding(head: Uint8Array, declared?: Encoding): EncodingGuess {
  const mark = MARKS.find(([, bytes]) => bytes.every((byte, index) => head[index] === byte))
  const markLength = mark?.[1].length ?? 0
  if (declared !== undefined) {
    return { encoding: declared, markLength: mark?.[0] === declared ? markLength : 0, isCertain: true }
  }
  if (mark !== undefined) return { encoding: mark[0], markLength, isCertain: true }
  const wide = unmarkedUtf16(head)
  return { encoding: wide ?? 'utf-8', markLength: 0, isCertain: wide !== undefined }
}

/**
 * Share of zeros among the even or the odd bytes from which text is UTF-16: its line ends and delimiters have them in
 * any language; other encodings have none.
 */
const WIDE_SHARE = 0.02

/** UTF-16 that begins with an ASCII letter, as headers do, followed by more of them. */
function unmarkedUtf16(head: Uint8Array): Encoding | undefined {
  const [first, second] = head
  const encoding = second === 0 && first !== 0 ? 'utf-16le' : first === 0 && second !== 0 ? 'utf-16be' : undefined
  if (encoding === undefined || head.length < 4) return undefined
  const zeros = [0, 0]
  for (let i = 0; i < head.length; i++) if (head[i] === 0) zeros[i % 2] = (zeros[i % 2] ?? 0) + 1
  const [upper = 0, lower = 0] = encoding === 'utf-16le' ? zeros.toReversed() : zeros
  return lower === 0 && upper / (head.length / 2) > WIDE_SHARE ? encoding : undefined
}

/** Checks that bytes in chunks are UTF-8; characters may span chunks. */
export class Utf8Check {
  /** Offset of the first invalid byte; undefined as long as there is none. */
  invalidAt: number | undefined
  #offset = 0
  /** The first bytes of a character that continues in the next chunk. */
  #begun: Uint8Array = new Uint8Array(0)

  push(chunk: Uint8Array): void {
    if (this.invalidAt !== undefined) return
    const missing = this.#begun.length === 0 ? 0 : sequenceLength(this.#begun[0]) - this.#begun.length
    if (missing >= chunk.length) return this.#checkWhole(Buffer.concat([this.#begun, chunk]))
    // Only the few bytes around the chunk boundary are copied.
    if (missing > 0) this.#check(Buffer.concat([this.#begun, chunk.subarray(0, missing)]))
    this.#checkWhole(chunk.subarray(missing))
  }

  /** To be called after the last chunk: a truncated character is invalid. */
  end(): void {
    this.#check(this.#begun)
  }

  /** Checks all but an incomplete character at the end. */
  #checkWhole(bytes: Uint8Array): void {
    const whole = bytes.length - unfinishedLength(bytes)
    this.#check(bytes.subarray(0, whole))
    this.#begun = Uint8Array.from(bytes.subarray(whole))
  }

  #check(bytes: Uint8Array): void {
    if (this.invalidAt !== undefined || bytes.length === 0) return
    const valid = isUtf8(bytes) ? bytes.length : firstInvalidUtf8(bytes)
    if (valid < bytes.length) this.invalidAt = this.#offset + valid
    this.#offset += bytes.length
  }
}

/** What the bytes of a whole file say about its encoding. */
export class Utf8Census {
  /** Characters of UTF-8 that are not ASCII. */
  wideCount = 0
  /** Bytes that are invalid in UTF-8. */
  oddCount = 0
  sizeBytes = 0
  #begun: Uint8Array = new Uint8Array(0)

  push(chunk: Uint8Array): void {
    this.sizeBytes += chunk.length
    const bytes = this.#begun.length === 0 ? chunk : Buffer.concat([this.#begun, chunk])
    const whole = bytes.length - unfinishedLength(bytes)
    this.#count(bytes.subarray(0, whole))
    this.#begun = Uint8Array.from(bytes.subarray(whole))
  }

  /** To be called after the last chunk. */
  end(): void {
    this.#count(this.#begun)
  }

  /** UTF-8 with faults, not another encoding: in those, few bytes form a character of UTF-8 by chance. */
  get isMostlyUtf8(): boolean {
    return this.wideCount > 0 && this.wideCount >= this.oddCount
  }

  #count(bytes: Uint8Array): void {
    if (isAscii(bytes)) return
    for (let at = 0; at < bytes.length;) {
      if ((bytes[at] ?? 0) < 0x80) {
        at++
        continue
      }
      const length = sequenceLength(bytes[at])
      const isCharacter = length > 1 && at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length))
      if (isCharacter) this.wideCount++
      else this.oddCount++
      at += isCharacter ? length : 1
    }
  }
}

/** An encoding that was not declared, and why it was taken. */
export type GuessedEncoding = { readonly encoding: Encoding; readonly oddCount: number; readonly sizeBytes: number }

/** Taken for text that is not UTF-8: every byte has a meaning in it. */
export const FALLBACK = 'windows-1252'

function sequenceLength(lead: number | undefined): number {
  if (lead === undefined || lead < 0xc2 || lead > 0xf4) return 1
  return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
}

/** Bytes at the end that may be the beginning of a character. */
function unfinishedLength(bytes: Uint8Array): number {
  for (let length = 1; length <= Math.min(3, bytes.length); length++) {
    const byte = bytes[bytes.length - length] ?? 0
    if (byte < 0x80) return 0
    if (byte >= 0xc0) return sequenceLength(byte) > length ? length : 0
  }
  return 0
}

function firstInvalidUtf8(bytes: Uint8Array): number {
  let at = 0
  while (at < bytes.length) {
    const length = sequenceLength(bytes[at])
    if (!isUtf8(bytes.subarray(at, at + length))) return at
    at += length
  }
  return at
}

/** Converts chunks of one encoding to UTF-8. */
export interface Transcoder {
  /** @throws {InvalidBytes} with the offset */
  push(chunk: Uint8Array): Uint8Array
  end(): Uint8Array
}

/** A byte that is invalid in the encoding; the caller, which knows the file, reports it. */
export class InvalidBytes extends Error {
  readonly offset: number

  constructor(offset: number) {
    super(`invalid byte at offset ${offset}`)
    this.offset = offset
  }
}

/** @param offset of the first byte that will be pushed, for errors */
export function createTranscoder(encoding: Encoding, offset = 0): Transcoder {
  if (encoding === 'utf-8') return utf8(offset)
  // The web's ISO-8859-1 is windows-1252; Node's `latin1` is the standard's.
  if (encoding === 'iso-8859-1') return bytewise((chunk) => Buffer.from(chunk).toString('latin1'))
  if (encoding === 'utf-16le' || encoding === 'utf-16be') return utf16(encoding, offset)
  const decoder = new TextDecoder(encoding)
  return {
    push: (chunk) => Buffer.from(decoder.decode(chunk, { stream: true })),
    end: () => Buffer.from(decoder.decode()),
  }
}

const REPLACEMENT = Buffer.from('\u{fffd}')

/**
 * Finds the records that hold bytes which are invalid in their encoding. A decoder puts U+FFFD in their place, which
 * only encodings of Unicode can hold otherwise.
 * @returns undefined for an encoding whose invalid bytes are found in another way, or that has none
 */
export function damageIn(encoding: Encoding): ((record: Uint8Array) => boolean) | undefined {
  if (encoding === 'utf-8') return (record) => !isUtf8(record)
  if (encoding.startsWith('utf-16') || encoding === 'iso-8859-1') return undefined
  return (record) => Buffer.from(record.buffer, record.byteOffset, record.length).includes(REPLACEMENT)
}

function utf8(offset: number): Transcoder {
  const check = new Utf8Check()
  const verify = () => {
    if (check.invalidAt !== undefined) throw new InvalidBytes(offset + check.invalidAt)
  }
  return {
    push(chunk) {
      check.push(chunk)
      verify()
      return chunk
    },
    end() {
      check.end()
      verify()
      return new Uint8Array(0)
    },
  }
}

function bytewise(decode: (chunk: Uint8Array) => string): Transcoder {
  return { push: (chunk) => Buffer.from(decode(chunk)), end: () => new Uint8Array(0) }
}

function utf16(encoding: 'utf-16le' | 'utf-16be', start: number): Transcoder {
  const decoder = new TextDecoder(encoding, { fatal: true, ignoreBOM: true })
  let offset = start
  let kept: Uint8Array = new Uint8Array(0)
  /** Decodes only whole characters, so that the offset of an error is known. */
  const decode = (bytes: Uint8Array): Uint8Array => {
    try {
      const text = Buffer.from(decoder.decode(bytes))
      offset += bytes.length
      return text
    } catch {
      throw new InvalidBytes(offset + firstInvalidUtf16(bytes, encoding === 'utf-16le' ? 1 : 0))
    }
  }
  return {
    push(chunk) {
      const bytes = Buffer.concat([kept, chunk])
      const even = bytes.length - (bytes.length % 2)
      const isHigh = even >= 2 && unitKind(bytes, even - 2, encoding === 'utf-16le' ? 1 : 0) === 'high'
      const whole = isHigh ? even - 2 : even
      kept = bytes.subarray(whole)
      return decode(bytes.subarray(0, whole))
    },
    end: () => decode(kept),
  }
}

type UnitKind = 'high' | 'low' | 'other'

/** @param upper index of the more significant byte within a unit */
function unitKind(bytes: Uint8Array, at: number, upper: 0 | 1): UnitKind {
  const byte = bytes[at + upper] ?? 0
  if (byte >= 0xd8 && byte <= 0xdb) return 'high'
  return byte >= 0xdc && byte <= 0xdf ? 'low' : 'other'
}

function firstInvalidUtf16(bytes: Uint8Array, upper: 0 | 1): number {
  let at = 0
  while (at + 1 < bytes.length) {
    const kind = unitKind(bytes, at, upper)
    const paired = kind === 'high' && at + 3 < bytes.length && unitKind(bytes, at + 2, upper) === 'low'
    if (kind === 'low' || (kind === 'high' && !paired)) return at
    at += paired ? 4 : 2
  }
  return at
}
