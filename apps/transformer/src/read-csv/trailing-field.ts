import { type CsvDialect, type CsvHead, RecordScanner, type RecordSink, splitFields } from '@cinelake/csv'

/** Bytes of a file in memory that are looked at before the next ones are. */
const STEP_BYTES = 16 * 1024

/** Finds out whether every row of a file has one field more than the header, without text: a delimiter at its end. */
export class TrailingField {
  readonly #dialect: CsvDialect
  readonly #fieldCount: number
  #count = 0
  #isInAll = true

  /** @param fieldCount of the header */
  constructor(dialect: CsvDialect, fieldCount: number) {
    this.#dialect = dialect
    this.#fieldCount = fieldCount
  }

  get isInEveryRow(): boolean {
    return this.#isInAll && this.#count > 0
  }

  /** False from the first row on that has no such field. */
  get mayBeInEveryRow(): boolean {
    return this.#isInAll
  }

  /** To be called for each row. */
  readonly see: RecordSink = (shape, bytes, start, end) => {
    if (!this.#isInAll || shape === 'blank') return
    const fields = shape === 'misshapen' ? splitFields(bytes.subarray(start, end), this.#dialect) : []
    this.#isInAll = fields.length === this.#fieldCount + 1 && fields.at(-1) === ''
    this.#count++
  }
}

/** Looks at a file in memory, mostly only at its first rows. @param text including the header */
export function hasTrailingFields({ dialect, fieldCount, headerLength }: CsvHead, text: Uint8Array): boolean {
  const trailing = new TrailingField(dialect, fieldCount)
  const scanner = new RecordScanner({ dialect, fieldCount, sink: trailing.see })
  let from = headerLength
  for (let to = from; to < text.length && trailing.mayBeInEveryRow;) {
    to = Math.min(text.length, to + STEP_BYTES)
    from = scanner.scan(text, from, to, 0, to === text.length)
  }
  return trailing.isInEveryRow
}
