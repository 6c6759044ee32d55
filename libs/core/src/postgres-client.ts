import { createHash, timingSafeEqual } from 'node:crypto'
import type { Socket } from 'node:net'
import {
  errorResponse,
  MessageBuffer,
  passwordRequest,
  type StartupMessage,
  type WireError,
  type WireMessage,
} from './postgres-wire.ts'

/**
 * Milliseconds that a client may take to log in. Like PostgreSQL's `authentication_timeout`, but for clients on the
 * same machine.
 */
const LOGIN_TIMEOUT_MS = 15_000
/** Bytes of a password message. */
const LONGEST_PASSWORD = 10_000
/** Bytes that are read ahead while the client's earlier statements are executed. */
const READ_AHEAD = 1024 * 1024

export type Startup = Extract<StartupMessage, { kind: 'startup' }>

/** A client of a PostgreSQL server in this process: whole messages in, bytes out. */
export class PostgresClient {
  readonly #socket: Socket
  readonly #buffer = new MessageBuffer()
  readonly #gone = new AbortController()
  #wake = () => {}
  #hasEnded = false

  constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => {
      this.#buffer.add(chunk)
      if (this.#buffer.size > READ_AHEAD) socket.pause()
      this.#wake()
    })
    const end = () => {
      this.#hasEnded = true
      this.#gone.abort(new Error('the client has gone'))
      this.#wake()
    }
    socket.on('end', end)
    socket.on('close', end)
    // A client that disconnects is not an error; its conversation ends.
    socket.on('error', end)
  }

  /** Aborted when the client has disconnected: work for it need not be finished. */
  get gone(): AbortSignal {
    return this.#gone.signal
  }

  /**
   * @param longest maximum size in bytes
   * @returns undefined when the client has disconnected
   * @throws {RangeError} the client speaks another protocol
   */
  async nextMessage(longest?: number): Promise<WireMessage | undefined> {
    return await this.#next(() => this.#buffer.nextMessage(longest))
  }

  /**
   * Sends bytes. Resolves when the client can take more (backpressure).
   * @param limitMs milliseconds after which a client that reads nothing is disconnected
   */
  async send(bytes: Uint8Array, limitMs?: number): Promise<void> {
    const socket = this.#socket
    if (this.#hasEnded || socket.write(bytes)) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = limitMs === undefined ? undefined : setTimeout(() => socket.destroy(), limitMs)
    socket.once('drain', resolve)
    socket.once('close', resolve)
    await promise
    clearTimeout(timer)
    socket.off('drain', resolve)
    socket.off('close', resolve)
  }

  /** Ends the conversation with an error. */
  refuse(error: WireError): void {
    this.#socket.end(errorResponse('FATAL', error))
  }

  end(): void {
    this.#socket.end()
    // A client that does not hang up by itself is not waited for.
    setTimeout(() => this.#socket.destroy(), LOGIN_TIMEOUT_MS).unref()
  }

  /**
   * Authenticates the client with a password.
   * @param accounts passwords by user
   * @param cancel called when a client, on another connection, asks to cancel a statement
   * @returns undefined when authentication failed: the client was sent the reason
   */
  async logIn(
    accounts: ReadonlyMap<string, string>,
    databaseName: string,
    cancel: (processId: number, secret: number) => void = () => {},
  ): Promise<Startup | undefined> {
    const timer = setTimeout(() => this.#socket.destroy(), LOGIN_TIMEOUT_MS)
    try {
      return await this.#logIn(accounts, databaseName, cancel)
    } finally {
      clearTimeout(timer)
    }
  }

  async #logIn(
    accounts: ReadonlyMap<string, string>,
    databaseName: string,
    cancel: (processId: number, secret: number) => void,
  ): Promise<Startup | undefined> {
    let startup = await this.#next(() => this.#buffer.nextStartup())
    for (let asked = 0; startup?.kind === 'encryption-request' && asked < 2; asked += 1) {
      await this.send(Buffer.from('N'))
      startup = await this.#next(() => this.#buffer.nextStartup())
    }
    if (startup?.kind === 'cancel') {
      cancel(startup.processId, startup.secret)
      this.end()
      return undefined
    }
    if (startup?.kind !== 'startup') {
      this.refuse({ code: '08P01', message: 'expected a client that speaks the PostgreSQL protocol, version 3' })
      return undefined
    }
    await this.send(passwordRequest())
    const answer = await this.nextMessage(LONGEST_PASSWORD)
    if (answer?.type !== 'p') {
      this.end()
      return undefined
    }
    const user = startup.parameters.get('user') ?? ''
    const expected = accounts.get(user)
    const given = answer.body.toString('utf8').replace(/\0$/, '')
    if (!isSame(given, expected ?? '') || expected === undefined) {
      this.refuse({ code: '28P01', message: `password authentication failed for user "${user}"` })
      return undefined
    }
    const database = startup.parameters.get('database') ?? user
    if (database !== databaseName) {
      this.refuse({
        code: '3D000',
        message: `database "${database}" does not exist`,
        hint: `The database is called "${databaseName}".`,
      })
      return undefined
    }
    return startup
  }

  async #next<Message>(read: () => Message | undefined): Promise<Message | undefined> {
    for (;;) {
      const message = read()
      if (message !== undefined) return message
      if (this.#hasEnded) return undefined
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#wake = resolve
      this.#socket.resume()
      await promise
    }
  }
}

function isSame(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(expected))
}
