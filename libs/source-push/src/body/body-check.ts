import { MAX_RECORD_BYTES, type CsvColumn } from '@cinelake/csv'
import { PushTooLargeError } from '../errors.ts'

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
