import { CR, LF, SPACE } from './dialect.ts'
import { csvCells } from './record.ts'

const QUOTE = 0x22
const COMMA = 0x2c

/** Characters from which on a native copy is faster than a loop. */
const LONG = 256

/** Bytes up to which a loop is faster than a native copy. */
const SHORT = 64

/** Bytes of UTF-8 that a character of JavaScript may take. */
const MAX_BYTES_PER_CHARACTER = 3

/** Rows in the syntax that Cinelake writes, as bytes in one growing buffer that is used again. */
export class RowBuffer {
  #bytes: Buffer
  #length = 0
  readonly #usualBytes: number

  /** @param usualBytes what it usually holds; a larger buffer is given back when it is cleared */
  constructor(usualBytes: number) {
    this.#usualBytes = usualBytes
    this.#bytes = Buffer.allocUnsafe(usualBytes)
  }

  get length(): number {
    return this.#length
  }

  /** The rows; valid until the next call. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  clear(): void {
    this.truncate(0)
    if (this.#bytes.length > 2 * this.#usualBytes) this.#bytes = Buffer.allocUnsafe(this.#usualBytes)
  }

  /** Removes what was added after a length. */
  truncate(length: number): void {
    this.#length = length
  }

  /** Adds what `csvCells` makes of the cells, and a line end. Lone surrogates are replaced. */
  add(cells: readonly (string | null | undefined)[]): void {
    for (let index = 0; index < cells.length; index += 1) this.addCell(index === 0, cells[index])
    this.endRow()
  }

  /**
   * Adds the next cell of a row, from bytes of UTF-8 that are not empty and have no quote, line break or blank at their edges.
   * @param hasComma whether they have a comma
   */
  addBytes(isFirst: boolean, source: Buffer, start: number, end: number, hasComma: boolean): void {
    this.#reserve(end - start + 3)
    const bytes = this.#bytes
    let at = this.#length
    if (!isFirst) bytes[at++] = COMMA
    if (hasComma) bytes[at++] = QUOTE
    if (end - start > SHORT) {
      source.copy(bytes, at, start, end)
      at += end - start
    } else {
      for (let from = start; from < end; from += 1) bytes[at++] = source[from] ?? 0
    }
    if (hasComma) bytes[at++] = QUOTE
    this.#length = at
  }

  /** Adds the next cell of a row. */
  addCell(isFirst: boolean, cell: string | null | undefined): void {
    const length = typeof cell === 'string' ? cell.length : 0
    this.#reserve(length * MAX_BYTES_PER_CHARACTER + 2)
    if (!isFirst) this.#bytes[this.#length++] = COMMA
    if (typeof cell !== 'string') return
    const end = length > LONG ? -1 : plainCell(cell, this.#bytes, this.#length)
    if (end === -1) this.#addSlowly(cell)
    else this.#length = end
  }

  /** Ends a row. */
  endRow(): void {
    this.#reserve(1)
    this.#bytes[this.#length++] = LF
  }

  #addSlowly(text: string): void {
    const cell = csvCells([text])
    this.#reserve(cell.length * MAX_BYTES_PER_CHARACTER)
    this.#length += this.#bytes.write(cell, this.#length)
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + count))
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
  }
}

/**
 * Writes a text that needs no quotes, and whose characters have at most two bytes.
 * @returns where it ends; -1 for any other text
 */
function plainCell(text: string, bytes: Uint8Array, start: number): number {
  const { length } = text
  if (length === 0 || mayBeBlank(text.charCodeAt(0)) || mayBeBlank(text.charCodeAt(length - 1))) return -1
  let at = start
  for (let index = 0; index < length; index += 1) {
    const code = text.charCodeAt(index)
    if (code > COMMA && code < 0x80) {
      bytes[at++] = code
    } else if (code >= 0x800 || code === COMMA || code === QUOTE || code === LF || code === CR) {
      return -1
    } else if (code < 0x80) {
      bytes[at++] = code
    } else {
      bytes[at++] = 0xc0 | (code >> 6)
      bytes[at++] = 0x80 | (code & 0x3f)
    }
  }
  return at
}

/** Whether a character may be a blank, for which a cell is quoted at its edges. */
function mayBeBlank(code: number): boolean {
  return code <= SPACE || code === 0xa0 || code >= 0x1680
}
