import { DELIMITERS, readRecords } from '@cinelake/csv'
import { describeSyntaxError, parseJson, type JsonObject, type JsonValue } from '@cinelake/json-rows'
import { isUtf8 } from 'node:buffer'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { RestDataset } from '../config/index.ts'
import { RestBodyError, restErrors, type RequestPlace } from '../errors.ts'
import type { Answer } from '../http/send-request.ts'
import { XmlProblem, xmlValue } from './xml-value.ts'

/** The format of a body. */
export type BodyFormat = NonNullable<Answer['reducedFrom']>

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
export type Body = { readonly format: BodyFormat; readonly value: JsonValue }

/**
 * Parses a response's body. A response without content (204, 205) is null.
 * @throws {RestBodyError} terminal
 * @throws {REST_BODY_TOO_LARGE} terminal
 */
export async function readBody(
  answer: Answer,
  dataset: Pick<RestDataset, 'format' | 'delimiter'>,
  place: RequestPlace,
  maxBodyBytes: number,
): Promise<Body> {
  const { reducedFrom } = answer
  if (reducedFrom !== undefined) return { format: reducedFrom, value: parseJson(answer.body.toString()) }
  const format = dataset.format === 'auto' ? formatOf(answer) : dataset.format
  if (answer.status === 204 || answer.status === 205) return { format, value: null }
  const text = await decodeText(answer, place, maxBodyBytes)
  try {
    return { format, value: await parse(text, format, dataset.delimiter) }
  } catch (error) {
    const got = problemOf(error, text)
    if (got === undefined) throw error
    // Without cause: messages of parsers quote their input.
    throw new RestBodyError(place, `${got}${format === 'json' ? typeNote(answer) : ''}`, { format })
  }
}

async function parse(text: string, format: BodyFormat, delimiter: string | undefined): Promise<JsonValue> {
  if (format === 'csv') return await csvRecords(text, delimiter)
  if (format === 'xml') return xmlValue(text)
  return format === 'ndjson' ? linesOf(text) : parseJson(text)
}

/** Why a text is not valid, without its values. */
class TextProblem extends Error {}

/**
 * The rows of a CSV text as records, by the names in its first row. Values stay texts; an empty cell is null, an empty
 * quoted text is an empty text.
 * @param delimiter by default the one that the first row has most of
 */
async function csvRecords(text: string, delimiter = delimiterOf(text)): Promise<JsonObject[]> {
  const quotes = (line: number): never => {
    throw new TextProblem(`a cell in line ${line} whose quotes do not end where it does`)
  }
  const dialect = { dialect: { delimiter, quote: '"' }, maxRecordBytes: Infinity }
  let header: string[] | undefined
  const records: JsonObject[] = []
  for await (const { cells, line } of readRecords([Buffer.from(text)], dialect, quotes)) {
    if (header === undefined) {
      header = cells.map((name, index) => (name?.trim() ?? '') || `column_${index + 1}`)
      const twice = header.find((name, index) => header?.indexOf(name) !== index)
      if (twice !== undefined) throw new TextProblem(`a first row in which the name ${twice} is there twice`)
    } else if (cells.length === header.length) {
      records.push(Object.fromEntries(header.map((name, index) => [name, cells[index] ?? null])))
    } else {
      throw new TextProblem(`a row of ${cells.length} cells in line ${line}, where the first row has ${header.length}`)
    }
  }
  return records
}

function delimiterOf(text: string): string {
  const end = /\r|\n/.exec(text)?.index ?? text.length
  const first = text.slice(0, end).replaceAll(/"[^"]*"/g, '')
  const counts = DELIMITERS.map((delimiter) => first.split(delimiter).length)
  return DELIMITERS[counts.indexOf(Math.max(...counts))] ?? ','
}

function linesOf(text: string): JsonValue[] {
  const values: JsonValue[] = []
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    try {
      values.push(parseJson(line))
    } catch (error) {
      if (!isSyntax(error)) throw error
      throw new TextProblem(`${describeSyntaxError(error, line.length)} in line ${index + 1}`)
    }
  }
  return values
}

/** Why a text is invalid, without quoting it; undefined if the error is not about the text. */
function problemOf(error: unknown, text: string): string | undefined {
  if (error instanceof TextProblem || error instanceof XmlProblem) return error.message
  return isSyntax(error) ? describeSyntaxError(error, text.length) : undefined
}

/** The parser also fails if nesting is too deep. */
const isSyntax = (error: unknown) => error instanceof SyntaxError || error instanceof RangeError

const unpack = promisify(gunzip)

/**
 * The text of a response's body: decompressed if it is a .gz file without a `Content-Encoding`, and decoded.
 * @throws {RestBodyError} terminal
 * @throws {REST_BODY_TOO_LARGE} terminal: more than `maxBodyBytes` when decompressed
 */
async function decodeText(answer: Answer, place: RequestPlace, maxBodyBytes: number): Promise<string> {
  const bytes = await unpacked(answer.body, place, maxBodyBytes)
  const charset = charsetOf(answer, bytes)
  // Several times as fast as a TextDecoder.
  if (/^utf-?8$/i.test(charset) && isUtf8(bytes)) return utf8(bytes)
  try {
    return new TextDecoder(charset, { fatal: true }).decode(bytes)
  } catch (error) {
    const isUnknown = error instanceof RangeError
    const got = isUnknown ? `the unknown character set ${charset}` : `bytes that are not ${charset}${typeNote(answer)}`
    throw new RestBodyError(place, got)
  }
}

/** Without the byte order mark. */
function utf8(bytes: Uint8Array): string {
  const start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, bytes.byteLength - start).toString()
}

/** No text format begins like a gzip member (RFC 1952, 2.3.1). */
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
