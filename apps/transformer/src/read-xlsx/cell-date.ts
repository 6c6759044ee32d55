/** The day that is 1: 1900-01-01, with a 29 February 1900 that did not exist, or the day that is 0: 1904-01-01. */
export type DateSystem = 1900 | 1904

/** What a number format shows of a number that is a time. */
export type TimeForm = 'date' | 'datetime' | 'time' | 'duration'

const DAY_MICROS = 86_400_000_000
/** 10000-01-01, which has no date any more. */
const LAST_DAY = { 1900: 2_958_466, 1904: 2_957_004 } as const

/**
 * A number as the day and time that it stands for, as ISO 8601 writes them: `2023-01-31`, `2023-01-31 10:30:00`,
 * `10:30:00`. A day alone only where the format shows no time and the number has none; 29 February 1900 is written as
 * it is shown. Source: ECMA-376, part 1, 18.17.4
 * @param written the digits of the number, which tell how exact its time is
 * @returns undefined for a number that is no time: a negative one, or one beyond the year 9999
 */
export function timeOfNumber(written: string, form: TimeForm, system: DateSystem): string | undefined {
  const number = Number(written)
  if (!(number >= 0 && number < LAST_DAY[system])) return undefined
  const whole = Math.floor(number)
  const micros = exactMicros(Math.round((number - whole) * DAY_MICROS), written)
  const day = micros === DAY_MICROS ? whole + 1 : whole
  const time = clock(micros % DAY_MICROS, form === 'duration' ? day * 24 : 0)
  if (form === 'duration') return time
  const hasDay = day > 0 || (system === 1904 && form !== 'time')
  // Day 0 is shown as 1900-01-00, which is none.
  if (!hasDay) return form === 'date' && micros === 0 ? undefined : time
  const date = dateOfDay(day, system)
  return micros % DAY_MICROS === 0 && form !== 'datetime' ? date : `${date} ${time}`
}

/**
 * Microseconds of a day, as they were meant: a number with as many digits as a double has is off by what its last digit
 * stands for, or by the arithmetic that made it, and a whole millisecond so near is the time.
 */
function exactMicros(micros: number, written: string): number {
  const [, whole = '', fraction = '', exponent = '0'] = /^(\d*)\.?(\d*)(?:[eE]([-+]?\d+))?$/.exec(written) ?? []
  const digits = (whole + fraction).replace(/^0+/, '').length
  if (digits < 15) return micros
  const lastDigit = 10 ** (Number(exponent) - fraction.length) * DAY_MICROS
  const nearest = Math.round(micros / 1000) * 1000
  return Math.abs(micros - nearest) <= Math.max(1, lastDigit / 2) ? nearest : micros
}

function dateOfDay(day: number, system: DateSystem): string {
  if (system === 1900 && day === 60) return '1900-02-29'
  const begin = system === 1904 ? Date.UTC(1904, 0, 1) : Date.UTC(1899, 11, day < 60 ? 31 : 30)
  return new Date(begin + day * 86_400_000).toISOString().slice(0, 10)
}

/** @param hours before the day */
function clock(micros: number, hours: number): string {
  const two = (number: number) => String(number).padStart(2, '0')
  const seconds = Math.floor(micros / 1_000_000)
  const fraction = String(micros % 1_000_000)
    .padStart(6, '0')
    .replace(/0+$/, '')
  const time = `${two(hours + Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
  return fraction === '' ? time : `${time}.${fraction}`
}

/** Number formats without a text of their own. Source: ECMA-376, part 1, 18.8.30, with those of East Asian languages */
const BUILT_IN: readonly (readonly [from: number, to: number, form: TimeForm])[] = [
  [14, 17, 'date'],
  [18, 21, 'time'],
  [22, 22, 'datetime'],
  [27, 31, 'date'],
  [32, 35, 'time'],
  [36, 36, 'date'],
  [45, 45, 'time'],
  [46, 46, 'duration'],
  [47, 47, 'time'],
  [50, 54, 'date'],
  [55, 56, 'time'],
  [57, 58, 'date'],
]

/** What a number format without a text of its own shows; undefined for numbers. */
export function builtInForm(id: number): TimeForm | undefined {
  return BUILT_IN.find(([from, to]) => id >= from && id <= to)?.[2]
}

/** What a number format shows; undefined for numbers. Source: ECMA-376, part 1, 18.8.31 */
export function formOfFormat(code: string): TimeForm | undefined {
  const [section = ''] = code
    // Texts in quotes, escaped characters, and widths and fillers of one.
    .replaceAll(/"[^"]*"?|\\.|[_*]./g, '')
    .split(';')
  if (/\[(?:h+|m+|s+)\]/i.test(section)) return 'duration'
  const letters = section
    .replaceAll(/\[[^\]]*\]?/g, '')
    // Fractions of a second.
    .replaceAll(/(s)[.,]0+/gi, '$1')
    .toLowerCase()
  if (/^\s*(?:general|standard)/.test(letters) || /[0#?@]/.test(letters)) return undefined
  const isTime = /[hs]|am\/pm|a\/p/.test(letters)
  const others = letters.replaceAll(/am\/pm|a\/p/g, '')
  const isDate = /[ydg]|bb/.test(others) || (!isTime && /[me]/.test(others))
  if (isDate) return isTime ? 'datetime' : 'date'
  return isTime ? 'time' : undefined
}
