import { once } from 'node:events'
import type pg from 'pg'

/** Milliseconds that the server may take to accept what was sent; then the connection is considered broken. */
const STALL_TIMEOUT_MS = 120_000

/**
 * Streams text into `COPY … FROM STDIN`, as fast as the server takes it.
 *
 * The driver has no COPY of its own. `pg-copy-streams` has one, but as a Writable that waits for the server's answer
 * when it is destroyed: on a connection that was cut there is none, and the load would hang.
 *
 * @returns rows that the server took
 * @throws what the source of the text throws; what the server says; an Error when the connection is lost
 */
export async function copyIn(client: pg.Client, sql: string, text: AsyncIterable<string>): Promise<number> {
  const copy = client.query(new CopyIn(sql))
  const { stream } = await copy.started
  try {
    for await (const piece of text) {
      if (copy.isOver) break
      if (!stream.write(dataMessage(piece))) await drained(stream, copy)
    }
  } catch (error) {
    if (!copy.isOver) stream.write(failMessage('the source of the rows failed'))
    await copy.done.catch(() => {})
    throw error
  }
  if (!copy.isOver) stream.write(DONE_MESSAGE)
  return await copy.done
}

/** One COPY as the driver hands it through the protocol. States: asked → started → over. */
class CopyIn implements pg.Submittable {
  readonly #sql: string
  readonly #started = Promise.withResolvers<pg.Connection>()
  readonly #done = Promise.withResolvers<number>()
  #rowCount = 0
  isOver = false

  constructor(sql: string) {
    this.#sql = sql
    // Each is waited for at its time; a fault that comes earlier is not lost.
    this.#started.promise.catch(() => {})
    this.#done.promise.catch(() => {})
  }

  get started(): Promise<pg.Connection> {
    return this.#started.promise
  }

  get done(): Promise<number> {
    return this.#done.promise
  }

  // What follows is called by the driver.

  submit(connection: pg.Connection): void {
    connection.query(this.#sql)
  }

  handleCopyInResponse(connection: pg.Connection): void {
    this.#started.resolve(connection)
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    this.#rowCount = Number(/^COPY (\d+)/.exec(text)?.[1] ?? 0)
  }

  handleReadyForQuery(): void {
    this.isOver = true
    this.#done.resolve(this.#rowCount)
  }

  handleError(error: Error): void {
    this.isOver = true
    this.#started.reject(error)
    this.#done.reject(error)
  }
}

/** Resolves when the connection takes more, or the COPY is over: then nothing more is taken. */
async function drained(stream: pg.Connection['stream'], copy: CopyIn): Promise<void> {
  const waiting = new AbortController()
  const stalled = setTimeout(() => {
    stream.destroy(new Error(`the server took nothing for ${STALL_TIMEOUT_MS / 1000} s`))
  }, STALL_TIMEOUT_MS)
  try {
    await Promise.race([once(stream, 'drain', { signal: waiting.signal }), copy.done])
  } finally {
    clearTimeout(stalled)
    waiting.abort()
  }
}

// Messages: a letter, the length without it, the content. Source:
// postgresql.org/docs/current/protocol-message-formats.html

const DONE_MESSAGE = Buffer.from([0x63, 0, 0, 0, 4])

function dataMessage(text: string): Buffer {
  const size = Buffer.byteLength(text)
  const message = Buffer.allocUnsafe(5 + size)
  message[0] = 0x64
  message.writeUInt32BE(4 + size, 1)
  message.write(text, 5)
  return message
}

function failMessage(reason: string): Buffer {
  const message = Buffer.from(`f0000${reason}\0`)
  message.writeUInt32BE(message.length - 1, 1)
  return message
}
