import type { SourceRow } from '../source-database.ts'

const MI = 1024 * 1024

/** Rows of a vector of the engine. Source: duckdb.org/docs/stable/internals/vector */
const VECTOR = 2048
/** Rows of a Parquet row group. Source: duckdb.org/docs/stable/data/parquet/tips */
const GROUP = 60 * VECTOR

export type PartLimits = { readonly rows: number; readonly characters: number; readonly vectorCharacters: number }

/**
 * The content of one Parquet file: enough for readers to work in parallel, small enough for the engine, which needs up
 * to four times as much memory while it writes a row group.
 */
export const LIMITS: PartLimits = { rows: 1_000_000, characters: 16 * MI, vectorCharacters: 16 * MI }

/**
 * What stands before a text that is not Unicode, once it is escaped. A text of the source that begins like this is
 * taken for one as well, and so rejected, never changed: U+FDD0 is no character.
 */
export const NOT_UNICODE = '\u{FDD0}not-unicode:'

/** Half of a surrogate pair has no UTF-8: `\uD800`. */
function escaped(text: string): string {
  const halves = text.replaceAll(/\p{Cs}/gu, (half) => `\\u${half.charCodeAt(0).toString(16).toUpperCase()}`)
  return `${NOT_UNICODE}${halves}`
}

/** A stream of rows, independent of the batches in which they come. */
export class RowSource {
  readonly #batches: AsyncIterator<readonly SourceRow[]>
  #left: readonly SourceRow[] = []
  #isOver = false

  constructor(rows: AsyncIterable<readonly SourceRow[]>) {
    this.#batches = rows[Symbol.asyncIterator]()
  }

  /** Whether all rows were read, as far as is known. */
  get isAtEnd(): boolean {
    return this.#isOver && this.#left.length === 0
  }

  async next(): Promise<readonly SourceRow[] | undefined> {
    if (this.#left.length > 0) {
      const left = this.#left
      this.#left = []
      return left
    }
    const { done, value } = this.#isOver ? { done: true, value: undefined } : await this.#batches.next()
    this.#isOver = done === true
    return done === true ? undefined : value
  }

  giveBack(rows: readonly SourceRow[]): void {
    this.#left = rows
  }

  async close(): Promise<void> {
    await this.#batches.return?.(undefined)
  }
}

/** The rows of one file, up to its maximum size. The end of a file depends on the rows only. */
export class PartOfRows {
  readonly #source: RowSource
  readonly #limits: PartLimits
  readonly #report: (rowCount: number) => void
  #characters = 0
  #vectorCharacters = 0
  rowCount = 0
  /** Indexes of the columns with texts that are not Unicode: in the batches they are escaped, after {@link NOT_UNICODE}. */
  readonly notUnicode = new Set<number>()

  /** @param report is called with the number of rows so far */
  constructor(source: RowSource, limits: PartLimits, report: (rowCount: number) => void) {
    this.#source = source
    this.#limits = limits
    this.#report = report
  }

  /** The rows of each vector within the file: limited by characters as well. */
  get rowsPerGroup(): number {
    const each = this.#characters / Math.max(this.rowCount, 1)
    const vectors = Math.floor(this.#limits.vectorCharacters / Math.max(each, 1) / VECTOR)
    return Math.min(GROUP, Math.max(1, vectors) * VECTOR)
  }

  async *batches(): AsyncGenerator<readonly SourceRow[]> {
    while (!this.#isFull()) {
      const batch = await this.#source.next()
      if (batch === undefined) return
      let taken = 0
      let broken: number[] | undefined
      while (taken < batch.length && !this.#isFull()) {
        if (!this.#add(batch[taken] ?? [])) (broken ??= []).push(taken)
        taken += 1
      }
      if (taken < batch.length) this.#source.giveBack(batch.slice(taken))
      const rows = taken < batch.length ? batch.slice(0, taken) : batch
      yield broken === undefined ? rows : this.#escape(rows, broken)
      this.#report(this.rowCount)
    }
  }

  /** @returns whether all of its texts are Unicode */
  #add(row: SourceRow): boolean {
    if (this.rowCount % VECTOR === 0) this.#vectorCharacters = 0
    let characters = 0
    let isUnicode = true
    for (const value of row) {
      if (value === null) continue
      characters += value.length
      isUnicode &&= value.isWellFormed()
    }
    this.rowCount += 1
    this.#characters += characters
    this.#vectorCharacters += characters
    return isUnicode
  }

  #escape(rows: readonly SourceRow[], broken: readonly number[]): readonly SourceRow[] {
    const copy = [...rows]
    for (const index of broken) {
      copy[index] = (rows[index] ?? []).map((value, column) => {
        if (value === null || value.isWellFormed()) return value
        this.notUnicode.add(column)
        return escaped(value)
      })
    }
    return copy
  }

  #isFull(): boolean {
    const { rows, characters, vectorCharacters } = this.#limits
    return this.rowCount >= rows || this.#characters >= characters || this.#vectorCharacters >= vectorCharacters
  }
}
