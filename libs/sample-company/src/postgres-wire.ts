/**
 * The parts of the PostgreSQL protocol, version 3, that a server has to know before a backend takes over.
 * Source: https://www.postgresql.org/docs/current/protocol-message-formats.html
 */

const SSL_REQUEST = 80_877_103
const GSS_REQUEST = 80_877_104
const PROTOCOL_3_0 = 196_608
/** Bytes. PostgreSQL's own limit for a start-up packet (MAX_STARTUP_PACKET_LENGTH). */
const LONGEST_STARTUP = 10_000
/** Bytes; no client of the sample company sends more in one message. */
const LONGEST_MESSAGE = 64 * 1024 * 1024

export type StartupMessage =
  | { readonly kind: 'encryption-request' }
  | { readonly kind: 'startup'; readonly bytes: Buffer; readonly parameters: ReadonlyMap<string, string> }
  | { readonly kind: 'other' }

export type ClientMessage = { readonly type: string; readonly bytes: Buffer; readonly body: Buffer }

/** Takes bytes as they come and gives whole messages. */
export class MessageBuffer {
  #bytes: Buffer = Buffer.alloc(0)

  add(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk])
  }

  /** The next message before authentication, which has no type byte; undefined until it is complete. */
  nextStartup(): StartupMessage | undefined {
    if (this.#bytes.length < 8) return undefined
    const length = this.#bytes.readInt32BE(0)
    if (length < 8 || length > LONGEST_STARTUP) return { kind: 'other' }
    const bytes = this.#take(length)
    if (bytes === undefined) return undefined
    const code = bytes.readInt32BE(4)
    if (code === SSL_REQUEST || code === GSS_REQUEST) return { kind: 'encryption-request' }
    if (code >> 16 !== PROTOCOL_3_0 >> 16) return { kind: 'other' }
    return { kind: 'startup', bytes, parameters: parametersOf(bytes) }
  }

  /** @throws {RangeError} when the length cannot be true: the client speaks something else */
  nextMessage(): ClientMessage | undefined {
    if (this.#bytes.length < 5) return undefined
    const length = this.#bytes.readInt32BE(1)
    if (length < 4 || length > LONGEST_MESSAGE) throw new RangeError(`message of ${length} bytes`)
    const bytes = this.#take(length + 1)
    if (bytes === undefined) return undefined
    return { type: String.fromCharCode(bytes[0] ?? 0), bytes, body: bytes.subarray(5) }
  }

  #take(length: number): Buffer | undefined {
    if (this.#bytes.length < length) return undefined
    const taken = this.#bytes.subarray(0, length)
    this.#bytes = this.#bytes.subarray(length)
    return taken
  }
}

/** Asks the client for its password as it is; the server listens where only this machine or its containers come. */
export function passwordRequest(): Buffer {
  return message('R', int32(3))
}

/** @param code SQLSTATE */
export function fatalError(code: string, text: string): Buffer {
  return message('E', Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${text}\0\0`))
}

/** Puts a stop to a transaction that a client left open. */
export function query(sql: string): Buffer {
  return message('Q', Buffer.from(`${sql}\0`))
}

/** The transaction status with which a backend's output ends: idle, in a transaction, in a failed one. */
export function statusAtEnd(tail: Uint8Array): 'I' | 'T' | 'E' | undefined {
  const [type, b1, b2, b3, length, status] = tail.subarray(-6)
  if (type !== 0x5a || b1 !== 0 || b2 !== 0 || b3 !== 0 || length !== 5) return undefined
  return status === 0x49 ? 'I' : status === 0x54 ? 'T' : status === 0x45 ? 'E' : undefined
}

function message(type: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body])
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

function parametersOf(startup: Buffer): Map<string, string> {
  const texts = startup.subarray(8).toString('utf8').split('\0')
  const parameters = new Map<string, string>()
  for (let at = 0; at + 1 < texts.length && texts[at] !== ''; at += 2) {
    parameters.set(texts[at] ?? '', texts[at + 1] ?? '')
  }
  return parameters
}
