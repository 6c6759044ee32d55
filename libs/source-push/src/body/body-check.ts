import { csvRow, MAX_RECORD_BYTES, HEAD_BYTES, matchColumns, type CsvColumn } from '@cinelake/csv'
import { PushTooLargeError, PushBodyError } from '../errors.ts'
import { describeSyntaxError, duplicateNameIn, isObject, parseJson, type JsonObject } from '@cinelake/json-rows'

/**
 * Checks a body while it streams through. At most one record is held in memory.
 * @throws {PushBodyError} terminal: names the position, never the content
 * @throws {PushTooLargeError} terminal: a record
 */
export interface BodyReader {
  /** Records so far. */
  readonly rowCount: number
  push(chunk: Uint8Array): void
  /** To be called after the last chunk. */
  end(): void
}

/** Checks whether a body can be landed, and describes its rows. */
export interface BodyCheck extends BodyReader {
  /** The description of the rows, after the last chunk. */
  readonly shape: RowShape
}

/** The columns of the contract that a dataset's rows are read by; undefined if the pipeline has none for it. */
export type ContractColumns = readonly CsvColumn[] | undefined

/** The description of a push's rows. */
export type RowShape = {
  /** Names of the columns in order. */
  readonly columns: readonly string[]
  /** In the file that they land in. */
  readonly delimiter: string
}

/**
 * Receives the text of each record.
 * @param where for people: `record 3`, `line 7`
 */
export type OnRecord = (text: string, where: string) => void

/** The bytes of a record, collected from the chunks that it spans. */
export class RecordBytes {
  #parts: Uint8Array[] = []
  #length = 0

  get length(): number {
    return this.#length
  }

  /** @param where the record, for people */
  add(part: Uint8Array, where: string): void {
    if (part.length === 0) return
    this.#length += part.length
    if (this.#length > MAX_RECORD_BYTES) throw new PushTooLargeError(`records (${where})`, MAX_RECORD_BYTES)
    // A copy: the chunk's buffer may be reused after the call.
    this.#parts.push(Uint8Array.from(part))
  }

  /** All bytes including the last part, which need not be copied. */
  take(last: Uint8Array, where: string): Uint8Array {
    if (this.#length === 0 && last.length <= MAX_RECORD_BYTES) return last
    this.add(last, where)
    const bytes = Buffer.concat(this.#parts)
    this.#parts = []
    this.#length = 0
    return bytes
  }
}

/** Removes the UTF-8 byte order mark from the first chunks. */
export class MarkSkipper {
  #seen = 0

  skip(chunk: Uint8Array): Uint8Array {
    const mark = [0xef, 0xbb, 0xbf]
    let at = 0
    while (this.#seen < mark.length && at < chunk.length) {
      if (chunk[at] !== mark[this.#seen]) {
        this.#seen = mark.length
        break
      }
      this.#seen++
      at++
    }
    return chunk.subarray(at)
  }
}

/** Decodes UTF-8. @throws {PushBodyError} terminal: invalid UTF-8 */
export function utf8Of(bytes: Uint8Array, where: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new PushBodyError(where, 'UTF-8', 'bytes that are something else')
  }
}

/**
 * Parses a record's text as an object.
 * @param where for people: `record 3`, `line 7`
 * @throws {PushBodyError} terminal
 */
export function parseRecord(text: string, where: string): JsonObject {
  const value = parsed(text, where)
  if (!isObject(value)) throw new PushBodyError(where, 'an object', 'another value')
  if (duplicateNameIn(text) !== undefined)
    throw new PushBodyError(where, 'each name of an object once', 'a name that is there twice')
  return value
}

function parsed(text: string, where: string) {
  try {
    return parseJson(text)
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error
    // Without cause: the parser's message quotes its input.
    throw new PushBodyError(where, 'an object in JSON', describeSyntaxError(error, text.length))
  }
}

/** Why rows with these columns cannot be refined. Names columns, never their values. */
export type HeaderProblem = { readonly expected: string; readonly got: string }

/** Bytes of the names of all columns together: a header has to end within the beginning of a file that is read for detection. */
const MAX_HEADER_BYTES = HEAD_BYTES / 2

/**
 * Why rows with these columns could not be refined, determined by the code that finds the contract's columns in a header.
 * @returns undefined if they can be refined
 */
export function headerProblem(names: readonly string[], contract: ContractColumns): HeaderProblem | undefined {
  const odd = names.findIndex((name) => /[\p{Cc}\p{Surrogate}]/u.test(name))
  if (odd >= 0) return { expected: 'names that can be shown', got: `control characters in that of column ${odd + 1}` }
  if (Buffer.byteLength(csvRow(names)) > MAX_HEADER_BYTES)
    return { expected: `names of at most ${MAX_HEADER_BYTES} bytes together`, got: 'more' }
  if (contract === undefined) {
    const twice = names.find((name, index) => names.indexOf(name) !== index)
    return twice === undefined ? undefined : { expected: 'each column once', got: `\`${twice}\` twice` }
  }
  const [problem] = matchColumns(names, contract).problems
  return problem === undefined ? undefined : { expected: 'the columns of the contract', got: `others: ${problem}` }
}

/** The name that each column of the contract is read from. */
export function namesRead(names: readonly string[], contract: ContractColumns): readonly (string | undefined)[] {
  if (contract === undefined) return []
  return matchColumns(names, contract).places.map((place) => (place === undefined ? undefined : names[place]))
}
