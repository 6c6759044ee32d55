import { DELIMITERS, NO_DELIMITER, splitFields, type CsvDialect } from './record.ts'
import { RecordScanner, type RecordShape } from './scan.ts'

/** A column of a contract: the spellings that sources may use for it, in order of preference. */
export type CsvColumn = {
  readonly name: string
  readonly required: boolean
  readonly reading: { readonly from: readonly string[] }
}

/** The declared properties of a file; the others are detected. */
export type CsvDeclaration = {
  readonly delimiter?: string | undefined
  readonly quote?: string | undefined
  readonly header: boolean
}

/** The positions of a contract's columns in the records of a file. */
export type ColumnPlaces = {
  /** For each column of the contract the index of its field, from 0; undefined for a column that the file does not have. */
  readonly places: readonly (number | undefined)[]
  /** The header. */
  readonly names: readonly string[]
  /** Names of fields that are not columns of the contract. */
  readonly unknown: readonly string[]
  /** Why the file cannot be read, as text; contains names of columns only. */
  readonly problems: readonly string[]
}

/** The properties of a file that are detected from its beginning. */
export type CsvHead = ColumnPlaces & {
  readonly dialect: CsvDialect
  readonly fieldCount: number
  /** Bytes (of UTF-8) before the first data record. */
  readonly headerLength: number
  /** Physical lines before the first data record. */
  readonly headerLineCount: number
  /** Whether lines precede the header, or the header's own quoting is irregular: other readers may parse it differently. */
  readonly isUnusual: boolean
}

/** Bytes at the beginning of a file that are examined; the header has to end within them. */
export const HEAD_BYTES = 256 * 1024

/** Records that are examined to detect the delimiter of a file without a header. */
const SAMPLE = 100

/**
 * Parses the beginning of a CSV file. If no delimiter is declared, the one is chosen under which the header names the
 * most columns, or under which the first records have as many fields as the contract has columns.
 * @param bytes the first bytes of the file in UTF-8, without byte order mark
 * @param isWhole whether `bytes` are the whole file
 * @returns undefined if a header is required and there is no record
 */
export function readHead(
  bytes: Uint8Array,
  isWhole: boolean,
  columns: readonly CsvColumn[],
  reading: CsvDeclaration,
): CsvHead | undefined {
  const delimiters = reading.delimiter === undefined ? DELIMITERS : [reading.delimiter]
  const heads = delimiters.flatMap((delimiter) => {
    const sample = { bytes, isWhole, columns, dialect: { delimiter, quote: reading.quote ?? '"' } }
    return reading.header ? withHeader(sample) : withoutHeader(sample)
  })
  const better = (one: Scored, other: Scored) => other.score - one.score || other.head.fieldCount - one.head.fieldCount
  const best = heads.sort(better)[0]?.head
  if (best === undefined || best.fieldCount > 1 || reading.delimiter !== undefined) return best
  return { ...best, dialect: { ...best.dialect, delimiter: NO_DELIMITER } }
}

type Scored = { readonly head: CsvHead; readonly score: number }
type Sample = {
  readonly bytes: Uint8Array
  readonly isWhole: boolean
  readonly columns: readonly CsvColumn[]
  readonly dialect: CsvDialect
}

function withHeader({ bytes, isWhole, columns, dialect }: Sample): Scored[] {
  let header: { readonly fields: string[]; readonly shape: RecordShape; readonly start: number } | undefined
  let next: { readonly length: number; readonly lineCount: number } | undefined
  const scanner = new RecordScanner({
    dialect,
    sink: (shape, record, start, end, lineCount) => {
      if (header !== undefined) next ??= { length: start, lineCount }
      else if (shape !== 'blank') header = { fields: splitFields(record.subarray(start, end), dialect), shape, start }
    },
  })
  const scanned = scanner.scan(bytes, 0, bytes.length, 0, isWhole)
  if (header === undefined) return []
  const found = matchColumns(header.fields, columns)
  const head = {
    ...found,
    dialect,
    fieldCount: header.fields.length,
    headerLength: next?.length ?? scanned,
    headerLineCount: next?.lineCount ?? scanner.lineCount,
    isUnusual: header.start > 0 || header.shape !== 'plain',
  }
  return [{ head, score: found.places.filter((place) => place !== undefined).length }]
}

function withoutHeader({ bytes, isWhole, columns, dialect }: Sample): Scored[] {
  let score = 0
  let seen = 0
  const scanner = new RecordScanner({
    dialect,
    fieldCount: columns.length,
    sink: (shape) => {
      if (shape !== 'blank' && seen++ < SAMPLE && shape !== 'misshapen') score++
    },
  })
  scanner.scan(bytes, 0, bytes.length, 0, isWhole)
  const head = {
    places: columns.map((_, index) => index),
    names: [],
    unknown: [],
    problems: [],
    dialect,
    fieldCount: columns.length,
    headerLength: 0,
    headerLineCount: 0,
    isUnusual: false,
  }
  return [{ head, score }]
}

/** Finds a contract's columns among the names in a header; an exact match is preferred to a match of normalized spelling. */
export function matchColumns(header: readonly string[], columns: readonly CsvColumn[]): ColumnPlaces {
  const names = header.map((name) => name.trim())
  const plain = names.map(plainName)
  const problems: string[] = []
  const claimed = new Set<number>()
  const places = columns.map(({ name, required, reading }) => {
    const spellings = reading.from.map(plainName)
    for (const [index, found] of plain.entries()) if (spellings.includes(found)) claimed.add(index)
    const from = reading.from.find((candidate) => plain.includes(plainName(candidate)))
    if (from === undefined) {
      const expected = reading.from.map((spelling) => `\`${spelling}\``).join(' or ')
      if (required) problems.push(`the required column \`${name}\` (${expected}) is missing`)
      return undefined
    }
    const exact = placesOf(from, names)
    const found = exact.length > 0 ? exact : placesOf(plainName(from), plain)
    if (found.length > 1) {
      problems.push(
        `the column \`${name}\` is there more than once, as ${found.map((place) => `\`${names[place] ?? ''}\``).join(' and ')}`,
      )
    }
    return found[0]
  })
  if (places.every((place) => place === undefined)) problems.unshift('none of its fields is a known column')
  return { places, names, unknown: names.filter((_, index) => !claimed.has(index)), problems }
}

function placesOf(name: string, names: readonly string[]): number[] {
  return names.flatMap((found, place) => (found === name ? [place] : []))
}

/** Normalizes a name for comparison: without case, spaces, `-` and `_`. */
export function plainName(name: string): string {
  return name.toLowerCase().replaceAll(/[\s_-]/g, '')
}
