import { TYPES } from 'tedious'
import { toJson } from '../adapter.ts'
import { ROW_PROBLEM, type WarehouseRefusedError } from '../errors.ts'
import type { WarehouseValue } from '../warehouse.ts'
import type { MssqlType } from './sql.ts'
import { parseDate, parseDayTime, parseDecimal, parseTime, type DayTime } from './values.ts'

/** How the driver writes a column in a bulk load. Its own types take numbers and dates that lose digits. */
export type CellType = typeof TYPES.Bit
type CellBuffer = Parameters<CellType['writeValue']>[0]
/** `validate` makes of a row's value what `writeValue` sends. */
type Validate = (value: WarehouseValue | undefined) => unknown

/** The problem with a value, without the value. */
export type Complaint = (about: { readonly problem: string; readonly remedy: string }) => WarehouseRefusedError

export function cellType(type: MssqlType, required: boolean, refuse: Complaint): CellType {
  const convert = converter(type, refuse)
  const validate: Validate = (value) => {
    if (value !== null && value !== undefined) return convert(value)
    if (required) throw refuse(ROW_PROBLEM.missing)
    return null
  }
  return { ...writer(type), validate }
}

type Convert = (value: NonNullable<WarehouseValue>) => unknown

function converter(type: MssqlType, refuse: Complaint): Convert {
  const otherType = () => refuse(ROW_PROBLEM.otherType)
  const outOfRange = () => refuse(ROW_PROBLEM.outOfRange)
  switch (type.form) {
    case 'bit':
      return (value) => (typeof value === 'boolean' ? value : fail(otherType))
    case 'integer':
      return integerConverter(type.bits ?? 64, otherType, outOfRange)
    case 'decimal':
      return decimalConverter(type, otherType, outOfRange)
    case 'real':
    case 'double':
      return (value) => {
        const number = typeof value === 'number' || typeof value === 'bigint' ? Number(value) : fail(otherType)
        return Number.isFinite(number) && Number.isFinite(type.form === 'real' ? Math.fround(number) : number)
          ? number
          : fail(outOfRange)
      }
    case 'text':
      return textConverter(type, refuse)
    case 'json':
      return (value) => {
        const text = toJson(value)
        return ESCAPED_NUL.test(text) ? fail(() => nulCharacter(refuse)) : text
      }
    case 'bytes':
      return (value) => (value instanceof Uint8Array ? asBuffer(value) : fail(otherType))
    case 'uuid':
      return (value) => (typeof value === 'string' && UUID.test(value) ? value : fail(otherType))
    default:
      return temporalConverter(type.form, () => refuse(ROW_PROBLEM.impossibleTime))
  }
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

function fail(error: () => Error): never {
  throw error()
}

type Fault = () => WarehouseRefusedError

function integerConverter(bits: number, otherType: Fault, outOfRange: Fault): Convert {
  const limit = 2 ** (bits - 1)
  const inRange = (number: number) => Number.isInteger(number) && number >= -limit && number < limit
  if (bits < 64) {
    return (value) => {
      const number = typeof value === 'number' || typeof value === 'bigint' ? Number(value) : fail(otherType)
      return inRange(number) ? number : fail(outOfRange)
    }
  }
  return (value) => {
    if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : fail(outOfRange)
    if (typeof value !== 'bigint') return fail(otherType)
    return BigInt.asIntN(64, value) === value ? value : fail(outOfRange)
  }
}

function decimalConverter({ precision = 38, scale = 0 }: MssqlType, otherType: Fault, outOfRange: Fault): Convert {
  const limit = 10n ** BigInt(precision)
  return (value) => {
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'bigint') return fail(otherType)
    const scaled = parseDecimal(value, scale) ?? fail(otherType)
    return scaled < limit && scaled > -limit ? scaled : fail(outOfRange)
  }
}

function textConverter({ length, characters }: MssqlType, refuse: Complaint): Convert {
  return (value) => {
    const text = typeof value === 'string' ? value : toText(value)
    if (text.includes('\0')) return fail(() => nulCharacter(refuse))
    const tooLong =
      (length !== undefined && text.length > length) || (characters ?? Infinity) < charactersIn(text, characters)
    return tooLong ? fail(() => refuse(ROW_PROBLEM.textTooLong)) : text
  }
}

/** Counted only where it can matter: there are never more characters than UTF-16 units. */
function charactersIn(text: string, limit: number | undefined): number {
  if (limit === undefined || text.length <= limit) return text.length
  let count = 0
  for (const _ of text) count += 1
  return count
}

function toText(value: NonNullable<WarehouseValue>): string {
  return typeof value === 'object' ? toJson(value) : String(value)
}

/** U+0000 as JSON writes it, and not a text that has these characters. */
const ESCAPED_NUL = /(?<!\\)(\\\\)*\\u0000/

/** SQL Server would keep it, but most programs that read the mart would cut the text there. */
function nulCharacter(refuse: Complaint): WarehouseRefusedError {
  return refuse({
    ...ROW_PROBLEM.otherType,
    problem: 'a text holds the character U+0000, which the warehouse cannot store',
  })
}

function temporalConverter(form: 'date' | 'time' | 'timestamp' | 'instant', impossible: Fault): Convert {
  const parse: (text: string) => number | DayTime | undefined =
    form === 'date' ? parseDate : form === 'time' ? parseTime : parseDayTime
  return (value) => {
    const text = value instanceof Date ? value.toISOString() : value
    return (typeof text === 'string' ? parse(text) : undefined) ?? fail(impossible)
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Sources of the layouts: MS-TDS 2.2.5.5.1.8 (date and time), 2.2.5.5.1.6 (decimal). */
function writer({ form, bits, precision = 38 }: MssqlType): CellType {
  switch (form) {
    case 'bit':
      return TYPES.Bit
    case 'integer':
      return bits === 16 ? TYPES.SmallInt : bits === 32 ? TYPES.Int : TYPES.BigInt
    case 'decimal':
      return writes(TYPES.Decimal, decimalBytes(precision) + 1, (buffer, value: bigint) =>
        writeDecimal(buffer, value, decimalBytes(precision)),
      )
    case 'real':
      return TYPES.Real
    case 'double':
      return TYPES.Float
    case 'bytes':
      return TYPES.VarBinary
    case 'uuid':
      return TYPES.UniqueIdentifier
    case 'date':
      return writes(TYPES.Date, 3, (buffer, day: number) => buffer.writeUInt24LE(day))
    case 'time':
      return writes(TYPES.Time, 5, (buffer, micros: number) => buffer.writeUInt40LE(micros))
    case 'timestamp':
      return writes(TYPES.DateTime2, 8, writeDayTime)
    case 'instant':
      return writes(TYPES.DateTimeOffset, 10, (buffer, value: DayTime) => {
        writeDayTime(buffer, value)
        buffer.writeInt16LE(0)
      })
    default:
      return TYPES.NVarChar
  }
}

/** Cells of a length, which stands before them; without a value the length is 0. */
function writes(base: CellType, bytes: number, write: (buffer: CellBuffer, value: never) => void): CellType {
  return {
    ...base,
    writeValue(buffer, { value }: { readonly value: unknown }) {
      if (value === null) {
        buffer.writeUInt8(0)
        return
      }
      buffer.writeUInt8(bytes)
      // What the column's own `validate` made.
      write(buffer, value as never)
    },
  }
}

function writeDayTime(buffer: CellBuffer, { day, micros }: DayTime): void {
  buffer.writeUInt40LE(micros)
  buffer.writeUInt24LE(day)
}

function decimalBytes(precision: number): number {
  if (precision <= 9) return 4
  if (precision <= 19) return 8
  return precision <= 28 ? 12 : 16
}

function writeDecimal(buffer: CellBuffer, value: bigint, bytes: number): void {
  const magnitude = value < 0n ? -value : value
  buffer.writeUInt8(value < 0n ? 0 : 1)
  if (bytes === 4) {
    buffer.writeUInt32LE(Number(magnitude))
    return
  }
  buffer.writeBigUInt64LE(BigInt.asUintN(64, magnitude))
  if (bytes === 12) buffer.writeUInt32LE(Number(magnitude >> 64n))
  if (bytes === 16) buffer.writeBigUInt64LE(magnitude >> 64n)
}
