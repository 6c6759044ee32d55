import { namesIn } from '@cinelake/transformer'
import { type CountedText, type Inferred, isMostly, weightOf } from './counted-texts.ts'

const INSTANT = 'TIMESTAMP WITH TIME ZONE'

/** Formats of dates to try, in addition to ISO 8601; day before month where both are possible. */
const DATES = (
  '%d.%m.%Y|%d/%m/%Y|%m/%d/%Y|%d-%m-%Y|%m-%d-%Y|%Y/%m/%d|%Y.%m.%d|%d.%m.%y|%d/%m/%y|%m/%d/%y|%d-%m-%y|%m-%d-%y|' +
  '%B %d, %Y|%B %d. %Y|%B %d %Y|%d %B %Y|%d. %B %Y|%d-%B-%Y|%d-%B-%y|%d %B %y|%d/%B/%Y|%d de %B de %Y|%A, %B %d, %Y|%A, %d %B %Y|%A %d %B %Y'
).split('|')
const CLOCKS = ['%H:%M:%S', '%H:%M', '%I:%M:%S %p', '%I:%M %p', '%I:%M%p', '%H:%M:%S.%f'] as const
const TIMESTAMPS = [
  ...['%Y-%m-%d', ...DATES].flatMap((date) => CLOCKS.flatMap((clock) => [`${date} ${clock}`, `${date}, ${clock}`])),
  '%d/%B/%Y:%H:%M:%S %z',
  '%A, %d %B %Y %H:%M:%S %Z',
  '%A, %d %B %Y %H:%M:%S %z',
  '%A %B %d %H:%M:%S %Y',
]

const PATTERNS: Readonly<Record<string, string>> = {
  Y: String.raw`[12]\d{3}`,
  y: String.raw`\d{2}`,
  m: '(?:0?[1-9]|1[0-2])',
  d: String.raw`(?:0?[1-9]|[12]\d|3[01])`,
  H: String.raw`(?:[01]?\d|2[0-3])`,
  I: '(?:0?[1-9]|1[0-2])',
  M: String.raw`[0-5]\d`,
  S: String.raw`[0-5]\d`,
  f: String.raw`\d{1,6}`,
  p: String.raw`[AaPp]\.?[Mm]\.?`,
  z: String.raw`[+-]\d{2}:?\d{2}`,
  Z: '(?:UTC|GMT)',
}

/** Languages whose names of months are tried after the English ones. */
const LANGUAGES = ['de', 'fr', 'es', 'it', 'pt', 'nl', 'pl', 'cs', 'sv', 'da', 'nb', 'fi', 'tr', 'ru', 'uk'] as const

/** Distinct texts by which formats are found. */
const MAX_TEXTS = 300

/** Most formats in one column: with more it is text. */
const MAX_FORMATS = 3
/** Share of the texts from which a further format is one of the column's, and not an exception. */
const COMMON = 0.02

const ISO_DATE = /^[12]\d{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])$/
const ISO_INSTANT =
  /^[12]\d{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])[T ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d{1,9})?)?(?: ?(?:Z|UTC|[+-]\d{2}(?::?\d{2})?))?$/
const TIME = /^(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?$/

export function timesIn(texts: readonly CountedText[]): Inferred[] {
  if (isMostly(texts, (text) => TIME.test(text))) return [{ type: 'TIME' }]
  const formats = ['%I:%M:%S %p', '%I:%M %p', '%I:%M%p'].filter((format) =>
    texts.some(({ text }) => patternOf(format).test(text)),
  )
  const isTime = (text: string) => formats.some((format) => patternOf(format).test(text))
  return formats.length > 0 && isMostly(texts, isTime) ? [{ type: 'TIME', formats }] : []
}

/** The dates and instants that texts may be. */
export function datesIn(all: readonly CountedText[]): Inferred[] {
  // Hundreds of formats are tried: a few hundred texts tell which.
  const texts = all.slice(0, MAX_TEXTS)
  if (!isMostly(texts, (text) => text.length <= 45 && /\d\D+\d/.test(text) && !/[[\]{}|;@]/.test(text))) return []
  const isWordy = isMostly(texts, (text) => /^(?:\p{L}+\.?,? )?\d{1,2}\.?[ /-](?:de )?\p{L}{3}/u.test(text))
  const candidates = inLanguage(texts, undefined)
  if (candidates.length > 0 || !isWordy) return candidates
  for (const language of LANGUAGES) {
    const found = inLanguage(texts, language)
    if (found.length > 0) return found
  }
  return []
}

function inLanguage(texts: readonly CountedText[], language: string | undefined): Inferred[] {
  return (['DATE', INSTANT] as const).flatMap((type) => {
    const dates = datesOf(texts, type, language)
    if (dates === undefined) return []
    const { formats, isAmbiguous } = dates
    const isLocal = type !== 'DATE' && texts.some(({ text }) => !/(?:Z|UTC|GMT|[+-]\d{2}:?(?:\d{2})?)$/.test(text))
    const notes = [
      ...(isAmbiguous ? ['the first number may be the month as well: check it'] : []),
      ...(isLocal ? ['without an offset: taken for UTC, unless `timeZone` says otherwise'] : []),
      ...(formats?.some((format) => format.includes('%y')) === true
        ? ['years are 1969 to 2068, unless `pivotYear` says otherwise']
        : []),
    ]
    const note = notes.length === 0 ? {} : { note: notes.join('; ') }
    return [
      { type, ...(formats === undefined ? {} : { formats }), ...(language === undefined ? {} : { language }), ...note },
    ]
  })
}

type FoundDates = {
  /** Undefined where nearly all are ISO 8601. */
  readonly formats: readonly string[] | undefined
  /** Whether the other order of day and month fits as well. */
  readonly isAmbiguous: boolean
}

/** The formats of most of a column's texts; undefined where there are none. */
function datesOf(
  texts: readonly CountedText[],
  type: 'DATE' | typeof INSTANT,
  language: string | undefined,
): FoundDates | undefined {
  const iso = type === 'DATE' ? ISO_DATE : ISO_INSTANT
  const total = weightOf(texts)
  const others = texts.filter(({ text }) => !iso.test(text))
  const known = type === 'DATE' ? ['%Y-%m-%d', ...DATES] : TIMESTAMPS
  if (weightOf(others) <= total * COMMON) return { formats: undefined, isAmbiguous: false }
  const formats: string[] = []
  let isAmbiguous = false
  for (let rest = texts; rest.length > 0 && formats.length < MAX_FORMATS;) {
    const fitting = known.map((format) => {
      const pattern = patternOf(format, language)
      return { format, left: rest.filter(({ text }) => !pattern.test(text)) }
    })
    const best = fitting.reduce((one, other) => (weightOf(other.left) < weightOf(one.left) ? other : one))
    const gained = weightOf(rest) - weightOf(best.left)
    if (gained === 0 || (formats.length > 0 && gained < total * COMMON)) break
    isAmbiguous ||= fitting.some(
      ({ format, left }) =>
        format !== best.format && isSwapped(format, best.format) && left.length === best.left.length,
    )
    formats.push(best.format)
    rest = best.left
    if (formats.length === 1 && gained < total / 4) return undefined
  }
  const isCovered = isMostly(texts, (text) => formats.some((format) => patternOf(format, language).test(text)))
  if (!isCovered) return undefined
  return { formats: formats.map((format) => abbreviated(format, texts, language)), isAmbiguous }
}

/** `%b` in place of `%B` where all names of months are short: both read either, and this is how it is usually written. */
function abbreviated(format: string, texts: readonly CountedText[], language: string | undefined): string {
  const pattern = patternOf(format, language)
  const isLong = texts.some(({ text }) => pattern.test(text) && /\p{L}{5}/u.test(text.replaceAll(/UTC|GMT/g, '')))
  return isLong ? format : format.replaceAll('%B', '%b').replaceAll('%A', '%a')
}

/** Names of columns with times in them. */
const TIME_NAME =
  /(?:^|_)(?:time|timestamp|ts|epoch|date|datetime|day|at|on|created|updated|modified|since|until|seen|expires|born|added|begin|start|end)(?:_|$)/

/** Numbers that may be times: seconds and milliseconds since 1970, and dates without signs between their parts. */
export function epochsIn(name: string, texts: readonly CountedText[]): Inferred[] {
  const isNamed = TIME_NAME.test(name)
  const isSeconds = (text: string) =>
    /^\d{9,10}(?:\.\d{1,6})?$/.test(text) && Number(text) > 3e8 && Number(text) < 4.2e9
  const isMillis = (text: string) => /^\d{12,13}$/.test(text) && Number(text) > 3e11 && Number(text) < 4.2e12
  const isDay = (text: string) => /^(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])$/.test(text)
  const enough = (is: (text: string) => boolean) =>
    weightOf(texts.filter(({ text }) => is(text))) >= weightOf(texts) * 0.9
  if (isNamed && enough(isSeconds)) return [{ type: INSTANT, formats: ['epoch'], note: 'seconds since 1970' }]
  if (isNamed && enough(isMillis)) return [{ type: INSTANT, formats: ['epochMillis'], note: 'milliseconds since 1970' }]
  return (isNamed || texts.length >= 20) && enough(isDay) ? [{ type: 'DATE', formats: ['%Y%m%d'] }] : []
}

/** What whole numbers may be, where their column's name does not say it. */
export function noteOfNumbers(texts: readonly CountedText[]): string | undefined {
  const isAll = (pattern: RegExp) => texts.length > 0 && texts.every(({ text }) => pattern.test(text))
  if (isAll(/^1[0-9]\d{8}$/)) return 'may be seconds since 1970: `formats: [epoch]`'
  if (isAll(/^1[0-9]\d{11}$/)) return 'may be milliseconds since 1970: `formats: [epochMillis]`'
  return undefined
}

/** What days of a spreadsheet look like in a column that is called a date. */
export function mayBeSerial(name: string, texts: readonly CountedText[]): boolean {
  return TIME_NAME.test(name) && texts.length > 0 && texts.every(({ text }) => /^[2-5]\d{4}(?:\.\d+)?$/.test(text))
}

/** Whether two formats differ only in the order of day and month. */
function isSwapped(one: string, other: string): boolean {
  const swapped = one.replace(/%[dm]/g, (letter) => (letter === '%d' ? '%m' : '%d'))
  return swapped === other
}

const compiled = new Map<string, RegExp>()

function patternOf(format: string, language = 'en'): RegExp {
  const key = `${language} ${format}`
  const known = compiled.get(key)
  if (known !== undefined) return known
  const names = namesOf(language)
  const pattern = format
    .replaceAll(/[./]/g, String.raw`\$&`)
    .replaceAll(' ', String.raw`\s+`)
    .replaceAll(
      /%([A-Za-z])/g,
      (_, letter: string) => PATTERNS[letter] ?? (letter === 'B' ? names.months : names.weekdays),
    )
  const made = new RegExp(`^${pattern}$`, 'iu')
  compiled.set(key, made)
  return made
}

const spelled = new Map<string, { readonly months: string; readonly weekdays: string }>()

/** Names of months and weekdays as a refine knows them, as parts of a pattern. */
function namesOf(language: string): { readonly months: string; readonly weekdays: string } {
  const known = spelled.get(language)
  if (known !== undefined) return known
  const { months, weekdays } = namesIn(language)
  const found = { months: oneOf([...months.keys()]), weekdays: oneOf([...weekdays.keys()]) }
  spelled.set(language, found)
  return found
}

function oneOf(names: readonly string[]): string {
  const longestFirst = names.toSorted((one, other) => other.length - one.length)
  return `(?:${longestFirst.map((name) => name.replaceAll(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`)).join('|')})\\.?`
}
