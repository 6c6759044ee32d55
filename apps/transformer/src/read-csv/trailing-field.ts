import { type CsvDialect, type RecordSink, splitFields } from '@cinelake/csv'

/** Finds out whether every row of a file ends with a delimiter that its header does not have: the last field is none. */
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

  /** To be called for each row, until one has no such field. */
  readonly see: RecordSink = (shape, bytes, start, end) => {
    if (!this.#isInAll || shape === 'blank') return
    const fields = shape === 'misshapen' ? splitFields(bytes.subarray(start, end), this.#dialect) : []
    this.#isInAll = fields.length === this.#fieldCount + 1 && fields.at(-1) === ''
    this.#count++
  }
}
