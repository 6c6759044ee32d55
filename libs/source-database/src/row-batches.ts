import { createHash } from 'node:crypto'
import { databaseSourceErrors, type DatabaseLocation } from './errors.ts'
import type { SourceRow, SourceTable } from './source-database.ts'

/** Characters of values per batch: small enough to be garbage-collected young. The server continues to send meanwhile. */
const BATCH_CHARACTERS = 512 * 1024
/** Memory of a row apart from its characters. */
const ROW_WEIGHT = 64
/** Checks for received data per timeout period. */
const LOOKS = 4

type Flow = {
  /** Stops the server from sending. Data that is already in transit still arrives. */
  readonly pause: () => void
  readonly resume: () => void
  /** Closes the connection; the driver then fails the query. */
  readonly abandon: () => void
  /** Idle timeout in milliseconds while waiting for rows. */
  readonly timeoutMs: number
  /** A counter that grows with data received; if absent, only rows reset the timeout. */
  readonly received?: () => number
}

/**
 * Rows that a driver pushes as batches that a reader pulls. While a full batch waits, the server is paused: memory is
 * bounded however wide rows are.
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

  /** The end of the rows: all were pushed, or an error occurred. */
  end(error?: unknown): void {
    this.#end ??= error === undefined || error === null ? {} : { error }
    clearInterval(this.#watch)
    this.#wake()
  }

  /** Stopping early closes the connection: there is no other way to discard the remaining rows. */
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

  /** A connection whose peer disappeared silently stays open forever. */
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

/** The encoding that the database uses for text in a digest. */
export type DigestEncoding = 'utf8' | 'utf16le'

/** SHA-256 in hex of the values, each as its number of bytes, a colon and its bytes; `~` for NULL. */
export function rowDigest(row: SourceRow, encoding: DigestEncoding): string {
  const parts = row.map((value) => (value === null ? '~' : `${Buffer.byteLength(value, encoding)}:${value}`))
  return createHash('sha256')
    .update(Buffer.from(parts.join(''), encoding))
    .digest('hex')
}

/** Compares rows with the digests that come as their last values, and removes these. @throws {DATABASE_ROW_CHANGED} */
export async function* withoutDigests(
  batches: AsyncIterable<readonly SourceRow[]>,
  encoding: DigestEncoding,
  about: { readonly place: DatabaseLocation; readonly table: SourceTable },
): AsyncGenerator<readonly SourceRow[]> {
  for await (const batch of batches) {
    yield batch.map((row) => {
      const values = row.slice(0, -1)
      if (rowDigest(values, encoding) !== row.at(-1))
        throw databaseSourceErrors.DATABASE_ROW_CHANGED(about.place, about.table.table)
      return values
    })
  }
}
