import type { SourceRow } from '../source-database.ts'

const MI = 1024 * 1024

/** Rows. What the engine works on at a time. Source: duckdb.org/docs/stable/internals/vector */
const VECTOR = 2048
/** Rows of a Parquet row group. Source: duckdb.org/docs/stable/data/parquet/tips */
const GROUP = 60 * VECTOR

export type PartLimits = { readonly rows: number; readonly characters: number; readonly vectorCharacters: number }

/**
 * What goes into one Parquet file: enough for readers to work in parallel, little enough for the engine, which takes up
 * to four times as much while it writes a row group.
 */
export const LIMITS: PartLimits = { rows: 1_000_000, characters: 64 * MI, vectorCharacters: 16 * MI }

/** Rows one after the other, whatever the batches in which they come. */
export class RowSource {
  readonly #batches: AsyncIterator<readonly SourceRow[]>
  #left: readonly SourceRow[] = []
  #isOver = false

  constructor(rows: AsyncIterable<readonly SourceRow[]>) {
    this.#batches = rows[Symbol.asyncIterator]()
  }

  /** Whether all rows were taken, as far as is known. */
  get isAtEnd(): boolean {
    return this.#isOver && this.#left.length === 0
  }

  /** The next rows; undefined where there are none left. */
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

  /** Gives rows back that are to be the next ones. */
  giveBack(rows: readonly SourceRow[]): void {
    this.#left = rows
  }

  async close(): Promise<void> {
    await this.#batches.return?.(undefined)
  }
}

/** The rows that go into one file: as many as it takes. Where it ends depends on the rows alone. */
export class PartOfRows {
  readonly #source: RowSource
  readonly #limits: PartLimits
  readonly #report: (rowCount: number) => void
  #characters = 0
  #vectorCharacters = 0
  rowCount = 0

  /** @param report is told how many rows there are so far */
  constructor(source: RowSource, limits: PartLimits, report: (rowCount: number) => void) {
    this.#source = source
    this.#limits = limits
    this.#report = report
  }

  /** The rows of each group within the file: about as many characters as a vector may have. */
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
      while (taken < batch.length && !this.#isFull()) this.#add(batch[taken++] ?? [])
      if (taken < batch.length) this.#source.giveBack(batch.slice(taken))
      yield taken < batch.length ? batch.slice(0, taken) : batch
      this.#report(this.rowCount)
    }
  }

  #add(row: SourceRow): void {
    if (this.rowCount % VECTOR === 0) this.#vectorCharacters = 0
    let characters = 0
    for (const value of row) characters += value?.length ?? 0
    this.rowCount += 1
    this.#characters += characters
    this.#vectorCharacters += characters
  }

  #isFull(): boolean {
    const { rows, characters, vectorCharacters } = this.#limits
    return this.rowCount >= rows || this.#characters >= characters || this.#vectorCharacters >= vectorCharacters
  }
}
