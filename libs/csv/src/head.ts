import { CR, LF, type CsvDialect } from './dialect.ts'
import { DELIMITERS, NO_DELIMITER, splitFields } from './record.ts'
import { RecordScanner, type RecordShape } from './scan.ts'

/** A column of a contract: the spellings that sources may use for it, in order of preference. */
export type CsvColumn = {
  readonly name: string
  readonly required: boolean
  readonly reading: {
    readonly from: readonly string[]
    /** The number of its field, from 1, whatever the header says. */
    readonly position?: number | undefined
  }
}

/** The declared properties of a file; the others are detected. */
export type CsvDeclaration = {
  readonly delimiter?: string | undefined
  readonly quote?: string | undefined
  readonly escape?: string | undefined
  readonly header: boolean
  /** Lines of the header, whose names are joined; 1 by default. */
  readonly headerLines?: number | undefined
  /** Physical lines before the header, or before the first record where there is none. */
  readonly skip?: number | undefined
  /** A line that begins with it is no record. */
  readonly comment?: string | undefined
}

/** The positions of a contract's columns in the records of a file. */
export type ColumnPlaces = {
  /** For each column of the contract the index of its field, from 0; undefined for a column that the file does not have. */
  readonly places: readonly (number | undefined)[]
  /** For each column that is a part of its field, where in it: `address.city`. Absent where none is. */
  readonly paths?: readonly (string | undefined)[]
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
  const sep = separatorLine(bytes)
  const delimiter = reading.delimiter ?? sep?.delimiter
  const delimiters = delimiter === undefined ? DELIMITERS : [delimiter]
  const start = skipLines(bytes, Math.max(reading.skip ?? 0, sep === undefined ? 0 : 1))
  if (start === undefined) return undefined
  const { escape, quote = '"' } = reading
  const heads = delimiters.flatMap((tried) => {
    const dialect = { delimiter: tried, quote, ...(escape === undefined ? {} : { escape }) }
    const sample = { bytes, isWhole, columns, dialect, reading, start }
    return reading.header ? withHeader(sample) : withoutHeader(sample)
  })
  const better = (one: Scored, other: Scored) => other.score - one.score || other.head.fieldCount - one.head.fieldCount
  const best = heads.sort(better)[0]?.head
  if (best === undefined || best.fieldCount > 1 || delimiter !== undefined) return best
  return { ...best, dialect: { ...best.dialect, delimiter: NO_DELIMITER } }
}

type Scored = { readonly head: CsvHead; readonly score: number }
type Sample = {
  readonly bytes: Uint8Array
  readonly isWhole: boolean
  readonly columns: readonly CsvColumn[]
  readonly dialect: CsvDialect
  readonly reading: CsvDeclaration
  /** Where the first record or header may begin. */
  readonly start: Start
}

/** An offset, and the physical lines before it. */
type Start = { readonly offset: number; readonly lineCount: number }

/** The line `sep=;` with which spreadsheets name the delimiter: the first of a file, or none. */
function separatorLine(bytes: Uint8Array): { readonly delimiter: string } | undefined {
  const first = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 16)).toString('latin1')
  const delimiter = /^"?sep=([\t -~])"?(?:[\r\n]|$)/i.exec(first)?.[1]
  return delimiter === undefined ? undefined : { delimiter }
}

/** @returns undefined where so many lines do not end within the bytes */
function skipLines(bytes: Uint8Array, count: number): Start | undefined {
  let offset = 0
  for (let lineCount = 0; lineCount < count; lineCount++) {
    while (offset < bytes.length && bytes[offset] !== LF && bytes[offset] !== CR) offset++
    if (offset >= bytes.length) return undefined
    offset += bytes[offset] === CR && bytes[offset + 1] === LF ? 2 : 1
  }
  return { offset, lineCount: count }
}

/** The names of a header of several lines: those of each column, from the first line to the last, with a blank between them. */
function joinedNames(lines: readonly (readonly string[])[]): string[] {
  const count = Math.max(...lines.map(({ length }) => length))
  return Array.from({ length: count }, (_, column) =>
    lines
      .map((line) => line[column]?.trim() ?? '')
      .filter((name) => name !== '')
      .join(' '),
  )
}

function withHeader({ bytes, isWhole, columns, dialect, reading, start: from }: Sample): Scored[] {
  const { headerLines = 1, comment } = reading
  const lines: string[][] = []
  let header: { readonly shape: RecordShape; readonly start: number } | undefined
  let next: { readonly length: number; readonly lineCount: number } | undefined
  const scanner = new RecordScanner({
    dialect,
    comment,
    lineCount: from.lineCount,
    sink: (shape, record, start, end, lineCount) => {
      if (lines.length === headerLines) next ??= { length: start, lineCount }
      else if (shape !== 'blank') {
        lines.push(splitFields(record.subarray(start, end), dialect))
        header ??= { shape, start }
      }
    },
  })
  const scanned = scanner.scan(bytes, from.offset, bytes.length, 0, isWhole)
  if (header === undefined || lines.length < headerLines) return []
  const fields = lines.length === 1 ? (lines[0] ?? []) : joinedNames(lines)
  const found = matchColumns(fields, columns)
  const head = {
    ...found,
    dialect,
    fieldCount: fields.length,
    headerLength: next?.length ?? scanned,
    headerLineCount: next?.lineCount ?? scanner.lineCount,
    isUnusual: header.start > 0 || header.shape !== 'plain' || headerLines > 1,
  }
  return [{ head, score: found.places.filter((place) => place !== undefined).length }]
}

/**
 * The fields of records without a header are the contract's columns in order; where a column has a position, there may be
 * others as well, and the records are as wide as most of the first ones.
 */
function withoutHeader({ bytes, isWhole, columns, dialect, reading, start }: Sample): Scored[] {
  const positions = columns.map(({ reading: { position } }, index) => position ?? index + 1)
  const needed = Math.max(...positions, columns.length)
  const mayBeWider = columns.some(({ reading: { position } }) => position !== undefined)
  const counts = new Map<number, number>()
  let seen = 0
  const scanner = new RecordScanner({
    dialect,
    comment: reading.comment,
    sink: (shape, record, from, to) => {
      if (shape === 'blank' || shape === 'misshapen' || seen++ >= SAMPLE) return
      const fields = splitFields(record.subarray(from, to), dialect)
      // A delimiter at the end of each row: see `TrailingField` of the transformer.
      const isTrailing = fields.length === needed + 1 && fields.at(-1) === ''
      const width = isTrailing ? needed : fields.length
      counts.set(width, (counts.get(width) ?? 0) + 1)
    },
  })
  scanner.scan(bytes, start.offset, bytes.length, 0, isWhole)
  const [widest] = [...counts]
    .filter(([width]) => width >= needed)
    .toSorted(([one, oneCount], [other, otherCount]) => otherCount - oneCount || other - one)
  const fieldCount = mayBeWider ? (widest?.[0] ?? needed) : needed
  const head = {
    places: positions.map((position) => position - 1),
    names: [],
    unknown: [],
    problems: [],
    dialect,
    fieldCount,
    headerLength: start.offset,
    headerLineCount: start.lineCount,
    isUnusual: start.offset > 0,
  }
  return [{ head, score: counts.get(fieldCount) ?? 0 }]
}

/** Finds a contract's columns among the names in a header; an exact match is preferred to a match of normalized spelling. */
export function matchColumns(header: readonly string[], columns: readonly CsvColumn[]): ColumnPlaces {
  const names = header.map((name) => name.trim())
  const plain = names.map(plainName)
  const problems: string[] = []
  const claimed = new Set<number>()
  const paths: (string | undefined)[] = columns.map(() => undefined)
  const places = columns.map(({ name, required, reading }, column) => {
    const { position } = reading
    if (position !== undefined) {
      claimed.add(position - 1)
      if (position <= names.length) return position - 1
      if (required) problems.push(`the required column \`${name}\` (field ${position}) is missing`)
      return undefined
    }
    const spellings = reading.from.map(plainName)
    for (const [index, found] of plain.entries()) if (spellings.includes(found)) claimed.add(index)
    const from = reading.from.find((candidate) => plain.includes(plainName(candidate)))
    if (from === undefined) {
      const part = partOf(reading.from, plain)
      if (part !== undefined) {
        claimed.add(part.place)
        paths[column] = part.path
        return part.place
      }
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
  const unknown = names.filter((_, index) => !claimed.has(index))
  return { places, ...(paths.some((path) => path !== undefined) && { paths }), names, unknown, problems }
}

/** The field of which a spelling names a part: of `profile.address.city` the field `profile`, where there is one alone. */
function partOf(
  spellings: readonly string[],
  names: readonly string[],
): { readonly place: number; readonly path: string } | undefined {
  for (const spelling of spellings) {
    const steps = spelling.split('.')
    for (let count = steps.length - 1; count > 0; count--) {
      const places = placesOf(plainName(steps.slice(0, count).join('.')), names)
      const path = steps.slice(count).join('.')
      if (places[0] !== undefined && places.length === 1 && PATH.test(path)) return { place: places[0], path }
    }
  }
  return undefined
}

/** Names with dots between them, and places in lists: `address.city`, `lines[0].price`. */
const PATH = /^[^.[\]"]+(?:\[\d+\])*(?:\.[^.[\]"]+(?:\[\d+\])*)*$/

function placesOf(name: string, names: readonly string[]): number[] {
  return names.flatMap((found, place) => (found === name ? [place] : []))
}

/** Normalizes a name for comparison: without case, spaces, `-` and `_`. */
export function plainName(name: string): string {
  return name.toLowerCase().replaceAll(/[\s_-]/g, '')
}
