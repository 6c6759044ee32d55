/** A date and time of day in UTC, as SQL Server keeps them. */
export type DayTime = {
  /** Days since 0001-01-01. */
  readonly day: number
  /** Microseconds since midnight. */
  readonly micros: number
}

const DAY_MS = 86_400_000
const DAY_MICROS = DAY_MS * 1000
const YEAR_ONE_MS = Date.parse('0001-01-01T00:00:00Z')
/** 9999-12-31. */
const LAST_DAY = 3_652_058

const DATE = /^(\d{4})-(\d\d)-(\d\d)$/
const TIME = /^(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?$/
const DAY_TIME = /^(\d{4}-\d\d-\d\d)[T ]([\d:.]+)(Z|[+-]\d\d(?::?\d\d)?)?$/

/** @returns days since 0001-01-01; undefined for what is no date from 0001-01-01 to 9999-12-31 */
export function parseDate(text: string): number | undefined {
  const [, year, month, day] = DATE.exec(text) ?? []
  if (year === undefined || year === '0000') return undefined
  const ms = Date.parse(`${text}T00:00:00Z`)
  // `Date` takes the 30th of February for the 1st of March.
  if (Number.isNaN(ms) || new Date(ms).getUTCDate() !== Number(day) || month === '00') return undefined
  return (ms - YEAR_ONE_MS) / DAY_MS
}

/** @returns microseconds since midnight; undefined for what is no time of day */
export function parseTime(text: string): number | undefined {
  const [, hours, minutes, seconds = '0', fraction = ''] = TIME.exec(text) ?? []
  if (hours === undefined || Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 59) return undefined
  const whole = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)
  return whole * 1_000_000 + Number(fraction.slice(0, 6).padEnd(6, '0'))
}

/** @returns the instant in UTC; a text without an offset is UTC already; undefined for what is no instant */
export function parseDayTime(text: string): DayTime | undefined {
  const [, date, clock, offset = 'Z'] = DAY_TIME.exec(text) ?? []
  if (date === undefined || clock === undefined) return undefined
  const day = parseDate(date)
  const micros = parseTime(clock)
  if (day === undefined || micros === undefined) return undefined
  return offset === 'Z' ? { day, micros } : shifted(day, micros - offsetMinutes(offset) * 60_000_000)
}

function offsetMinutes(offset: string): number {
  const digits = offset.slice(1).replace(':', '').padEnd(4, '0')
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2))
  return offset.startsWith('-') ? -minutes : minutes
}

function shifted(day: number, micros: number): DayTime | undefined {
  const days = day + Math.floor(micros / DAY_MICROS)
  if (days < 0 || days > LAST_DAY) return undefined
  return { day: days, micros: micros - Math.floor(micros / DAY_MICROS) * DAY_MICROS }
}

/**
 * Reads a decimal exactly; the driver's own way goes through a double and damages what has more than 15 digits.
 * @param scale digits after the point; further ones are rounded half away from zero, as databases do
 * @returns the number times 10^scale; undefined for what is no number
 */
export function parseDecimal(value: string | number | bigint, scale: number): bigint | undefined {
  if (typeof value === 'bigint') return value * 10n ** BigInt(scale)
  const text = typeof value === 'number' ? plain(value, scale) : value
  const [, sign, whole = '', fraction = ''] = /^([+-]?)(\d*)(?:\.(\d*))?$/.exec(text) ?? []
  if (sign === undefined || (whole === '' && fraction === '')) return undefined
  const scaled = BigInt(whole + fraction.slice(0, scale).padEnd(scale, '0'))
  const magnitude = fraction.length > scale && fraction.charAt(scale) >= '5' ? scaled + 1n : scaled
  return sign === '-' ? -magnitude : magnitude
}

/** `toFixed` writes no exponents below 1e21, and no decimal column holds more than that of a double's digits anyway. */
function plain(value: number, scale: number): string {
  return Math.abs(value) < 1e21
    ? value.toFixed(Math.min(scale, 100))
    : Number.isFinite(value)
      ? String(BigInt(value))
      : ''
}
