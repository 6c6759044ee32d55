import { TYPE } from './values.ts'

/** What a server answers is a row of tokens. Source: MS-TDS 2.2.7 */

export type ResultType = 'bit' | 'int' | 'bigint' | 'float' | 'datetime2' | 'varbinary' | 'nvarchar'
export type ResultColumn = { readonly name: string; readonly type: ResultType }

/** A value as PostgreSQL writes it. */
export type ResultValue = string | null

const STATUS = { final: 0x00, more: 0x01, error: 0x02, count: 0x10, attention: 0x20 }

export function u8(...values: readonly number[]): Buffer {
  return Buffer.from(values)
}

function u16(value: number): Buffer {
  const buffer = Buffer.alloc(2)
  buffer.writeUInt16LE(value)
  return buffer
}

function u32(value: number): Buffer {
  const buffer = Buffer.alloc(4)
  buffer.writeUInt32LE(value)
  return buffer
}

function u64(value: bigint): Buffer {
  const buffer = Buffer.alloc(8)
  buffer.writeBigUInt64LE(value)
  return buffer
}

function shortText(text: string): Buffer {
  return Buffer.concat([u8(text.length), Buffer.from(text, 'utf16le')])
}

/** `Latin1_General_100_BIN2`, more or less: the endpoint compares by code point. */
const COLLATION = u8(0x09, 0x04, 0xd0, 0x00, 0x34)

function withLength(token: number, body: Buffer): Buffer {
  return Buffer.concat([u8(token), u16(body.length), body])
}

/** The client is told what has changed on its connection. */
export const environment = {
  database: (name: string) => withLength(0xe3, Buffer.concat([u8(1), shortText(name), shortText('')])),
  collation: () => withLength(0xe3, Buffer.concat([u8(7, COLLATION.length), COLLATION, u8(0)])),
  began: (transaction: bigint) => withLength(0xe3, Buffer.concat([u8(8, 8), u64(transaction), u8(0)])),
  committed: (transaction: bigint) => withLength(0xe3, Buffer.concat([u8(9, 0, 8), u64(transaction)])),
  rolledBack: (transaction: bigint) => withLength(0xe3, Buffer.concat([u8(10, 0, 8), u64(transaction)])),
}

/** TDS 7.4, of a server that says who it is. */
export function loginAck(): Buffer {
  return withLength(0xad, Buffer.concat([u8(1, 0x74, 0, 0, 4), shortText('Loopback TDS endpoint'), u8(16, 0, 0, 0)]))
}

/** Asks for a token of Entra. Source: MS-TDS 2.2.7.12 (FEDAUTHINFO) */
export function askForToken({ issuer, resource }: { readonly issuer: string; readonly resource: string }): Buffer {
  const values = [issuer, resource].map((text) => Buffer.from(text, 'utf16le'))
  let offset = 4 + values.length * 9
  const heads = values.map((value, index) => {
    const head = Buffer.concat([u8(index + 1), u32(value.length), u32(offset)])
    offset += value.length
    return head
  })
  const body = Buffer.concat([u32(values.length), ...heads, ...values])
  return Buffer.concat([u8(0xee), u32(body.length), body])
}

/** The token of Entra was taken. */
export function tokenAck(): Buffer {
  return Buffer.concat([u8(0xae, 0x02), u32(0), u8(0xff)])
}

export function error(number: number, message: string, line = 1): Buffer {
  const text = Buffer.concat([u16(message.length), Buffer.from(message, 'utf16le')])
  return withLength(
    0xaa,
    Buffer.concat([u32(number), u8(1, 16), text, shortText('loopback'), shortText(''), u32(line)]),
  )
}

export function done(
  kind: 'batch' | 'procedure' | 'in procedure',
  outcome: { readonly rowCount?: number; readonly failed?: boolean; readonly cancelled?: boolean } = {},
): Buffer {
  const token = { batch: 0xfd, procedure: 0xfe, 'in procedure': 0xff }[kind]
  const status =
    (kind === 'in procedure' ? STATUS.more : STATUS.final) |
    (outcome.rowCount === undefined ? 0 : STATUS.count) |
    (outcome.failed === true ? STATUS.error : 0) |
    (outcome.cancelled === true ? STATUS.attention : 0)
  return Buffer.concat([u8(token), u16(status), u16(0), u64(BigInt(outcome.rowCount ?? 0))])
}

export function returnStatus(value: number): Buffer {
  return Buffer.concat([u8(0x79), u32(value)])
}

export function columns(of: readonly ResultColumn[]): Buffer {
  const each = of.map(({ name, type }) => Buffer.concat([u32(0), u16(0x0009), typeInfo(type), shortText(name)]))
  return Buffer.concat([u8(0x81), u16(of.length), ...each])
}

function typeInfo(type: ResultType): Buffer {
  switch (type) {
    case 'bit':
      return u8(TYPE.bit, 1)
    case 'int':
      return u8(TYPE.int, 4)
    case 'bigint':
      return u8(TYPE.int, 8)
    case 'float':
      return u8(TYPE.float, 8)
    case 'datetime2':
      return u8(TYPE.datetime2, 6)
    case 'varbinary':
      return u8(TYPE.varbinary, 0xff, 0xff)
    default:
      return Buffer.concat([u8(TYPE.nvarchar, 0xff, 0xff), COLLATION])
  }
}

export function row(of: readonly ResultColumn[], values: readonly ResultValue[]): Buffer {
  return Buffer.concat([u8(0xd1), ...of.map(({ type }, index) => cell(type, values[index] ?? null))])
}

function cell(type: ResultType, value: ResultValue): Buffer {
  if (value === null) return type === 'nvarchar' || type === 'varbinary' ? Buffer.alloc(8, 0xff) : u8(0)
  switch (type) {
    case 'bit':
      return u8(1, value === 't' || value === 'true' ? 1 : 0)
    case 'int':
      return Buffer.concat([u8(4), u32(Number(value) >>> 0)])
    case 'bigint':
      return Buffer.concat([u8(8), u64(BigInt.asUintN(64, BigInt(value)))])
    case 'float': {
      const buffer = Buffer.alloc(9, 8)
      buffer.writeDoubleLE(Number(value), 1)
      return buffer
    }
    case 'datetime2':
      return dayTime(value)
    case 'varbinary':
      return inPieces(Buffer.from(value.replace(/^\\x/, ''), 'hex'))
    default:
      return inPieces(Buffer.from(value, 'utf16le'))
  }
}

function inPieces(bytes: Buffer): Buffer {
  const piece = bytes.length === 0 ? [] : [u32(bytes.length), bytes]
  return Buffer.concat([u64(BigInt(bytes.length)), ...piece, u32(0)])
}

/** `2026-03-01 05:06:07.123456`, as PostgreSQL writes it. */
function dayTime(text: string): Buffer {
  const [, date, hours, minutes, seconds, fraction = ''] = /^(\S+)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d+))?/.exec(text) ?? []
  const micros =
    ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1_000_000 + Number(fraction.padEnd(6, '0'))
  const days = (Date.parse(`${date}T00:00:00Z`) - Date.parse('0001-01-01T00:00:00Z')) / 86_400_000
  const buffer = Buffer.alloc(9)
  buffer.writeUInt8(8, 0)
  buffer.writeUIntLE(micros, 1, 5)
  buffer.writeUIntLE(days, 6, 3)
  return buffer
}
