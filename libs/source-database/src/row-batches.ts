import type { SourceRow } from './source-database.ts'

/** Characters of values per batch: little enough to be gone before they count as old. The server sends on meanwhile. */
const BATCH_CHARACTERS = 512 * 1024
/** What a row takes besides its characters. */
const ROW_WEIGHT = 64
/** Times that are looked whether the server still sends, within the time that it has. */
const LOOKS = 4

type Flow = {
  /** Tells the server to wait. What is on its way already still comes. */
  readonly pause: () => void
  readonly resume: () => void
  /** Ends the connection; the driver then fails the query. */
  readonly abandon: () => void
  /** Milliseconds without a sign of life, while rows are waited for. */
  readonly timeoutMs: number
  /** Grows with what the server sends; without it, rows alone are signs of life. */
  readonly received?: () => number
}

/**
 * Rows that a driver pushes, as batches that a reader pulls. While a batch's worth waits the server waits as well, so
 * that what is held is bounded by size however wide rows become, and rows come while the reader works on those before.
 */
export class RowBatches {
  readonly #flow: Flow
  #rows: SourceRow[] = []
  #weight = 0
  #pushed = 0
  #isPaused = false
  #end: { readonly error?: unknown } | undefined
  #wake = () => {}
  #watch: NodeJS.Timeout | undefined

  constructor(flow: Flow) {
    this.#flow = flow
    this.#startWatch()
  }

  push(row: SourceRow): void {
    this.#rows.push(row)
    this.#pushed += 1
    this.#weight += ROW_WEIGHT
    for (const value of row) this.#weight += value?.length ?? 0
    if (this.#weight < BATCH_CHARACTERS || this.#isPaused) return
    this.#isPaused = true
    this.#flow.pause()
    this.#wake()
  }

  /** There are no more rows: all were pushed, or something went wrong. */
  end(error?: unknown): void {
    this.#end ??= error === undefined || error === null ? {} : { error }
    clearInterval(this.#watch)
    this.#wake()
  }

  /** Leaving before the end ends the connection: what the server still sends has nowhere to go. */
  async *batches(): AsyncGenerator<readonly SourceRow[]> {
    try {
      for (;;) {
        while (!this.#isPaused && this.#end === undefined) {
          await new Promise<void>((resolve) => (this.#wake = resolve))
        }
        if (this.#end !== undefined && 'error' in this.#end) throw this.#end.error
        if (this.#rows.length > 0) yield this.#take()
        else if (this.#end !== undefined) return
      }
    } finally {
      clearInterval(this.#watch)
      if (this.#end === undefined) this.#flow.abandon()
    }
  }

  #take(): readonly SourceRow[] {
    const rows = this.#rows
    this.#rows = []
    this.#weight = 0
    if (this.#isPaused) {
      this.#isPaused = false
      this.#flow.resume()
    }
    return rows
  }

  /** A connection of which the other side is gone without a word stays open for ever. */
  #startWatch(): void {
    const { timeoutMs, received = () => 0, abandon } = this.#flow
    let quiet = 0
    let last = ''
    this.#watch = setInterval(() => {
      const now = `${this.#pushed} ${received()}`
      quiet = now === last && !this.#isPaused ? quiet + 1 : 0
      last = now
      if (quiet < LOOKS) return
      abandon()
      this.end(new Error('Connection terminated: timeout, the server has stopped sending'))
    }, timeoutMs / LOOKS)
    this.#watch.unref()
  }
}

/** Waits for an answer, and ends the connection when there is none in time: the driver then fails what was asked. */
export async function answeredWithin<T>(timeoutMs: number, abandon: () => void, ask: () => Promise<T>): Promise<T> {
  const silent = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    abandon()
    silent.reject(new Error('Connection terminated: timeout, the server does not answer'))
  }, timeoutMs)
  timer.unref()
  try {
    return await Promise.race([ask(), silent.promise])
  } finally {
    clearTimeout(timer)
  }
}
