import { u8 } from './tokens.ts'

/** Who a client says it is. Source: MS-TDS 2.2.6.4 (LOGIN7) */
export type Login = {
  readonly userName: string
  readonly password: string
  readonly database: string
  /** A token of Entra, instead of a user and a password. */
  readonly token: string | undefined
}

/** Where the offset and the length of each text stand. */
const PLACE = { userName: 40, password: 44, extension: 56, database: 68 }
const HAS_EXTENSION = 0x10
const FEDERATED = 0x02
const END = 0xff

export function readLogin(message: Buffer): Login {
  const part = (place: number) => {
    const [start, units] = [message.readUInt16LE(place), message.readUInt16LE(place + 2)]
    return message.subarray(start, start + units * 2)
  }
  const password = Buffer.from(part(PLACE.password).map((byte) => swapped(byte ^ 0xa5)))
  return {
    userName: part(PLACE.userName).toString('utf16le'),
    password: password.toString('utf16le'),
    database: part(PLACE.database).toString('utf16le'),
    token: readToken(message),
  }
}

/** The two halves of a byte change places. */
function swapped(byte: number): number {
  return ((byte >> 4) | (byte << 4)) & 0xff
}

/** Whether a client has a token, and waits to be told what it is to be for. */
export function hasTokenLater(message: Buffer): boolean {
  const federated = readFederated(message)
  return federated !== undefined && libraryOf(federated) === LIBRARY.entra
}

/** The token that a client sends by itself. Source: MS-TDS 2.2.6.3 (FEDAUTH) */
export function readLaterToken(message: Buffer): string {
  return message.toString('utf16le', 8, 8 + message.readUInt32LE(4))
}

/** How a client comes by its token. Source: MS-TDS 2.2.6.4 (FEDAUTH feature) */
const LIBRARY = { token: 0x01, entra: 0x02 }

function libraryOf(federated: Buffer): number {
  return federated.readUInt8(0) >> 1
}

function readToken(message: Buffer): string | undefined {
  const federated = readFederated(message)
  if (federated === undefined || libraryOf(federated) !== LIBRARY.token) return undefined
  return federated.toString('utf16le', 5, 5 + federated.readUInt32LE(1))
}

function readFederated(message: Buffer): Buffer | undefined {
  if ((message.readUInt8(27) & HAS_EXTENSION) === 0) return undefined
  let at = message.readUInt32LE(message.readUInt16LE(PLACE.extension))
  while (at < message.length && message.readUInt8(at) !== END) {
    const [feature, length] = [message.readUInt8(at), message.readUInt32LE(at + 1)]
    if (feature === FEDERATED) return message.subarray(at + 5, at + 5 + length)
    at += 5 + length
  }
  return undefined
}

/** Without encryption: what needs it comes through TLS from the beginning (TDS 8.0). */
export function preloginAnswer(): Buffer {
  const options: readonly [token: number, data: Buffer][] = [
    [0x00, u8(16, 0, 0, 0, 0, 0)],
    [0x01, u8(0x02)],
    [0x04, u8(0)],
  ]
  let offset = options.length * 5 + 1
  const heads = options.map(([token, data]) => {
    const head = Buffer.alloc(5)
    head.writeUInt8(token, 0)
    head.writeUInt16BE(offset, 1)
    head.writeUInt16BE(data.length, 3)
    offset += data.length
    return head
  })
  return Buffer.concat([...heads, u8(END), ...options.map(([, data]) => data)])
}
