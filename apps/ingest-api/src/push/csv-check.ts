import { MAX_RECORD_BYTES, MarkSkipper, type BodyCheck } from './body-check.ts'
import { PushBodyError, PushTooLargeError } from './push-errors.ts'

const QUOTE = 0x22
const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d
/** In order of preference. */
const DELIMITERS = [0x2c, 0x3b, 0x09, 0x7c]

/**
 * Counts the rows of a CSV body and the cells in each: RFC 4180 with any line end, and any of the usual delimiters, which
 * is the one that the first row has most of. Empty lines are none.
 */
export function createCsvCheck(): BodyCheck {
  const mark = new MarkSkipper()
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const rows = new RowCounter()
  const decode = (bytes: Uint8Array, stream: boolean) => {
    try {
      decoder.decode(bytes, { stream })
    } catch {
      throw new PushBodyError(rows.where, 'UTF-8', 'bytes that are something else')
    }
  }
  return {
    get rowCount() {
      return Math.max(0, rows.count - 1)
    },
    push(chunk) {
      const bytes = mark.skip(chunk)
      rows.scan(bytes)
      decode(bytes, true)
    },
    end() {
      rows.end()
      decode(new Uint8Array(0), false)
      if (rows.count === 0) throw new PushBodyError('the body', 'a first row with the names of the columns', 'nothing')
    },
  }
}

type Place = 'start-of-cell' | 'plain' | 'quoted' | 'behind-quote'

class RowCounter {
  /** The first row, which names the columns, among them. */
  count = 0
  #line = 1
  #place: Place = 'start-of-cell'
  #length = 0
  #wasReturn = false
  /** Of each delimiter in the row, as long as it is the first. */
  #found = DELIMITERS.map(() => 0)
  #delimiter: number | undefined
  #cells = 1
  #width = 0

  get where(): string {
    return `line ${this.#line}`
  }

  scan(bytes: Uint8Array): void {
    for (const byte of bytes) this.#step(byte)
  }

  end(): void {
    if (this.#place === 'quoted') throw new PushBodyError(this.where, 'the end of a quoted cell', 'the end of the body')
    if (this.#length > 0) this.#endRow()
  }

  #step(byte: number): void {
    const isLineEnd = byte === LINE_FEED || byte === CARRIAGE_RETURN
    if (isLineEnd && !(byte === LINE_FEED && this.#wasReturn)) {
      if (this.#place !== 'quoted' && this.#length > 0) this.#endRow()
      this.#line++
    }
    this.#wasReturn = byte === CARRIAGE_RETURN
    if (isLineEnd && this.#place !== 'quoted') return
    if (++this.#length > MAX_RECORD_BYTES) throw new PushTooLargeError(`records (${this.where})`, MAX_RECORD_BYTES)
    if (byte === 0) throw new PushBodyError(this.where, 'text', 'a byte that is none')
    this.#place = this.#after(byte)
  }

  #after(byte: number): Place {
    if (this.#place === 'quoted') return byte === QUOTE ? 'behind-quote' : 'quoted'
    if (this.#isDelimiter(byte)) return 'start-of-cell'
    if (this.#place === 'behind-quote') {
      if (byte === QUOTE) return 'quoted'
      // Which delimiter it is, is not known before the first row ends.
      if (this.#delimiter === undefined) return 'plain'
      throw new PushBodyError(this.where, 'a delimiter behind a quoted cell', 'something else')
    }
    return byte === QUOTE && this.#place === 'start-of-cell' ? 'quoted' : 'plain'
  }

  #isDelimiter(byte: number): boolean {
    if (this.#delimiter !== undefined) {
      if (byte !== this.#delimiter) return false
      this.#cells++
      return true
    }
    const index = DELIMITERS.indexOf(byte)
    if (index < 0) return false
    this.#found[index] = (this.#found[index] ?? 0) + 1
    return true
  }

  #endRow(): void {
    if (this.#delimiter === undefined) {
      const most = Math.max(...this.#found)
      this.#delimiter = DELIMITERS[this.#found.indexOf(most)] ?? 0x2c
      this.#width = most + 1
    } else if (this.#cells !== this.#width) {
      throw new PushBodyError(this.where, `${this.#width} cells, as the first row has`, `${this.#cells}`)
    }
    this.count++
    this.#cells = 1
    this.#length = 0
    this.#place = 'start-of-cell'
  }
}
