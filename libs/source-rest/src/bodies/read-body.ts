import { DELIMITERS, readRecords } from '@cinelake/csv'
import {
  BrokenRecord,
  describeSyntaxError,
  duplicateNameIn,
  isObject,
  type JsonObject,
  type JsonValue,
  listItems,
  parseJson,
  type ScannedRecords,
  XmlProblem,
  xmlValue,
} from '@cinelake/json-rows'
import { isUtf8 } from 'node:buffer'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { RestDataset } from '../config/index.ts'
import { type RequestPlace, RestBodyError, restErrors } from '../errors.ts'
import type { Answer } from '../http/send-request.ts'
import { singlePath } from './json-path.ts'

/** The format of a body. */
type BodyFormat = Exclude<RestDataset['format'], 'auto'>

const LINES = /^application\/(?:x-)?(?:ndjson|jsonl|jsonlines|json-lines|json-seq)$|\+(?:ndjson|jsonl)$/
const XML = /^(?:application|text)\/xml$|\+xml$/

/** The format of a body, by its content type; if that is not conclusive, by the extension in the address. */
function formatOf(answer: Pick<Answer, 'headers' | 'url'>): BodyFormat {
  const type = typeOf(answer)
  if (LINES.test(type)) return 'ndjson'
  if (type === 'text/csv' || type === 'application/csv' || type === 'text/tab-separated-values') return 'csv'
  // XHTML is XML by name only, and never data.
  if (XML.test(type) && type !== 'application/xhtml+xml') return 'xml'
  if (!/^(?:|application\/(?:x-)?(?:gzip|octet-stream)|binary\/octet-stream|text\/plain)$/.test(type)) return 'json'
  const ending = /\.(json|ndjson|jsonl|csv|tsv|xml)(?:\.gz)?$/i.exec(answer.url.pathname)?.[1]?.toLowerCase()
  if (ending === 'ndjson' || ending === 'jsonl') return 'ndjson'
  if (ending === 'csv' || ending === 'tsv') return 'csv'
  return ending === 'xml' ? 'xml' : 'json'
}

/** The content type that the server declared, if it is not JSON. */
function typeNote(answer: Pick<Answer, 'headers'>): string {
  const type = typeOf(answer)
  return type === '' || /[/+]json$/i.test(type) ? '' : ` (${type})`
}

function typeOf({ headers }: Pick<Answer, 'headers'>): string {
  return (headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? ''
}

/** A body as one value, whatever its format: lines and rows are a list of records. */
export type Body = {
  readonly format: BodyFormat
  readonly value: JsonValue
  /** Its records, where they were found without making objects of them; `value` has an empty list in their place. */
  readonly scanned?: ScannedRecords | undefined
  /** Of CSV: the names in its first row; undefined if it has none. */
  readonly names?: readonly string[] | undefined
  /** Rows and lines that are no records, with the number of those before them in `value`. */
  readonly broken?: readonly BrokenLine[] | undefined
}

export type BrokenLine = { readonly before: number; readonly record: BrokenRecord }

/** Finds the records of a body of JSON without making objects of them; undefined where it has to be parsed. */
export type ScanBody = (bytes: Buffer) => { readonly records: ScannedRecords; readonly body: JsonValue } | undefined

/** How a body's text is read. */
type ReadAs = Pick<RestDataset, 'delimiter' | 'records' | 'recordKey'>

/**
 * Parses a response's body. A response without content (204, 205) is null.
 * @throws {RestBodyError} terminal
 * @throws {REST_BODY_TOO_LARGE} terminal
 */
export async function readBody(
  answer: Answer,
  dataset: ReadAs & Pick<RestDataset, 'format'>,
  place: RequestPlace,
  maxBodyBytes: number,
  scan?: ScanBody,
): Promise<Body> {
  const format = dataset.format === 'auto' ? formatOf(answer) : dataset.format
  if (answer.status === 204 || answer.status === 205) return { format, value: null }
  const bytes = await unpacked(answer.body, place, maxBodyBytes)
  const charset = charsetOf(answer, bytes)
  const utf8 = /^utf-?8$/i.test(charset) && isUtf8(bytes) ? withoutMark(bytes) : undefined
  const found = format === 'json' && utf8 !== undefined ? scan?.(utf8) : undefined
  if (found !== undefined) return { format, value: found.body, scanned: found.records }
  // Several times as fast as a TextDecoder.
  const text = utf8?.toString() ?? decodeText(answer, bytes, charset, place)
  try {
    return { format, ...(await parse(text, format, dataset)) }
  } catch (error) {
    const got = problemOf(error, text)
    if (got === undefined) throw error
    // Without cause: messages of parsers quote their input.
    throw new RestBodyError(place, `${got}${format === 'json' ? typeNote(answer) : ''}`, { format })
  }
}

async function parse(
  text: string,
  format: BodyFormat,
  { delimiter, records, recordKey }: ReadAs,
): Promise<Omit<Body, 'format'>> {
  if (format === 'csv') return await csvRecords(text, delimiter)
  if (format === 'xml') return { value: xmlValue(text) }
  if (format === 'ndjson') return linesOf(text)
  const value = parseJson(text)
  const twice = duplicateNameIn(text)
  if (twice === undefined) return { value }
  const path = recordKey === undefined ? singlePath(records)?.filter((step) => typeof step === 'string') : undefined
  return withoutTwice(text, path) ?? problem(`an object in which the name ${twice} is there twice`)
}

function problem(what: string): never {
  throw new TextProblem(what)
}

/** A body of which no record has an object with a name twice; undefined if such an object is elsewhere. */
function withoutTwice(text: string, path: readonly string[] | undefined): Pick<Body, 'value' | 'broken'> | undefined {
  const list = path && listItems(text, path)
  if (list === undefined || duplicateNameIn(list.before + list.after) !== undefined) return undefined
  const items: string[] = []
  const broken: BrokenLine[] = []
  for (const item of list.items) {
    if (duplicateNameIn(item) === undefined) items.push(item)
    else
      broken.push({
        before: items.length,
        record: new BrokenRecord([item], 'a record in which an object has a name twice'),
      })
  }
  return { value: parseJson(list.before + items.join(',') + list.after), broken }
}

/** Why a text is not valid, without its values. */
class TextProblem extends Error {}

/**
 * The rows of a CSV text as records, by the names in its first row. Values stay texts; an empty cell is null, an empty
 * quoted text is an empty text. A row of another shape is broken, as in a file.
 * @param delimiter by default the one that the first row has most of
 */
async function csvRecords(text: string, delimiter = delimiterOf(text)): Promise<Omit<Body, 'format'>> {
  const malformed = new Set<number>()
  const dialect = { dialect: { delimiter, quote: '"' }, maxRecordBytes: Infinity }
  const rows = readRecords([Buffer.from(text)], dialect, (line) => void malformed.add(line))
  let header: string[] | undefined
  const records: JsonObject[] = []
  const broken: BrokenLine[] = []
  for await (const { cells, line } of rows) {
    if (header === undefined) {
      if (malformed.has(line)) throw new TextProblem(`a first row whose quotes do not end where its cells do`)
      header = cells.map((name, index) => (name?.trim() ?? '') || `column_${index + 1}`)
      const twice = header.find((name, index) => header?.indexOf(name) !== index)
      if (twice !== undefined) throw new TextProblem(`a first row in which the name ${twice} is there twice`)
    } else if (malformed.has(line) || cells.length !== header.length) {
      const reason = malformed.has(line)
        ? 'a row with a cell whose quotes do not end where it does'
        : 'a row with another number of cells than the first'
      broken.push({ before: records.length, record: new BrokenRecord(cells, reason, header) })
    } else {
      records.push(Object.fromEntries(header.map((name, index) => [name, cells[index] ?? null])))
    }
  }
  return { value: records, broken, names: header }
}

function delimiterOf(text: string): string {
  const end = /\r|\n/.exec(text)?.index ?? text.length
  const first = text.slice(0, end).replaceAll(/"[^"]*"/g, '')
  const counts = DELIMITERS.map((delimiter) => first.split(delimiter).length)
  return DELIMITERS[counts.indexOf(Math.max(...counts))] ?? ','
}

/**
 * Lines of JSON. A line that is invalid, or no object, is broken; but a last one without a line end is the sign of a body that was cut
 * off, and a body in which no line is JSON is something else.
 */
function linesOf(text: string): Pick<Body, 'value' | 'broken'> {
  const values: JsonValue[] = []
  const broken: BrokenLine[] = []
  const lines = text.split('\n')
  let first: TextProblem | undefined
  for (const [index, line] of lines.entries()) {
    if (line.trim() === '') continue
    const addBroken = (reason: string) =>
      broken.push({ before: values.length, record: new BrokenRecord([line.trim()], reason) })
    try {
      const value = parseJson(line)
      if (!isObject(value)) addBroken('a line that is no object')
      else if (duplicateNameIn(line) !== undefined) addBroken('a line in which an object has a name twice')
      else values.push(value)
    } catch (error) {
      if (!isSyntax(error)) throw error
      const problem = new TextProblem(`${describeSyntaxError(error, line.length)} in line ${index + 1}`)
      if (index === lines.length - 1) throw problem
      first ??= problem
      addBroken('a line that is no JSON')
    }
  }
  if (values.length === 0 && first !== undefined) throw first
  return { value: values, broken }
}

/** Why a text is invalid, without quoting it; undefined if the error is not about the text. */
function problemOf(error: unknown, text: string): string | undefined {
  if (error instanceof TextProblem || error instanceof XmlProblem) return error.message
  return isSyntax(error) ? describeSyntaxError(error, text.length) : undefined
}

/** The parser also fails if nesting is too deep. */
const isSyntax = (error: unknown) => error instanceof SyntaxError || error instanceof RangeError

const unpack = promisify(gunzip)

/** @throws {RestBodyError} terminal */
function decodeText(answer: Answer, bytes: Uint8Array, charset: string, place: RequestPlace): string {
  try {
    return new TextDecoder(charset, { fatal: true }).decode(bytes)
  } catch (error) {
    const isUnknown = error instanceof RangeError
    const got = isUnknown ? `the unknown character set ${charset}` : `bytes that are not ${charset}${typeNote(answer)}`
    throw new RestBodyError(place, got)
  }
}

/** Without the byte order mark. */
function withoutMark(bytes: Uint8Array): Buffer {
  const start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, bytes.byteLength - start)
}

/**
 * A body, decompressed if it is a .gz file without a `Content-Encoding`. No text format begins like a gzip member (RFC 1952, 2.3.1).
 * @throws {RestBodyError} terminal
 * @throws {REST_BODY_TOO_LARGE} terminal: more than `maxBodyBytes` when decompressed
 */
async function unpacked(body: Uint8Array, place: RequestPlace, maxBodyBytes: number): Promise<Uint8Array> {
  if (body[0] !== 0x1f || body[1] !== 0x8b) return body
  try {
    return await unpack(body, { maxOutputLength: maxBodyBytes })
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ERR_BUFFER_TOO_LARGE') throw restErrors.REST_BODY_TOO_LARGE(place, maxBodyBytes)
    throw new RestBodyError(place, 'a packed file (gzip) that is broken or ends in the middle', { cause: error })
  }
}

/** The declared character set, else the one detected from the bytes, else UTF-8. */
function charsetOf({ headers }: Answer, bytes: Uint8Array): string {
  const told = /charset="?([^";\s]+)/i.exec(headers.get('content-type') ?? '')?.[1]
  if (told !== undefined) return told
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le'
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be'
  // The declaration is ASCII in every character set that is possible here. Source: XML 1.0, appendix F
  const head = Buffer.from(bytes.subarray(0, 200)).toString('latin1')
  return /^(?:\xef\xbb\xbf)?<\?xml[^>]*\sencoding=["']([\w.-]+)["']/.exec(head)?.[1] ?? 'utf-8'
}
