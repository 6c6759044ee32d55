import { createHash, timingSafeEqual } from 'node:crypto'
import type { Socket } from 'node:net'

/**
 * The parts of the PostgreSQL protocol, version 3, that an in-process server needs: parsing client messages, and
 * writing its own answers. Used where an embedded database is served to other processes. Source:
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 */

const SSL_REQUEST = 80_877_103
const GSS_REQUEST = 80_877_104
const CANCEL_REQUEST = 80_877_102
const PROTOCOL_3_0 = 196_608
/** Bytes. PostgreSQL's own limit for a start-up packet (MAX_STARTUP_PACKET_LENGTH). */
const LONGEST_STARTUP = 10_000
/** Bytes. Longer than any statement that a user or a tool writes. */
const LONGEST_MESSAGE = 64 * 1024 * 1024

type StartupMessage =
  | { readonly kind: 'encryption-request' }
  | { readonly kind: 'startup'; readonly bytes: Buffer; readonly parameters: ReadonlyMap<string, string> }
  | { readonly kind: 'cancel'; readonly processId: number; readonly secret: number }
  | { readonly kind: 'other' }

/** A message of either side: its type, and its bytes with and without the header. */
export type WireMessage = { readonly type: string; readonly bytes: Buffer; readonly body: Buffer }

/** Assembles whole messages from bytes as they arrive. */
export class MessageBuffer {
  #chunks: Buffer[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  add(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#size += chunk.length
  }

  /** The next message before authentication, which has no type byte; undefined until it is complete. */
  nextStartup(): StartupMessage | undefined {
    const head = this.#head(8)
    if (head === undefined) return undefined
    const length = head.readInt32BE(0)
    if (length < 8 || length > LONGEST_STARTUP) return { kind: 'other' }
    const bytes = this.#take(length)
    if (bytes === undefined) return undefined
    const code = bytes.readInt32BE(4)
    if (code === SSL_REQUEST || code === GSS_REQUEST) return { kind: 'encryption-request' }
    if (code === CANCEL_REQUEST && length === 16) {
      return { kind: 'cancel', processId: bytes.readInt32BE(8), secret: bytes.readInt32BE(12) }
    }
    if (code >> 16 !== PROTOCOL_3_0 >> 16) return { kind: 'other' }
    return { kind: 'startup', bytes, parameters: parametersOf(bytes) }
  }

  /**
   * @param longest maximum size of a message in bytes
   * @throws {RangeError} when the length is impossible: the other side speaks another protocol
   */
  nextMessage(longest = LONGEST_MESSAGE): WireMessage | undefined {
    const head = this.#head(5)
    if (head === undefined) return undefined
    const length = head.readInt32BE(1)
    if (length < 4 || length > longest) throw new RangeError(`message of ${length} bytes`)
    const bytes = this.#take(length + 1)
    if (bytes === undefined) return undefined
    return { type: String.fromCharCode(bytes[0] ?? 0), bytes, body: bytes.subarray(5) }
  }

  #head(length: number): Buffer | undefined {
    if (this.#size < length) return undefined
    const [first] = this.#chunks
    if (first !== undefined && first.length >= length) return first
    return this.#join()
  }

  #take(length: number): Buffer | undefined {
    if (this.#size < length) return undefined
    const bytes = this.#join()
    this.#chunks = bytes.length === length ? [] : [bytes.subarray(length)]
    this.#size -= length
    return bytes.subarray(0, length)
  }

  /** Pieces are concatenated once per message, not once per piece. */
  #join(): Buffer {
    const [first, ...more] = this.#chunks
    const joined = first === undefined || more.length > 0 ? Buffer.concat(this.#chunks) : first
    this.#chunks = [joined]
    return joined
  }
}

/** One message: a letter, the length without it, the content. */
export function wireMessage(type: string, ...parts: readonly Uint8Array[]): Buffer {
  const size = parts.reduce((sum, part) => sum + part.length, 0)
  return Buffer.concat([Buffer.from(type), int32(size + 4), ...parts])
}

/** Asks the client for a plain-text password; for servers that only this machine or its containers reach. */
function passwordRequest(): Buffer {
  return wireMessage('R', int32(3))
}

export type WireError = {
  /** SQLSTATE */
  readonly code: string
  readonly message: string
  readonly detail?: string | undefined
  readonly hint?: string | undefined
  /** Position in characters, from 1. */
  readonly position?: string | undefined
}

/** @param severity `FATAL` where the connection ends with it */
export function errorResponse(severity: 'ERROR' | 'FATAL', error: WireError): Buffer {
  const fields = [
    ['S', severity],
    ['V', severity],
    ['C', error.code],
    ['M', error.message],
    ['D', error.detail],
    ['H', error.hint],
    ['P', error.position],
  ]
  const text = fields.flatMap(([type, value]) => (value === undefined ? [] : [`${type}${plain(value)}\0`])).join('')
  return wireMessage('E', Buffer.from(`${text}\0`))
}

/** A simple query. */
export function queryMessage(sql: string): Buffer {
  return wireMessage('Q', cString(sql))
}

/** A zero-terminated text. */
export function cString(text: string): Buffer {
  return Buffer.from(`${plain(text)}\0`)
}

export function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

/** The transaction status with which a backend's output ends: idle, in a transaction, in a failed one. */
export function statusAtEnd(tail: Uint8Array): 'I' | 'T' | 'E' | undefined {
  const [type, b1, b2, b3, length, status] = tail.subarray(-6)
  if (type !== 0x5a || b1 !== 0 || b2 !== 0 || b3 !== 0 || length !== 5) return undefined
  return status === 0x49 ? 'I' : status === 0x54 ? 'T' : status === 0x45 ? 'E' : undefined
}

function plain(text: string): string {
  return text.replaceAll('\0', ' ')
}

function parametersOf(startup: Buffer): Map<string, string> {
  const texts = startup.subarray(8).toString('utf8').split('\0')
  const parameters = new Map<string, string>()
  for (let at = 0; at + 1 < texts.length && texts[at] !== ''; at += 2) {
    parameters.set(texts[at] ?? '', texts[at + 1] ?? '')
  }
  return parameters
}

/**
 * Milliseconds that a client may take to log in. Like PostgreSQL's `authentication_timeout`, but for clients on the
 * same machine.
 */
const LOGIN_TIMEOUT_MS = 15_000
/** Bytes of a password message. */
const LONGEST_PASSWORD = 10_000
/** Bytes that are read ahead while the client's earlier statements are executed. */
const READ_AHEAD = 1024 * 1024

type Startup = Extract<StartupMessage, { kind: 'startup' }>

/** A client of a PostgreSQL server in this process: whole messages in, bytes out. */
export class PostgresClient {
  readonly #socket: Socket
  readonly #buffer = new MessageBuffer()
  readonly #gone = new AbortController()
  #wake = () => {}
  #hasEnded = false
  #draining: Promise<void> | undefined

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
    const timer = limitMs === undefined ? undefined : setTimeout(() => socket.destroy(), limitMs)
    // Messages that are sent at the same time wait together.
    await (this.#draining ??= this.#drained())
    clearTimeout(timer)
  }

  async #drained(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#socket.once('drain', resolve)
    this.#socket.once('close', resolve)
    await promise
    this.#socket.off('drain', resolve)
    this.#socket.off('close', resolve)
    this.#draining = undefined
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
