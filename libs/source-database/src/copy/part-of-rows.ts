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
