import { type CsvDialect, isUsual, type RecordShape, type RecordSink, splitFields } from '@cinelake/csv'
import type { FileReading } from '@cinelake/pipeline'

/** Records after which one that looks like the begin of a footer is a row after all: they are kept in memory. */
const LONGEST_FOOTER = 1000

/** Whether a file is declared to have something that the engine's reader does not know. */
export function needsCopy({ delimiter = ',', quote = '"', escape, ...reading }: FileReading): boolean {
  const { comment, footer, blankRows, missingCells } = reading
  const isPlain = comment === undefined && footer === undefined && blankRows !== 'skip' && missingCells !== 'empty'
  return !isPlain || !isUsual({ delimiter, quote, escape })
}

/**
 * Passes on the records that are rows by what is declared: not blank ones, not those of the footer. What is left out
 * counts as an empty line, so that line numbers stay those of the file.
 */
export class DeclaredRows {
  readonly #sink: RecordSink
  readonly #dialect: CsvDialect
  readonly #footer: FileReading['footer']
  readonly #skipsBlank: boolean
  /** What may be the footer: records, and empty lines between them. */
  #held: { readonly shape: RecordShape; readonly record: Uint8Array; readonly lineCount: number }[] = []
  #heldRecords = 0

  constructor(dialect: CsvDialect, { footer, blankRows }: Pick<FileReading, 'footer' | 'blankRows'>, sink: RecordSink) {
    this.#sink = sink
    this.#dialect = dialect
    this.#footer = footer
    this.#skipsBlank = blankRows === 'skip'
  }

  /** At the end of the file: the records of its footer. */
  get footerCount(): number {
    return this.#heldRecords
  }

  readonly sink: RecordSink = (found, bytes, start, end, lineCount) => {
    const isBlank = found === 'blank' || (this.#skipsBlank && this.#isWithoutText(bytes.subarray(start, end)))
    const shape = isBlank ? 'blank' : found
    if (this.#footer === undefined) return this.#sink(shape, bytes, start, end, lineCount)
    if (!isBlank && typeof this.#footer !== 'number' && !this.#isFooter(bytes.subarray(start, end), this.#footer)) {
      this.#release(0)
      return this.#sink(shape, bytes, start, end, lineCount)
    }
    if (isBlank && this.#held.length === 0) return this.#sink(shape, bytes, start, end, lineCount)
    this.#held.push({ shape, record: Uint8Array.from(bytes.subarray(start, end)), lineCount })
    if (!isBlank) this.#heldRecords++
    this.#release(typeof this.#footer === 'number' ? this.#footer : LONGEST_FOOTER)
  }

  /** Passes on the first of those that are held, until at most so many records are. */
  #release(most: number): void {
    while (this.#heldRecords > most || (this.#heldRecords === 0 && this.#held.length > 0)) {
      const first = this.#held.shift()
      if (first === undefined) return
      if (first.shape !== 'blank') this.#heldRecords--
      this.#sink(first.shape, first.record, 0, first.record.length, first.lineCount)
    }
  }

  #isFooter(record: Uint8Array, texts: readonly string[]): boolean {
    const [first = ''] = splitFields(record, this.#dialect)
    const text = first.trim()
    return texts.some((begin) => text.startsWith(begin) && !/^[\p{L}\p{N}]/u.test(text.slice(begin.length)))
  }

  #isWithoutText(record: Uint8Array): boolean {
    return !record.some(isLetter) && splitFields(record, this.#dialect).every((field) => field.trim() === '')
  }
}

/** A letter or digit of ASCII, or a byte of any other character: the quick answer for nearly all rows. */
function isLetter(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a)
}
