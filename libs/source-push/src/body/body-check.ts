import { MAX_RECORD_BYTES, type CsvColumn } from '@cinelake/csv'
import { PushTooLargeError } from '../errors.ts'

/**
 * Looks at a body as it passes by. No more of it than one record is held in memory at a time.
 * @throws {PushBodyError} terminal: says where, never what
 * @throws {PushTooLargeError} terminal: a record
 */
export interface BodyReader {
  /** Records so far. */
  readonly rowCount: number
  push(chunk: Uint8Array): void
  /** To be called when all have come. */
  end(): void
}

/** Looks at whether a body can be landed, and finds out what its rows are like. */
export interface BodyCheck extends BodyReader {
  /** Of the rows, once all have come. */
  readonly shape: RowShape
}

/** The columns of the contract that a dataset's rows are read by; undefined where the pipeline has none for it. */
export type ContractColumns = readonly CsvColumn[] | undefined

/** What is known of the rows of a push besides themselves. */
export type RowShape = {
  /** Names of the columns in order. */
  readonly columns: readonly string[]
  /** In the file that they land in. */
  readonly delimiter: string
}

/**
 * Takes each record's text as it is found.
 * @param where for people: `record 3`, `line 7`
 */
export type OnRecord = (text: string, where: string) => void

/** The bytes of a record, gathered from the chunks that it lies across. */
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
    // A copy: the chunk may be written over when its turn is over.
    this.#parts.push(Uint8Array.from(part))
  }

  /** All of them with the last part, which need not be copied. */
  take(last: Uint8Array, where: string): Uint8Array {
    if (this.#length === 0 && last.length <= MAX_RECORD_BYTES) return last
    this.add(last, where)
    const bytes = Buffer.concat(this.#parts)
    this.#parts = []
    this.#length = 0
    return bytes
  }
}

/** Takes the byte order mark of UTF-8 off the first chunks. */
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
