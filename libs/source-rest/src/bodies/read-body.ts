import type { RestDataset } from '../config/index.ts'
import { RestBodyError, type RequestPlace } from '../errors.ts'
import type { Answer } from '../http/send-request.ts'
import { formatOf, typeNote, type BodyFormat } from './body-format.ts'
import { CsvProblem, csvRecords } from './csv-records.ts'
import { decodeText } from './decode-text.ts'
import { describeSyntaxError, parseJson, type JsonValue } from '@cinelake/json-rows'
import { XmlProblem, xmlValue } from './xml-value.ts'

/** A body as one value, whatever it was written in: lines and rows are a list of records. */
export type Body = { readonly format: BodyFormat; readonly value: JsonValue }

/**
 * Reads an answer's body. An answer that says that there is no content (204, 205) is null.
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
    // Without cause: parsers quote what they read.
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

/** What is wrong with a text, without a word of it; undefined where it is not the text that is wrong. */
function problemOf(error: unknown, text: string): string | undefined {
  if (error instanceof CsvProblem || error instanceof XmlProblem || error instanceof LineProblem) return error.message
  return isSyntax(error) ? describeSyntaxError(error, text.length) : undefined
}

/** The parser also gives up on what is nested too deep. */
const isSyntax = (error: unknown) => error instanceof SyntaxError || error instanceof RangeError
