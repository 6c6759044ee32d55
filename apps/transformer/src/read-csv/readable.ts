import { CancelledError } from '@cinelake/core'
import {
  binaryFormatOf,
  CR,
  HEAD_BYTES,
  LF,
  readHead,
  RecordIndex,
  RecordScanner,
  type RecordSink,
  scanChunks,
  textFormatOf,
  type CsvDialect,
  type CsvHead,
} from '@cinelake/csv'
import type { CheckedColumn, FileReading } from '@cinelake/pipeline'
import { open, stat } from 'node:fs/promises'
import { FileUnreadableError, refineErrors } from '../refine/errors.ts'
import { hasTrailingFields, TrailingField } from './trailing-field.ts'
import { CopyWriter, dialectOfCopy, type IsDamaged } from './copy.ts'
import { DeclaredRows, needsCopy } from './declared-rows.ts'
import {
  createTranscoder,
  damageIn,
  FALLBACK,
  guessEncoding,
  type GuessedEncoding,
  InvalidBytes,
  Utf8Census,
  Utf8Check,
  type Encoding,
  type EncodingGuess,
  type Transcoder,
} from './text-encoding.ts'

/** A CSV file that the engine reads with exactly the result of the check here. */
export type ReadableCsv = {
  /** Name as received, for messages. */
  readonly name: string
  /** Absolute path of the file itself, or of a normalised copy. */
  readonly file: string
  /** A copy has a flag as its first field and no header. */
  readonly isCopy: boolean
  /** In a copy of several files, the number of the record's file follows the flag. */
  readonly isBatch?: boolean
  readonly hasHeader: boolean
  /** Of the file that the engine reads. */
  readonly dialect: CsvDialect
  /** Of the file as received, where that is another. */
  readonly sourceDialect?: CsvDialect
  readonly lineEnd: '\n' | '\r\n'
  /** Fields of a record, without a copy's flag. */
  readonly fieldCount: number
  readonly places: CsvHead['places']
  /** Names in the header that are not columns of the contract. */
  readonly unknown: readonly string[]
  readonly encoding: Encoding
  /** Present where no encoding is declared and the bytes do not prove it. */
  readonly guessed?: GuessedEncoding
  /** Some records may hold bytes that are invalid in the encoding. */
  readonly mayBeDamaged?: boolean
  /** Records at its end that are declared to be no rows. */
  readonly footerCount?: number
  /** Its text contains NUL. */
  readonly hasNul?: boolean
  readonly recordCount: number
  readonly index: RecordIndex
  /** For a batch, the name of a record's file. */
  readonly nameAt?: (ordinal: number) => string
}

/** The engine's parse options for a file. */
export type ForeseenCsv = Omit<ReadableCsv, 'recordCount' | 'index' | 'nameAt'>

/** Bytes from which it is worth reading a file before it is checked. */
const LARGE_BYTES = 32 * 1024 * 1024

export type CsvSource = {
  readonly name: string
  readonly file: string
  readonly columns: readonly CheckedColumn[]
  readonly reading: FileReading
  /** Folder for a copy. */
  readonly copyTo: string
  /** Called for a large file as soon as its head is read, with the expected result if the rest has nothing unusual. */
  readonly foresee?: (csv: ForeseenCsv) => void
  /** Forces a copy even if the file is well-formed: the engine did not read it as expected. */
  readonly mustCopy?: boolean
  /** Its records were counted when it landed: what they have behind the last column of the header makes them rejects. */
  readonly isCounted?: boolean
  readonly signal?: AbortSignal
}

/**
 * Checks a CSV file from its first to its last byte, and makes it readable where it is not well-formed.
 *
 * Where a file has bytes that are invalid in UTF-8, all its bytes decide: with a byte order mark, or as many characters
 * that occur only in UTF-8 as invalid bytes, it is UTF-8, and the rows with such bytes are rejected; otherwise it is
 * windows-1252, which is a guess and is reported as one. A declared encoding is not questioned.
 * @throws {REFINE_FILE_FORMAT} terminal: it is not a CSV file but a Parquet, Excel, JSON … one
 * @throws {FileUnreadableError} terminal: bytes that are invalid in the declared encoding
 * @throws {REFINE_HEADER_MISMATCH} terminal: no header, or one without the required columns
 */
export async function makeReadable(source: CsvSource): Promise<ReadableCsv> {
  const { bytes, isWhole } = await firstBytes(source.file)
  expectText(source, bytes)
  const guess = guessEncoding(bytes, source.reading.encoding)
  if (guess.encoding !== 'utf-8') return await copy(source, guess, bytes, isWhole)
  const check = new Utf8Check()
  check.push(bytes)
  if (check.invalidAt === undefined && !needsCopy(source.reading)) {
    const head = headOf(source, bytes.subarray(guess.markLength), isWhole)
    if (!isWhole && source.mustCopy !== true)
      await foresee(source, head, bytes.subarray(0, guess.markLength + head.headerLength))
    const inPlace = await checkInPlace(source, head, { bytes, start: guess.markLength + head.headerLength, check })
    if (inPlace !== undefined && source.mustCopy !== true) return inPlace
    if (check.invalidAt === undefined) return await copy(source, { ...guess, isSound: true }, bytes, isWhole)
  }
  const census = new Utf8Census()
  for await (const chunk of readChunks(source.file, source.signal && { signal: source.signal })) census.push(chunk)
  census.end()
  return await copy(source, decided(guess, census), bytes, isWhole)
}

type Decided = Pick<EncodingGuess, 'encoding' | 'markLength'> & {
  /** Known to be UTF-8 from the first to the last byte. */
  readonly isSound?: boolean
  readonly guessed?: GuessedEncoding
}

/**
 * The encoding of a text file of another format, by the same rules.
 * @returns what is to be declared to its reader
 */
export async function encodingOf(
  { name, file, declared }: { readonly name: string; readonly file: string; readonly declared: Encoding | undefined },
  signal: AbortSignal,
): Promise<Pick<Decided, 'encoding' | 'guessed'>> {
  const { bytes } = await firstBytes(file)
  expectText({ name }, bytes)
  const guess = guessEncoding(bytes, declared)
  if (guess.isCertain) return { encoding: guess.encoding }
  const census = new Utf8Census()
  for await (const chunk of readChunks(file, { signal })) census.push(chunk)
  census.end()
  return decided(guess, census)
}

/** Decides by all bytes of a file that may be UTF-8. */
function decided(guess: EncodingGuess, { oddCount, sizeBytes, isMostlyUtf8 }: Utf8Census): Decided {
  if (oddCount === 0 || guess.isCertain || isMostlyUtf8) return { ...guess, isSound: oddCount === 0 }
  return { ...guess, encoding: FALLBACK, guessed: { encoding: FALLBACK, oddCount, sizeBytes } }
}

/** A file that is completely in memory. */
export type WholeCsv = {
  readonly head: CsvHead
  /** In UTF-8 without byte order mark, including the header. */
  readonly text: Uint8Array
  /** Present where a record may hold invalid bytes. */
  readonly isDamaged: IsDamaged | undefined
  readonly guessed?: GuessedEncoding
}

/** Reads a CSV file that is completely in memory, by the same rules. @throws as `makeReadable` does */
export function readWhole(
  source: Pick<CsvSource, 'name' | 'columns' | 'reading' | 'isCounted'>,
  bytes: Uint8Array,
): WholeCsv {
  expectText(source, bytes)
  const guess = guessEncoding(bytes, source.reading.encoding)
  const content = bytes.subarray(guess.markLength)
  const census = new Utf8Census()
  if (guess.encoding === 'utf-8') census.push(bytes)
  census.end()
  const { encoding, guessed } = guess.encoding === 'utf-8' ? decided(guess, census) : { ...guess, guessed: undefined }
  const text = encoding === 'utf-8' ? content : transcoded(source, encoding, guess.markLength, content)
  const isSound = encoding === 'utf-8' && census.oddCount === 0
  const head = headOf(source, text, true)
  const trailing = source.isCounted !== true && hasTrailingFields(head, text) ? { fieldCount: head.fieldCount + 1 } : {}
  return {
    head: { ...head, ...trailing },
    text,
    isDamaged: isSound ? undefined : damageIn(encoding),
    ...(guessed && { guessed }),
  }
}

function transcoded(
  source: Pick<CsvSource, 'name'>,
  encoding: Encoding,
  offset: number,
  bytes: Uint8Array,
): Uint8Array {
  const decoder = createTranscoder(encoding, offset)
  return told(source, encoding, () => Buffer.concat([decoder.push(bytes), decoder.end()]))
}

/**
 * @param bytes the first of the file, which have been checked
 * @param start offset of the first record
 * @returns undefined for a file that has to be copied
 */
async function checkInPlace(
  source: CsvSource,
  head: CsvHead,
  { bytes, start, check }: { readonly bytes: Buffer; readonly start: number; readonly check: Utf8Check },
): Promise<ReadableCsv | undefined> {
  const index = new RecordIndex()
  const { dialect, fieldCount } = head
  const scanner = new RecordScanner({ dialect, fieldCount, lineCount: head.headerLineCount, index })
  let offset = start
  let hasNul = false
  const chunks = tapped(
    readChunks(source.file, { start, ...(source.signal && { signal: source.signal }) }),
    (chunk) => {
      hasNul ||= chunk.includes(0)
      check.push(chunk.subarray(Math.min(chunk.length, Math.max(0, bytes.length - offset))))
      offset += chunk.length
    },
  )
  await scanChunks(chunks, scanner, { base: start })
  check.end()
  const lineEnd = uniformEnd(bytes.subarray(0, start), scanner.ends)
  const isPlain = scanner.misshapenCount === 0 && scanner.looseCount === 0
  if (check.invalidAt !== undefined || head.isUnusual || lineEnd === undefined || !isPlain) return undefined
  return { ...inPlaceAs(source, head, lineEnd), hasNul, recordCount: scanner.recordCount, index }
}

/** In a file without a header, no line end has been seen so far. */
async function foresee(source: CsvSource, head: CsvHead, header: Buffer): Promise<void> {
  const lineEnd = uniformEnd(header, { lf: 0, crlf: 0, cr: 0 })
  if (header.length === 0 || lineEnd === undefined || head.isUnusual) return
  if ((await stat(source.file)).size >= LARGE_BYTES) source.foresee?.(inPlaceAs(source, head, lineEnd))
}

function inPlaceAs(source: CsvSource, head: CsvHead, lineEnd: ReadableCsv['lineEnd']): ForeseenCsv {
  return {
    ...described(source, head),
    file: source.file,
    isCopy: false,
    hasHeader: source.reading.header,
    lineEnd,
    encoding: 'utf-8',
  }
}

async function copy(
  source: CsvSource,
  decision: Decided,
  bytes: Buffer,
  isWhole: boolean,
  extraFields: 0 | 1 = 0,
): Promise<ReadableCsv> {
  const { encoding, markLength, guessed } = decision
  // Invalid bytes of UTF-8 stay in the copy until their record is found.
  const transcoder = () => (encoding === 'utf-8' ? asItIs : createTranscoder(encoding, markLength))
  const decode = async function* (chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, isLast = true) {
    const decoder = transcoder()
    for await (const chunk of chunks) yield told(source, encoding, () => decoder.push(chunk))
    if (isLast) yield told(source, encoding, () => decoder.end())
  }
  const headText: Uint8Array[] = []
  for await (const text of decode([bytes.subarray(markLength)], isWhole)) headText.push(text)
  const found = headOf(source, Buffer.concat(headText), isWhole)
  const head = { ...found, fieldCount: found.fieldCount + extraFields }
  const { dialect, fieldCount } = head
  const isDamaged = decision.isSound === true ? undefined : damageIn(encoding)
  await using handle = await open(source.copyTo, 'w')
  const writer = new CopyWriter(handle, dialect, fieldCount, { isDamaged })
  const trailing = new TrailingField(dialect, found.fieldCount)
  const rows: RecordSink = (...record) => {
    trailing.see(...record)
    writer.sink(...record)
  }
  const { comment, footer, missingCells } = source.reading
  const declared = new DeclaredRows(dialect, source.reading, rows)
  const scanner = new RecordScanner({
    dialect,
    fieldCount,
    lineCount: head.headerLineCount,
    comment,
    mayLackFields: missingCells === 'empty',
    sink: declared.sink,
  })
  const chunks = readChunks(source.file, { start: markLength, ...(source.signal && { signal: source.signal }) })
  let hasNul = false
  const text = tapped(decode(chunks), (chunk) => void (hasNul ||= chunk.includes(0)))
  await scanChunks(withoutFirst(head.headerLength, text), scanner, {
    base: 0,
    afterChunk: async () => await writer.flush(),
  })
  const { footerCount } = declared
  if (typeof footer === 'number' && footerCount < footer) throw tooShort(source, footer, footerCount)
  if (extraFields === 0 && source.isCounted !== true && trailing.isInEveryRow)
    return await copy(source, decision, bytes, isWhole, 1)
  return {
    ...described(source, head),
    dialect: dialectOfCopy(dialect),
    sourceDialect: dialect,
    file: source.copyTo,
    isCopy: true,
    hasHeader: false,
    lineEnd: '\n',
    encoding,
    ...(guessed && { guessed }),
    mayBeDamaged: isDamaged !== undefined,
    ...(footerCount > 0 && { footerCount }),
    hasNul,
    recordCount: writer.recordCount,
    index: writer.index,
  }
}

/**
 * The line end of all records of a file, including the header; undefined where they differ, or the engine does not
 * support it.
 */
function uniformEnd(header: Buffer, ends: RecordScanner['ends']): ReadableCsv['lineEnd'] | undefined {
  const lf = ends.lf + (header.at(-1) === LF && header.at(-2) !== CR ? 1 : 0)
  const crlf = ends.crlf + (header.at(-1) === LF && header.at(-2) === CR ? 1 : 0)
  const cr = ends.cr + (header.at(-1) === CR ? 1 : 0)
  if (cr > 0 || (lf > 0 && crlf > 0)) return undefined
  return crlf > 0 ? '\r\n' : '\n'
}

const asItIs: Transcoder = { push: (chunk) => chunk, end: () => new Uint8Array(0) }

/** Adds the file's name to an error about an invalid byte. */
function told(source: Pick<CsvSource, 'name'>, encoding: Encoding, decode: () => Uint8Array): Uint8Array {
  try {
    return decode()
  } catch (error) {
    throw error instanceof InvalidBytes ? unreadable(source, encoding, error.offset) : error
  }
}

function described(source: CsvSource, head: CsvHead) {
  const { dialect, fieldCount, places, unknown } = head
  return { name: source.name, dialect, fieldCount, places, unknown }
}

function headOf(source: Pick<CsvSource, 'name' | 'columns' | 'reading'>, bytes: Uint8Array, isWhole: boolean): CsvHead {
  const head = readHead(bytes, isWhole, source.columns, source.reading)
  const expected = source.columns.filter(({ required }) => required).map(({ name }) => `\`${name}\``)
  const wanted = `a header with ${expected.length === 0 ? "the contract's columns" : expected.join(', ')}`
  if (head === undefined) {
    const found = isWhole ? 'a file without any record' : `no end of a record within ${HEAD_BYTES} bytes`
    throw refineErrors.REFINE_HEADER_MISMATCH(source.name, 1, wanted, found)
  }
  const [problem] = head.problems
  if (problem === undefined) return head
  const format = textFormatOf(bytes)
  if (format !== undefined) throw refineErrors.REFINE_FILE_FORMAT(source.name, format, 'CSV')
  // Where no field is a known column the "header" may be a row of data: the message must not repeat it.
  const isHeader = head.places.some((place) => place !== undefined)
  const names = isHeader ? `: found ${head.names.map((name) => `\`${name}\``).join(', ')}` : ''
  const found = `${head.fieldCount} fields, and ${head.problems.join('; ')}${names}`
  throw refineErrors.REFINE_HEADER_MISMATCH(source.name, Math.max(1, head.headerLineCount), wanted, found)
}

/** @throws {REFINE_FILE_FORMAT} terminal */
function expectText({ name }: Pick<CsvSource, 'name'>, bytes: Uint8Array): void {
  const format = binaryFormatOf(bytes)
  if (format !== undefined) throw refineErrors.REFINE_FILE_FORMAT(name, format, 'CSV')
}

async function* withoutFirst(length: number, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let left = length
  for await (const chunk of chunks) {
    yield chunk.subarray(Math.min(left, chunk.length))
    left -= Math.min(left, chunk.length)
  }
}

async function* tapped<T>(items: AsyncIterable<T>, see: (item: T) => void): AsyncGenerator<T> {
  for await (const item of items) {
    see(item)
    yield item
  }
}

async function firstBytes(file: string): Promise<{ readonly bytes: Buffer; readonly isWhole: boolean }> {
  await using handle = await open(file, 'r')
  const { bytesRead, buffer } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0)
  return { bytes: buffer.subarray(0, bytesRead), isWhole: (await stat(file)).size === bytesRead }
}

function tooShort({ name }: CsvSource, footer: number, found: number): FileUnreadableError {
  const expected = `a footer of ${footer} records, as \`read.footer\` says`
  return new FileUnreadableError(name, { line: 1 }, expected, `a file with ${found} in all`)
}

function unreadable(source: Pick<CsvSource, 'name'>, encoding: Encoding, byte: number): FileUnreadableError {
  return new FileUnreadableError(source.name, { byte }, `text in ${encoding}`, 'a byte that is none')
}

/** Bytes. Large enough that the cost of a read is negligible, small compared with any memory limit. */
const CHUNK_BYTES = 1024 * 1024

type ChunkOptions = {
  /** Offset of the first byte. */
  readonly start?: number
  readonly chunkBytes?: number
  readonly signal?: AbortSignal
}

/**
 * The bytes of a file in chunks. A chunk is valid until the one after the next is requested: the next is read ahead.
 */
async function* readChunks(file: string, options: ChunkOptions = {}): AsyncGenerator<Buffer> {
  const { start = 0, chunkBytes = CHUNK_BYTES, signal } = options
  await using handle = await open(file, 'r')
  const buffers = [Buffer.allocUnsafe(chunkBytes), Buffer.allocUnsafe(chunkBytes), Buffer.allocUnsafe(chunkBytes)]
  const read = async (turn: number, position: number) => {
    const buffer = buffers[turn % buffers.length] ?? Buffer.alloc(chunkBytes)
    const { bytesRead } = await handle.read(buffer, 0, chunkBytes, position)
    return buffer.subarray(0, bytesRead)
  }
  let position = start
  let next = read(0, position)
  for (let turn = 1; ; turn++) {
    const chunk = await next
    if (signal?.aborted === true) throw new CancelledError(`reading ${file}`, { cause: signal.reason })
    if (chunk.length === 0) return
    position += chunk.length
    next = read(turn, position)
    // An error is thrown when its chunk is read, or not at all when no caller reads it.
    next.catch(() => undefined)
    yield chunk
  }
}
