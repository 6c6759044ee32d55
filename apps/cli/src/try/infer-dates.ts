/** Formats of dates and times to try, in addition to ISO 8601; day before month where both are possible. */
const DATES = [
  '%d.%m.%Y',
  '%d/%m/%Y',
  '%m/%d/%Y',
  '%d-%m-%Y',
  '%m-%d-%Y',
  '%Y/%m/%d',
  '%Y.%m.%d',
  '%d.%m.%y',
  '%d/%m/%y',
  '%m/%d/%y',
  '%B %d, %Y',
  '%b %d, %Y',
  '%d %B %Y',
  '%d %b %Y',
  '%d-%b-%Y',
  '%d-%b-%y',
] as const
const TIMES = ['%H:%M:%S', '%H:%M'] as const
const TIMESTAMPS = DATES.flatMap((date) => TIMES.map((time) => `${date} ${time}`))

const MONTHS = 'January February March April May June July August September October November December'.split(' ')
const PATTERNS: Readonly<Record<string, string>> = {
  Y: String.raw`[12]\d{3}`,
  y: String.raw`\d{2}`,
  m: '(?:0?[1-9]|1[0-2])',
  d: '(?:0?[1-9]|[12]\\d|3[01])',
  H: String.raw`(?:[01]?\d|2[0-3])`,
  M: String.raw`[0-5]\d`,
  S: String.raw`[0-5]\d`,
  B: `(?:${MONTHS.join('|')})`,
  b: `(?:${MONTHS.map((name) => name.slice(0, 3)).join('|')})`,
}

/** Most formats in one column: with more it is text. */
const MAX_FORMATS = 3

export type InferredDates = {
  /** Undefined where all are ISO 8601. */
  readonly formats: readonly string[] | undefined
  /** Whether the other order of day and month fits as well. */
  readonly isAmbiguous: boolean
}

/** The formats of all of a column's texts; undefined when there are none. */
export function inferDates(
  texts: readonly string[],
  type: 'DATE' | 'TIMESTAMP WITH TIME ZONE',
): InferredDates | undefined {
  const iso = type === 'DATE' ? ISO_DATE : ISO_INSTANT
  if (texts.every((text) => iso.test(text))) return { formats: undefined, isAmbiguous: false }
  const isoFormat = type === 'DATE' ? ['%Y-%m-%d'] : []
  const known = [...isoFormat, ...(type === 'DATE' ? DATES : TIMESTAMPS)]
  const formats: string[] = []
  let isAmbiguous = false
  for (let rest = texts; rest.length > 0;) {
    const fitting = known.map((format) => {
      const pattern = patternOf(format)
      return { format, left: rest.filter((text) => !pattern.test(text)) }
    })
    const best = fitting.reduce((one, other) => (other.left.length < one.left.length ? other : one))
    if (best.left.length === rest.length || formats.length === MAX_FORMATS) return undefined
    isAmbiguous ||= fitting.some(
      ({ format, left }) =>
        format !== best.format && isSwapped(format, best.format) && left.length === best.left.length,
    )
    formats.push(best.format)
    rest = best.left
  }
  return { formats, isAmbiguous }
}

const ISO_DATE = /^[12]\d{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])$/
const ISO_INSTANT =
  /^[12]\d{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])[T ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d{1,9})?)?(?: ?(?:Z|UTC|[+-]\d{2}(?::?\d{2})?))?$/

/** Whether two formats differ only in the order of day and month. */
function isSwapped(one: string, other: string): boolean {
  const swapped = one.replace(/%[dm]/g, (letter) => (letter === '%d' ? '%m' : '%d'))
  return swapped === other
}

function patternOf(format: string): RegExp {
  const pattern = format
    .replaceAll('.', String.raw`\.`)
    .replaceAll(/%([A-Za-z])/g, (_, letter: string) => PATTERNS[letter] ?? '')
  return new RegExp(`^${pattern}$`, 'i')
}
