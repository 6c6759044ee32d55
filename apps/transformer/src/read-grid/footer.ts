import type { FileReading } from '@cinelake/pipeline'

/** Records after which one that looks like the begin of a footer is a row after all: they are kept in memory. */
const LONGEST_FOOTER = 1000

/** Holds back rows that may be the footer of a file: so many at its end, or those that begin with a word. */
export class Footer<Row> {
  readonly #declared: FileReading['footer']
  readonly #firstText: (row: Row) => string
  #held: Row[] = []

  constructor(declared: FileReading['footer'], firstText: (row: Row) => string) {
    this.#declared = declared
    this.#firstText = firstText
  }

  /** At the end of the file: the rows of its footer. */
  get heldCount(): number {
    return this.#held.length
  }

  /** The rows that are none of the footer, now that another one has come. */
  after(row: Row): Row[] {
    const declared = this.#declared
    if (declared === undefined) return [row]
    if (typeof declared !== 'number' && !this.#begins(row, declared)) return [...this.#held.splice(0), row]
    this.#held.push(row)
    return this.#held.splice(0, this.#held.length - (typeof declared === 'number' ? declared : LONGEST_FOOTER))
  }

  #begins(row: Row, words: readonly string[]): boolean {
    const text = this.#firstText(row)
    return words.some((begin) => text.startsWith(begin) && !/^[\p{L}\p{N}]/u.test(text.slice(begin.length)))
  }
}
