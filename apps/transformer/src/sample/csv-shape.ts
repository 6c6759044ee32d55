import { type CsvDialect, DELIMITERS, LF, CR, RecordScanner, type RecordShape, splitFields } from '@cinelake/csv'
import type { FileReading } from '@cinelake/pipeline'
import { isMisplacedName, kindOf } from './cell-kind.ts'

/** How a CSV file has to be read, beyond what is declared and what is found out from each file anyway. */
export type CsvShape = {
  /** Keys of `read`. */
  readonly read: Partial<FileReading>
  /** The names of the columns where the records of the header have other fields than the rows. */
  readonly names?: readonly string[]
  /** The delimiter that parts the records evenly; absent where none does. */
  readonly delimiter?: string
  /** What was found and is only likely, for people. */
  readonly notes: readonly string[]
}

/** Delimiters of which one file in many has one; tried where none of the usual ones parts the records. */
const RARE_DELIMITERS = ['::', '||', '|~|', '~|~', '##', '^', '~', '\u0001', '\u001f', '¦', '§'] as const

/** Records by which the shape is judged. */
const LOOKED_AT = 500
/** Most records before the header. */
const MAX_PREAMBLE = 30
/** Share of the records that have the commonest number of fields, from which it is the number of columns. */
const MOST = 0.5

type Found = {
  readonly shape: RecordShape
  readonly fields: readonly string[]
  /** Physical lines before it. */
  readonly lineCount: number
}

/**
 * Finds out from its beginning how a CSV file is written. What is declared is not questioned.
 * @param bytes the first of the file in UTF-8, without byte order mark
 * @param isWhole whether they are the whole file
 */
export function shapeOfCsv(bytes: Uint8Array, isWhole: boolean, declared: FileReading): CsvShape {
  const notes: string[] = []
  const comment = declared.comment ?? commentOf(bytes)
  const dialect = dialectOf(bytes, isWhole, { ...declared, comment })
  const records = recordsOf(bytes, isWhole, dialect.dialect, comment, LOOKED_AT)
  const skip = declared.skip ?? 0
  // The line that names the delimiter is known without being declared.
  const isSepLine = /^\uFEFF?"?sep=/i.test(Buffer.from(bytes.subarray(0, 8)).toString('latin1'))
  const rows = records.filter(({ lineCount }) => lineCount >= Math.max(skip, isSepLine ? 1 : 0))
  const width = commonWidth(rows)
  const read: Partial<FileReading> = { ...dialect.read, ...(comment === undefined ? {} : { comment }) }
  const first = declared.skip === undefined ? preambleLength(rows, width) : 0
  const lines = rows[first]?.lineCount ?? 0
  if (first > 0) read.skip = lines
  const body = rows.slice(first)
  const [head] = body
  let names: readonly string[] | undefined
  if (head !== undefined && declared.header) {
    const header = headerOf(body, width, declared.headerLines)
    if (header.kind === 'none') {
      read.header = false
      notes.push('the first record looks like a row: read without a header')
    } else if (header.kind === 'narrow') {
      // Each row has a field before those that the header names, or behind them.
      read.header = false
      read.skip = body[1]?.lineCount ?? head.lineCount + 1
      names = header.names
      notes.push('the header has fewer names than rows have fields: columns are taken by position')
    } else if (header.lines > 1) {
      read.headerLines = header.lines
    } else if (header.isUnsure) notes.push('the first record is taken for the header: `header: false` if it is a row')
  }
  if (declared.footer === undefined && isWhole) Object.assign(read, footerOf(bytes, dialect.dialect, comment, width))
  const data = body.slice(read.header === false && names === undefined ? 0 : (read.headerLines ?? 1))
  const short = data.filter(({ fields }) => fields.length < (head?.fields.length ?? 0) && fields.length > 0)
  const isBlank = ({ fields }: Found) => fields.length > 1 && fields.every((field) => field.trim() === '')
  if (declared.blankRows === undefined && data.some(isBlank)) read.blankRows = 'skip'
  if (
    declared.missingCells === undefined &&
    read.header === undefined &&
    short.length * 20 >= data.length &&
    short.length > (read.footer === undefined ? 1 : 3)
  )
    read.missingCells = 'empty'
  const delimiter = dialect.score > 0 ? { delimiter: dialect.dialect.delimiter } : {}
  return { read, ...delimiter, ...(names === undefined ? {} : { names }), notes }
}

/** Texts with which lines that are comments begin. */
const COMMENTS = ['#', '//', '%', '--', '!'] as const

/** A sign with which lines begin that are no records: those at the beginning, and at least one of them. */
function commentOf(bytes: Uint8Array): string | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 64 * 1024)).toString()
  const lines = text.split(/\r\n|\r|\n/).filter((line) => line.trim() !== '')
  const sign = COMMENTS.find((one) => lines[0]?.startsWith(one) === true)
  if (sign === undefined) return undefined
  const commented = lines.filter((line) => line.startsWith(sign))
  const others = lines.filter((line) => !line.startsWith(sign))
  if (others.length === 0) return undefined
  // `#id,name` is a header: it is parted as the rows are.
  const isHeader = DELIMITERS.some((delimiter) => {
    const counts = others.slice(0, 20).map((line) => line.split(delimiter).length)
    const [count = 1] = counts
    const isEven = count > 1 && counts.every((one) => one === count)
    return isEven && commented.length === 1 && lines[0]?.split(delimiter).length === count
  })
  return isHeader ? undefined : sign
}

type FoundDialect = {
  readonly dialect: CsvDialect
  readonly read: Pick<Partial<FileReading>, 'delimiter' | 'quote' | 'escape'>
  readonly score: number
}

/** The dialect under which most records have the same number of fields. */
function dialectOf(bytes: Uint8Array, isWhole: boolean, declared: FileReading): FoundDialect {
  const sep = /^"?sep=([\t -~])"?(?:[\r\n]|$)/i.exec(Buffer.from(bytes.subarray(0, 16)).toString('latin1'))?.[1]
  const usual: readonly string[] =
    declared.delimiter === undefined ? (sep === undefined ? DELIMITERS : [sep]) : [declared.delimiter]
  const judge = (delimiter: string, quote = declared.quote ?? '"', escape = declared.escape): FoundDialect => {
    const dialect = { delimiter, quote, ...(escape === undefined ? {} : { escape }) }
    const records = recordsOf(bytes, isWhole, dialect, declared.comment, LOOKED_AT)
    const read = {
      ...(declared.delimiter === undefined && !usual.includes(delimiter) ? { delimiter } : {}),
      ...(quote === (declared.quote ?? '"') ? {} : { quote }),
      ...(escape === declared.escape ? {} : { escape }),
    }
    return { dialect, read, score: evenness(records) }
  }
  const best = (found: readonly FoundDialect[]) => found.reduce((one, other) => (other.score > one.score ? other : one))
  const plain = best(usual.map((delimiter) => judge(delimiter)))
  const parted =
    plain.score > 0 || declared.delimiter !== undefined ? plain : best(RARE_DELIMITERS.map((one) => judge(one)))
  const chosen = parted.score > 0 ? parted : plain
  if (chosen.score <= 0) return chosen
  const { delimiter } = chosen.dialect
  const text = Buffer.from(bytes.subarray(0, 256 * 1024)).toString()
  const others = [
    ...(declared.escape === undefined && text.includes('\\"') ? [judge(delimiter, undefined, '\\')] : []),
    ...(declared.quote === undefined && text.includes('"') ? [judge(delimiter, '')] : []),
    ...(declared.quote === undefined && /'[^'\n]*'/.test(text) && isQuotedBy(text, delimiter, "'")
      ? [judge(delimiter, "'")]
      : []),
  ]
  // Another way of quoting has to explain clearly more.
  return others.reduce((one, other) => (other.score > one.score * 1.02 ? other : one), chosen)
}

/** Whether most fields that begin with a sign end with it. */
function isQuotedBy(text: string, delimiter: string, sign: string): boolean {
  const fields = text
    .split('\n')
    .slice(0, 200)
    .flatMap((line) => line.replace(/\r$/, '').split(delimiter))
  const begun = fields.filter((field) => field.startsWith(sign))
  return (
    begun.length >= 2 && begun.filter((field) => field.endsWith(sign) && field.length > 1).length > begun.length * 0.6
  )
}

/** How evenly records are parted: the share of those with the commonest number of fields, of which there are several. */
function evenness(records: readonly Found[]): number {
  if (records.length === 0) return 0
  const width = commonWidth(records)
  if (width < 2) return 0
  const alike = records.filter(({ shape, fields }) => fields.length === width && shape !== 'misshapen').length
  return alike / records.length + Math.min(width, 20) / 1000
}

function recordsOf(
  bytes: Uint8Array,
  isWhole: boolean,
  dialect: CsvDialect,
  comment: string | undefined,
  limit: number,
): Found[] {
  const records: Found[] = []
  const sink = (found: RecordShape, record: Uint8Array, start: number, end: number, lineCount: number) => {
    if (found === 'blank' || records.length >= limit) return
    records.push({ shape: found, fields: splitFields(record.subarray(start, end), dialect), lineCount })
  }
  const scanner = new RecordScanner({ dialect, comment, sink })
  // A few hundred records need no more; a step ends within a record, which the next one begins with.
  for (let from = 0, to = 0; to < bytes.length && records.length < limit;) {
    to = Math.min(bytes.length, to + 64 * 1024)
    from = scanner.scan(bytes, from, to, 0, isWhole && to === bytes.length)
  }
  return records
}

/** The commonest number of fields; of two that are as common, the greater one. */
function commonWidth(records: readonly Found[]): number {
  const counts = Map.groupBy(records, ({ fields }) => fields.length)
  const sorted = [...counts].sort(([one, some], [other, others]) => others.length - some.length || other - one)
  const [width = 1, those = []] = sorted[0] ?? []
  return those.length >= records.length * MOST * 0.5
    ? width
    : Math.max(1, ...records.map(({ fields }) => fields.length))
}

/** Records before the header: they have fewer fields than the rows, and no row is like them. */
function preambleLength(rows: readonly Found[], width: number): number {
  if (width < 2) return 0
  const first = rows.findIndex(({ fields }) => fields.length >= width - 1 && fields.length > 1)
  const before = rows.slice(0, Math.max(0, first))
  const isTold = before.every(
    ({ fields }) => fields.filter((field) => field.trim() !== '').length <= Math.max(1, width - 2),
  )
  if (first > 0 && first <= MAX_PREAMBLE && isTold) return first
  // A line of the same width with a text in its first field alone: `Report of 2026;;`.
  const padded = rows.findIndex(({ fields }) => fields.filter((field) => field.trim() !== '').length > 1)
  const isTitle = padded > 0 && padded <= MAX_PREAMBLE && width > 2 && rows.slice(0, padded).every(isLonely)
  return isTitle && !rows.slice(padded).some(isLonely) ? padded : 0
}

/** A record with a text in its first field alone. */
function isLonely({ fields }: Found): boolean {
  return fields.slice(1).every((field) => field.trim() === '')
}

type Header =
  | { readonly kind: 'none' }
  | { readonly kind: 'narrow'; readonly names: readonly string[] }
  | { readonly kind: 'named'; readonly lines: number; readonly isUnsure: boolean }

/** Most lines of a header. */
const MAX_HEADER_LINES = 3
/** Share of a column's cells that are of its kind. */
const TYPED = 0.8

function headerOf(body: readonly Found[], width: number, declaredLines: number | undefined): Header {
  const named = (lines = 1, isUnsure = false): Header => ({ kind: 'named', lines, isUnsure })
  const [head, ...rest] = body
  if (head === undefined || declaredLines !== undefined) return named()
  const narrow = narrowHeader(head, rest, width)
  if (narrow !== undefined) return { kind: 'narrow', names: narrow }
  if (rest.length === 0) return head.fields.some((cell) => isMisplacedName(cell)) ? { kind: 'none' } : named()
  const columns = head.fields.map((cell, index) => {
    const below = rest
      .slice(MAX_HEADER_LINES - 1)
      .flatMap(({ fields }) => (fields[index]?.trim() ? [fields[index].trim()] : []))
    const all =
      below.length >= 3 ? below : rest.flatMap(({ fields }) => (fields[index]?.trim() ? [fields[index].trim()] : []))
    return { cell: cell.trim(), index, kind: commonKind(all), all }
  })
  const isRepeated = rest.some(({ fields }) => fields.join('\n') === head.fields.join('\n'))
  const against = columns.filter(
    ({ cell, kind, all }) =>
      cell !== '' &&
      (kind === 'text' ? isMisplacedName(cell) || (all.length > 2 && all.includes(cell)) : kindOf(cell) === kind),
  )
  const typed = columns.filter(({ kind }) => kind !== 'text')
  const speaking = typed.filter(({ cell, kind }) => cell !== '' && kindOf(cell) !== kind)
  if (
    against.length > 0 &&
    !isRepeated &&
    !areYears(columns.map(({ cell }) => cell)) &&
    against.length > speaking.length
  )
    return { kind: 'none' }
  if (rest.length < 2) return named()
  const lines = headerLines(head, rest, columns)
  return named(lines, lines === 1 && typed.length === 0 && head.fields.length > 1 && rest.length > 2)
}

/** Years or other ascending numbers as names: one column for each. */
function areYears(cells: readonly string[]): boolean {
  const numbers = cells.filter((cell) => /^(?:1[89]|20)\d{2}$/.test(cell)).map(Number)
  return (
    numbers.length >= 2 &&
    numbers.every((year, index) => index === 0 || Math.abs(year - (numbers[index - 1] ?? 0)) === 1)
  )
}

/** The names of a header with one field less than every row has, the last of which has text. */
function narrowHeader(head: Found, rest: readonly Found[], width: number): readonly string[] | undefined {
  const more = width - head.fields.length
  const wide = rest.filter(({ fields }) => fields.length === width)
  if (more < 1 || more > 3 || wide.length < rest.length * 0.8 || wide.length === 0) return undefined
  if (wide.every(({ fields }) => fields.slice(head.fields.length).every((field) => field.trim() === ''))) {
    return more === 1 ? undefined : [...head.fields, ...Array<string>(more).fill('')]
  }
  // As R writes the names of rows: the first field has none.
  const isNumbered = more === 1 && new Set(wide.map(({ fields }) => fields[0])).size === wide.length
  const none = Array<string>(more).fill('')
  return isNumbered ? [...none, ...head.fields] : [...head.fields, ...none]
}

type ColumnOfHeader = { readonly cell: string; readonly index: number; readonly kind: string }

/** Further records that have words where columns have numbers and dates: units, or the second of two names. */
function headerLines(head: Found, rest: readonly Found[], columns: readonly ColumnOfHeader[]): number {
  const typed = columns.filter(({ kind }) => kind !== 'text')
  const isMerged = head.fields.some((field) => field.trim() === '') || new Set(head.fields).size < head.fields.length
  if (typed.length < (isMerged ? 1 : 2)) return 1
  let lines = 1
  for (const { fields } of rest.slice(0, MAX_HEADER_LINES - 1)) {
    const cells = typed.map(({ index, kind }) => ({ cell: fields[index]?.trim() ?? '', kind }))
    // Below merged cells there may be years.
    const isName = (cell: string, kind: string) =>
      kindOf(cell) === kind ? isMerged && /^(?:19|20)\d{2}$/.test(cell) : !isNullWord(cell)
    const isWords =
      cells.every(({ cell, kind }) => cell === '' || isName(cell, kind)) &&
      cells.some(({ cell, kind }) => cell !== '' && kindOf(cell) !== kind)
    if (!isWords || cells.filter(({ cell }) => cell !== '').length * 2 < cells.length) break
    lines++
  }
  return lines > rest.length ? 1 : lines
}

const isNullWord = (cell: string) => /^(?:n\/?a|null|none|nan|nil|-+|\?|unknown|tba|tbd)$/i.test(cell)

function commonKind(cells: readonly string[]): string {
  const present = cells.filter((cell) => !isNullWord(cell))
  if (present.length === 0) return 'text'
  const [kind = 'text', those = []] =
    [...Map.groupBy(present, kindOf)].sort(([, one], [, other]) => other.length - one.length)[0] ?? []
  return those.length >= present.length * TYPED ? kind : 'text'
}

/** Words of sums and sources below a table, in some languages. */
const FOOTER =
  /^(total|totals|grand total|sum|summe|gesamt|gesamtsumme|insgesamt|subtotal|source|sources|quelle|note|notes)\b:?$/i

/** The records at the end that are no rows: a sum, or a remark in one field. */
function footerOf(
  bytes: Uint8Array,
  dialect: CsvDialect,
  comment: string | undefined,
  width: number,
): Pick<Partial<FileReading>, 'footer'> {
  if (width < 2) return {}
  const start = tailStart(bytes)
  const last = recordsOf(bytes.subarray(start), true, dialect, comment, 10_000)
    .slice(start === 0 ? 1 : 0)
    .slice(-5)
  const words: string[] = []
  let count = 0
  for (const { fields } of last.toReversed()) {
    const [cell = ''] = fields.map((field) => field.trim())
    const word = FOOTER.exec(cell)?.[1]
    const isRemark = fields.length === 1 && /[\p{L}(].*\s|\s.*\p{L}/u.test(cell)
    if (word === undefined && !isRemark) break
    if (word !== undefined) words.push(word)
    count++
  }
  if (count === 0 || count === last.length) return {}
  return { footer: words.length === count ? [...new Set(words)] : count }
}

/** The begin of a line near the end. */
function tailStart(bytes: Uint8Array): number {
  const near = bytes.length - 16 * 1024
  if (near <= 0) return 0
  let at = near
  while (at < bytes.length && bytes[at] !== LF && bytes[at] !== CR) at++
  return at + 1
}
