import { binaryFormatOf, NO_DELIMITER, readHead, RecordScanner, splitFields, textFormatOf } from '@cinelake/csv'
import { open, stat } from 'node:fs/promises'
import type { FileReading } from '@cinelake/pipeline'
import { refineErrors } from '../refine/errors.ts'
import { createTranscoder, FALLBACK, guessEncoding, Utf8Census, type Encoding } from './text-encoding.ts'
import type { UnpackedFile } from './unpack-file.ts'

/** Bytes of the beginning that are read. */
const SAMPLE_BYTES = 4 * 1024 * 1024

/** The first rows of a CSV file, and its dialect. */
export type CsvSample = {
  readonly encoding: Encoding
  /** Undefined for a file with one column. */
  readonly delimiter: string | undefined
  /** The names in the first record; `column_1` … for a file without a header. */
  readonly names: readonly string[]
  /** Null for a cell without text. */
  readonly rows: readonly (readonly (string | null)[])[]
  /** Malformed records: their cells cannot be parsed, or their number is wrong. */
  readonly misshapenCount: number
  /** Whether these are all rows of the file. */
  readonly isAll: boolean
}

/**
 * Reads the first rows of a CSV file with the rules of a refine, but without a contract.
 * @param file its name for messages, and its absolute path
 * @returns undefined for a file without a record
 * @throws {REFINE_FILE_FORMAT} terminal: it is not a CSV file
 */
export async function sampleCsv(
  { name, file }: UnpackedFile,
  reading: FileReading,
  limit: number,
): Promise<CsvSample | undefined> {
  const { start, bytes, isWhole, encoding } = await firstText(file, reading.encoding)
  const format = binaryFormatOf(start) ?? textFormatOf(bytes)
  if (format !== undefined) throw refineErrors.REFINE_FILE_FORMAT(name, format, 'CSV, of which alone a draft is made')
  // The contract's columns are unknown: every record has the width of the first.
  const head = readHead(bytes, isWhole, [], { ...reading, header: true })
  if (head === undefined) return undefined
  const { dialect, fieldCount } = head
  const rows: (string | null)[][] = []
  let count = 0
  const scanner = new RecordScanner({
    dialect,
    fieldCount,
    comment: reading.comment,
    sink: (shape, record, start, end) => {
      if (shape === 'blank' || shape === 'misshapen') return
      if (count++ < limit)
        rows.push(splitFields(record.subarray(start, end), dialect).map((cell) => (cell === '' ? null : cell)))
    },
  })
  const from = reading.header ? head.headerLength : 0
  scanner.scan(bytes.subarray(from), 0, bytes.length - from, 0, isWhole)
  const delimiter = dialect.delimiter === NO_DELIMITER ? undefined : dialect.delimiter
  return {
    encoding,
    delimiter,
    names: reading.header ? head.names : head.names.map((_, index) => `column_${index + 1}`),
    rows,
    misshapenCount: scanner.misshapenCount,
    isAll: isWhole && count <= limit,
  }
}

/** The beginning of a file as it is, and in UTF-8 without byte order mark. */
async function firstText(file: string, declared: Encoding | undefined) {
  await using handle = await open(file, 'r')
  const { bytesRead, buffer } = await handle.read(Buffer.alloc(SAMPLE_BYTES), 0, SAMPLE_BYTES, 0)
  const bytes = buffer.subarray(0, bytesRead)
  const isWhole = (await stat(file)).size === bytesRead
  const guess = guessEncoding(bytes, declared)
  const census = new Utf8Census()
  if (guess.encoding === 'utf-8') census.push(bytes)
  const isUtf8 = census.oddCount === 0 || guess.isCertain || census.isMostlyUtf8
  const encoding = isUtf8 ? guess.encoding : FALLBACK
  const content = bytes.subarray(guess.markLength)
  if (encoding === 'utf-8') return { start: bytes, bytes: content, isWhole, encoding }
  return { start: bytes, bytes: createTranscoder(encoding).push(content), isWhole, encoding }
}
