/** The type of a column's texts, in the engine's terms, and the parse options that it needs. */
export type Inferred = {
  readonly type: string
  readonly formats?: readonly string[]
  readonly decimal?: ','
  readonly nulls?: readonly string[]
  readonly separators?: readonly string[]
  /** Texts that are not of the type: their rows would be rejected. */
  readonly misfitCount?: number
  /** For display. */
  readonly note?: string
}

const NULL_WORDS = new Set(String.raw`null n/a na nan none nil - -- ? \n #n/a unknown`.split(' '))
/** Digits that always fit BIGINT. */
const BIGINT_DIGITS = 18
/** Default digits of a DECIMAL. */
const USUAL_PRECISION = 18
const MAX_PRECISION = 38
/** Decimal places beyond which a number is a measurement, not an amount. */
const MAX_SCALE = 10

/** Finds the narrowest type of all of a column's texts. */
export function inferColumn(texts: readonly string[]): Inferred {
  const present = texts.filter((text) => !NULL_WORDS.has(text.toLowerCase()))
  // Null words that could also be values count as null only in a column of another type than text.
  const inferred = present.length === 0 ? { type: 'VARCHAR' } : robustTypeOf(present)
  if (present.length === texts.length) return inferred
  if (inferred.type === 'VARCHAR') return robustTypeOf(texts)
  return { ...inferred, nulls: [...new Set(texts.filter((text) => NULL_WORDS.has(text.toLowerCase())))] }
}

/** Texts from which a few that do not fit are errors, and not evidence that the column is text. */
const MIN_ROBUST = 10
/** Share of the texts that may not fit. */
const MAX_MISFITS = 0.1
/** Most text forms that may be excluded: free text has as many forms as rows. */
const MAX_ODD_FORMS = 5

/**
 * The type of all texts, or else that of nearly all: a few texts of another form are errors in the data, which a refine
 * rejects one by one. The rarest forms are excluded first.
 */
function robustTypeOf(texts: readonly string[]): Inferred {
  const inferred = typeOf(texts)
  if (inferred.type !== 'VARCHAR' || inferred.note !== undefined || texts.length < MIN_ROBUST) return inferred
  const byForm = Map.groupBy(texts, formOf)
  let left = texts
  const rarestFirst = [...byForm].sort(([, one], [, other]) => one.length - other.length)
  for (const [form, those] of rarestFirst.slice(0, MAX_ODD_FORMS)) {
    if (texts.length - left.length + those.length > texts.length * MAX_MISFITS) break
    left = left.filter((text) => formOf(text) !== form)
    const found = typeOf(left)
    const misfitCount = texts.length - left.length
    const isOne = misfitCount === 1
    if (found.type === 'VARCHAR' || found.type.endsWith('[]')) continue
    const note = `${misfitCount} of ${texts.length} values ${isOne ? 'does' : 'do'} not fit: ${isOne ? 'a reject' : 'rejects'}`
    return { ...found, misfitCount, note: found.note === undefined ? note : `${found.note}; ${note}` }
  }
  return inferred
}

/** The form of a text: `1.999,90` and `12.500,00` are alike, `abc` is not. */
const formOf = (text: string) => text.replaceAll(/\d+/g, '9').replaceAll(/\p{L}+/gu, 'a')

function typeOf(texts: readonly string[]): Inferred {
  const isAll = (pattern: RegExp) => texts.every((text) => pattern.test(text))
  if (isAll(/^(?:true|false|yes|no|t|f|y|n)$/i)) return { type: 'BOOLEAN' }
  if (isAll(/^[+-]?(?:0|[1-9]\d*)$/)) return wholeNumber(texts)
  if (isAll(/^[+-]?(?:\d+\.?\d*|\.\d+)$/) && !texts.some(hasLeadingZero)) return decimal(texts, '.')
  if (isAll(/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,3})?$/i) && !texts.some(hasLeadingZero)) return { type: 'DOUBLE' }
  if (isAll(/^[+-]?\d{1,3}(?:,\d{3})*(?:\.\d+)?$/) && texts.some((text) => /,\d{3}(?:\.|,|$)/.test(text)))
    return decimal(texts, '.')
  if (isAll(/^[+-]?(?:\d+|\d{1,3}(?:\.\d{3})+)(?:,\d+)?$/) && texts.some((text) => text.includes(','))) {
    return { ...decimal(texts, ','), decimal: ',' }
  }
  const other = temporal(texts) ?? bracketed(texts)
  if (other !== undefined) return other
  if (isAll(/^[[{].*[\]}]$/s)) return { type: 'VARCHAR', note: 'JSON: models take it apart with json_extract_string' }
  return separated(texts) ?? { type: 'VARCHAR' }
}

/** `007` is a code, not a number. */
const hasLeadingZero = (text: string) => /^[+-]?0\d/.test(text)

function wholeNumber(texts: readonly string[]): Inferred {
  const digits = Math.max(...texts.map((text) => text.replace(/^[+-]/, '').length))
  if (digits <= BIGINT_DIGITS) return { type: 'BIGINT' }
  return digits <= MAX_PRECISION ? { type: `DECIMAL(${MAX_PRECISION},0)` } : { type: 'VARCHAR' }
}

function decimal(texts: readonly string[], sign: '.' | ','): Inferred {
  const parts = texts.map((text) =>
    text
      .replace(/^[+-]/, '')
      .replaceAll(sign === '.' ? ',' : '.', '')
      .split(sign),
  )
  const whole = Math.max(...parts.map(([before = '']) => before.length))
  const scale = Math.max(...parts.map(([, after = '']) => after.length))
  if (scale === 0) return wholeNumber(parts.map(([before = '']) => before))
  if (scale > MAX_SCALE || whole + scale > MAX_PRECISION) return { type: 'DOUBLE' }
  // Amounts have two or four decimal places, also where these rows need fewer: a row with more than the type has is a
  // reject.
  const places = Math.min(scale + (scale % 2), MAX_PRECISION - whole)
  return { type: `DECIMAL(${whole + places <= USUAL_PRECISION ? USUAL_PRECISION : MAX_PRECISION},${places})` }
}

function temporal(texts: readonly string[]): Inferred | undefined {
  if (texts.every((text) => /^(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?$/.test(text)))
    return { type: 'TIME' }
  for (const type of ['DATE', 'TIMESTAMP WITH TIME ZONE'] as const) {
    const dates = inferDates(texts, type)
    if (dates === undefined) continue
    const { formats, isAmbiguous } = dates
    const isLocal = type !== 'DATE' && texts.some((text) => !/(?:Z|UTC|[+-]\d{2}:?(?:\d{2})?)$/.test(text))
    const notes = [
      ...(isAmbiguous ? ['the first number may be the month as well: check it'] : []),
      ...(isLocal ? ['without an offset: taken for UTC, unless `timeZone` says otherwise'] : []),
    ]
    return {
      type,
      ...(formats === undefined ? {} : { formats }),
      ...(notes.length === 0 ? {} : { note: notes.join('; ') }),
    }
  }
  return undefined
}

/** Texts required before repeated words are taken for a list. */
const MIN_LISTS = 10

function bracketed(texts: readonly string[]): Inferred | undefined {
  return texts.every((text) => /^\[.*\]$/s.test(text) && !text.includes('{')) ? { type: 'VARCHAR[]' } : undefined
}

function separated(texts: readonly string[]): Inferred | undefined {
  for (const separator of ['|', ';', ',']) {
    const parted = texts.filter((text) => text.includes(separator))
    if (parted.length < texts.length / 4 || texts.length < MIN_LISTS) continue
    const items = texts.flatMap((text) => text.split(separator).map((item) => item.trim()))
    // A comma between digits belongs to a number, and brackets to a more complex value than a list.
    const isPlain = (item: string) => !/[[\]{}"]/.test(item) && (separator !== ',' || /\p{L}/u.test(item))
    const isWordy = items.every(
      (item) => item.length > 0 && item.length <= 40 && item.split(/\s+/).length <= 4 && isPlain(item),
    )
    // The items of a list recur in other rows; the words of a sentence, or names in two parts, do not.
    if (isWordy && new Set(items).size <= items.length / 3) return { type: 'VARCHAR[]', separators: [separator] }
  }
  return undefined
}

/** Formats of dates and times to try, in addition to ISO 8601; day before month where both are possible. */
const DATES = (
  '%d.%m.%Y|%d/%m/%Y|%m/%d/%Y|%d-%m-%Y|%m-%d-%Y|%Y/%m/%d|%Y.%m.%d|%d.%m.%y|%d/%m/%y|%m/%d/%y|' +
  '%B %d, %Y|%b %d, %Y|%d %B %Y|%d %b %Y|%d-%b-%Y|%d-%b-%y'
).split('|')
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

type InferredDates = {
  /** Undefined where all are ISO 8601. */
  readonly formats: readonly string[] | undefined
  /** Whether the other order of day and month fits as well. */
  readonly isAmbiguous: boolean
}

/** The formats of all of a column's texts; undefined when there are none. */
function inferDates(texts: readonly string[], type: 'DATE' | 'TIMESTAMP WITH TIME ZONE'): InferredDates | undefined {
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
