import { Cursor } from './cursor.ts'

/** A value as text of SQL; bytes as they are. */
export type TdsValue = string | boolean | Buffer | null

/** What a client says of a parameter or a column before its values. Source: MS-TDS 2.2.5.6 (TYPE_INFO) */
export type TypeInfo = { readonly id: number; readonly length: number; readonly scale: number }

export const TYPE = {
  guid: 0x24,
  int: 0x26,
  date: 0x28,
  time: 0x29,
  datetime2: 0x2a,
  datetimeOffset: 0x2b,
  bit: 0x68,
  decimal: 0x6a,
  numeric: 0x6c,
  float: 0x6d,
  varbinary: 0xa5,
  varchar: 0xa7,
  nvarchar: 0xe7,
} as const

/** The length that says: in pieces, and of any size. */
const MAX = 0xffff
const COLLATION_BYTES = 5

export function readTypeInfo(cursor: Cursor): TypeInfo {
  const id = cursor.u8()
  switch (id) {
    case TYPE.date:
      return { id, length: 3, scale: 0 }
    case TYPE.time:
    case TYPE.datetime2:
    case TYPE.datetimeOffset:
      return { id, length: 0, scale: cursor.u8() }
    case TYPE.decimal:
    case TYPE.numeric: {
      const length = cursor.u8()
      cursor.skip(1)
      return { id, length, scale: cursor.u8() }
    }
    case TYPE.varbinary:
      return { id, length: cursor.u16(), scale: 0 }
    case TYPE.varchar:
    case TYPE.nvarchar: {
      const length = cursor.u16()
      cursor.skip(COLLATION_BYTES)
      return { id, length, scale: 0 }
    }
    default:
      return { id, length: cursor.u8(), scale: 0 }
  }
}

export function readValue(cursor: Cursor, type: TypeInfo): TdsValue {
  const bytes = isLong(type.id) ? readLong(cursor, type) : readShort(cursor)
  return bytes === undefined ? null : decode(type, bytes)
}

function isLong(id: number): boolean {
  return id === TYPE.varbinary || id === TYPE.varchar || id === TYPE.nvarchar
}

function readShort(cursor: Cursor): Buffer | undefined {
  const length = cursor.u8()
  return length === 0 ? undefined : cursor.bytes(length)
}

function readLong(cursor: Cursor, { length }: TypeInfo): Buffer | undefined {
  if (length !== MAX) {
    const bytes = cursor.u16()
    return bytes === MAX ? undefined : cursor.bytes(bytes)
  }
  if (cursor.u64() === 0xffff_ffff_ffff_ffffn) return undefined
  const pieces: Buffer[] = []
  for (let size = cursor.u32(); size > 0; size = cursor.u32()) pieces.push(cursor.bytes(size))
  return Buffer.concat(pieces)
}

function decode({ id, scale }: TypeInfo, bytes: Buffer): TdsValue {
  const cursor = new Cursor(bytes)
  switch (id) {
    case TYPE.bit:
      return bytes.readUInt8() !== 0
    case TYPE.int:
      return String(BigInt.asIntN(bytes.length * 8, cursor.unsigned(bytes.length)))
    case TYPE.float:
      return String(bytes.length === 4 ? bytes.readFloatLE() : bytes.readDoubleLE())
    case TYPE.decimal:
    case TYPE.numeric: {
      const sign = cursor.u8() === 0 ? '-' : ''
      const digits = String(cursor.unsigned(cursor.left)).padStart(scale + 1, '0')
      return scale === 0 ? sign + digits : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
    }
    case TYPE.date:
      return dateText(Number(cursor.unsigned(3)))
    case TYPE.time:
      return timeText(cursor.unsigned(cursor.left), scale)
    case TYPE.datetime2:
      return dayTimeText(cursor, cursor.left - 3, scale)
    case TYPE.datetimeOffset:
      // Kept in UTC; the offset behind it says where it was said.
      return `${dayTimeText(cursor, cursor.left - 5, scale)}+00`
    case TYPE.guid:
      return guidText(bytes)
    case TYPE.varbinary:
      return bytes
    default:
      return bytes.toString(id === TYPE.varchar ? 'latin1' : 'utf16le')
  }
}

function dayTimeText(cursor: Cursor, timeBytes: number, scale: number): string {
  const time = timeText(cursor.unsigned(timeBytes), scale)
  return `${dateText(Number(cursor.unsigned(3)))} ${time}`
}

function dateText(days: number): string {
  return new Date(Date.parse('0001-01-01T00:00:00Z') + days * 86_400_000).toISOString().slice(0, 10)
}

function timeText(units: bigint, scale: number): string {
  const perSecond = 10n ** BigInt(scale)
  const seconds = Number(units / perSecond)
  const fraction = scale === 0 ? '' : `.${String(units % perSecond).padStart(scale, '0')}`
  return `${new Date(seconds * 1000).toISOString().slice(11, 19)}${fraction}`
}

/** The first three groups are numbers with their lowest byte first. */
function guidText(bytes: Buffer): string {
  const groups = [bytes.subarray(0, 4), bytes.subarray(4, 6), bytes.subarray(6, 8)].map((group) =>
    Buffer.from(group).reverse().toString('hex'),
  )
  return [...groups, bytes.toString('hex', 8, 10), bytes.toString('hex', 10)].join('-')
}
