import { describeSyntaxError, parseJson, type JsonValue } from '@cinelake/json-rows'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { RestDataset } from '../config/index.ts'
import { RestBodyError, restErrors, type RequestPlace } from '../errors.ts'
import type { Answer } from '../http/send-request.ts'
import { formatOf, typeNote, type BodyFormat } from './body-format.ts'
import { CsvProblem, csvRecords } from './csv-records.ts'
import { XmlProblem, xmlValue } from './xml-value.ts'

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
  const format = dataset.format === 'auto' ? formatOf(answer) : dataset.format
  if (answer.status === 204 || answer.status === 205) return { format, value: null }
  const text = await decodeText(answer, place, maxBodyBytes)
  try {
    return { format, value: parse(text, format, dataset.delimiter) }
  } catch (error) {
    const got = problemOf(error, text)
    if (got === undefined) throw error
    // Without cause: messages of parsers quote their input.
    throw new RestBodyError(place, `${got}${format === 'json' ? typeNote(answer) : ''}`, { format })
  }
}

function parse(text: string, format: BodyFormat, delimiter: string | undefined): JsonValue {
  if (format === 'csv') return csvRecords(text, delimiter)
  if (format === 'xml') return xmlValue(text)
  return format === 'ndjson' ? linesOf(text) : parseJson(text)
}

class LineProblem extends Error {}

function linesOf(text: string): JsonValue[] {
  const values: JsonValue[] = []
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    try {
      values.push(parseJson(line))
    } catch (error) {
      if (!isSyntax(error)) throw error
      throw new LineProblem(`${describeSyntaxError(error, line.length)} in line ${index + 1}`)
    }
  }
  return values
}

/** Why a text is invalid, without quoting it; undefined if the error is not about the text. */
function problemOf(error: unknown, text: string): string | undefined {
  if (error instanceof CsvProblem || error instanceof XmlProblem || error instanceof LineProblem) return error.message
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
  try {
    return new TextDecoder(charset, { fatal: true }).decode(bytes)
  } catch (error) {
    const isUnknown = error instanceof RangeError
    const got = isUnknown ? `the unknown character set ${charset}` : `bytes that are not ${charset}${typeNote(answer)}`
    throw new RestBodyError(place, got)
  }
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
