import { type CountedText, type Inferred, isMostly, type Reading, weightOf } from './counted-texts.ts'

/** Digits that always fit BIGINT. */
const BIGINT_DIGITS = 18
/** Default digits of a DECIMAL. */
const USUAL_PRECISION = 18
const MAX_PRECISION = 38
/** Decimal places beyond which a number is a measurement, not an amount. */
const MAX_SCALE = 10

/** Signs and names of currencies. */
const CURRENCY = String.raw`(?:[$€£¥₹₽₩₺]|US\$|R\$|EUR|USD|GBP|CHF|JPY|INR|Rs\.?)`
const BODY = String.raw`(?:\d[\d.,'’ \u{a0}\u{2009}\u{202f}]*|[.,]\d[\d]*)(?:[eE][+-]?\d{1,3})?`
const NUMBER = new RegExp(
  String.raw`^(?<open>\()?(?<sign>[+-])?(?:(?<currency>${CURRENCY})(?<gap> ?))?(?<body>${BODY})(?<after>\s*(?:%|[^\s\d.,()+-][^\d()+]{0,11}))?(?<trail>-)?(?<close>\))?$`,
  'u',
)

type Parts = {
  readonly count: number
  readonly body: string
  readonly sign: string
  readonly currency: string
  readonly gap: string
  readonly after: string
  readonly isInParentheses: boolean
  readonly isTrailing: boolean
}

/** The types of numbers that texts may have. */
export function numbersIn(texts: readonly CountedText[]): Inferred[] {
  // `007` is a code, not a number: its zeros would be lost.
  if (texts.some(({ text }) => /^[+-]?0\d+(?:[.,]\d+)?$/.test(text))) return []
  if (!isMostly(texts, (text) => NUMBER.test(text))) return []
  const all = texts.flatMap((text) => partsOf(text))
  const affixes = affixesOf(all)
  if (affixes === undefined) return []
  const numbers = all.filter(({ body, after, currency }) => /\d/.test(body) && affixes.isUsed(after, currency))
  return readingsOf(numbers).flatMap(({ reading, note }) =>
    typesOf(numbers, reading, affixes.scale).map((type): Inferred => {
      const notes = [affixes.note, note].filter((one) => one !== undefined)
      return { type, ...reading, ...affixes.reading, ...(notes.length === 0 ? {} : { note: notes.join('; ') }) }
    }),
  )
}

function partsOf({ text, count }: CountedText): Parts[] {
  const {
    open,
    sign = '',
    currency = '',
    gap = '',
    body = '',
    after = '',
    trail,
    close,
  } = NUMBER.exec(text)?.groups ?? {}
  if (body === '' || (open === undefined) !== (close === undefined)) return []
  const isInParentheses = open !== undefined
  return [{ count, body: body.trim(), sign, currency, gap, after, isInParentheses, isTrailing: trail !== undefined }]
}

type Affixes = {
  readonly reading: Reading
  readonly isUsed: (after: string, currency: string) => boolean
  /** Digits that the largest factor adds before the point. */
  readonly scale: number
  readonly note?: string
}

const FACTORS: Readonly<Record<string, number>> = {
  K: 1e3,
  M: 1e6,
  MM: 1e6,
  B: 1e9,
  BN: 1e9,
  MIO: 1e6,
  MRD: 1e9,
  T: 1e12,
}

/** What stands around the numbers; undefined where it is not of one kind, so that they cannot be compared. */
function affixesOf(all: readonly Parts[]): Affixes | undefined {
  const total = weightOf(all.map(({ count }) => ({ text: '', count })))
  const shareOf = (is: (parts: Parts) => boolean) =>
    all.reduce((sum, one) => sum + (is(one) ? one.count : 0), 0) / total
  const negatives = [
    ...(all.some(({ isInParentheses }) => isInParentheses) ? (['parentheses'] as const) : []),
    ...(all.some(({ isTrailing }) => isTrailing) ? (['trailing'] as const) : []),
  ]
  const base: Reading = negatives.length === 0 ? {} : { negatives }
  const afters = Map.groupBy(all, ({ after }) => after.trim())
  const units = [...afters.keys()].filter((unit) => unit !== '')
  if (shareOf(({ currency }) => currency !== '') >= 0.5) {
    const signs = new Set(all.map(({ currency }) => currency).filter((one) => one !== ''))
    const [sign = ''] = signs
    if (signs.size > 1) return undefined
    const isOptional = all.some(({ currency }) => currency === '')
    const factors = units.length === 0 ? undefined : factorsOf(units)
    if (units.length > 0 && factors === undefined) return undefined
    const pattern = `${isOptional ? '(?:' : ''}${escaped(sign)} ?${isOptional ? ')?' : ''}(.+)`
    const isNegative = all.some((one) => one.currency !== '' && (one.sign !== '' || one.isInParentheses))
    return {
      reading: {
        ...(isNegative ? {} : base),
        extract: pattern,
        ...(factors === undefined ? {} : { suffixes: factors }),
      },
      // A sign before that of the currency does not fit the pattern.
      isUsed: () => true,
      scale: factors === undefined ? 0 : 12,
      note: 'an amount of money',
    }
  }
  if (units.length === 0) return { reading: base, isUsed: () => true, scale: 0 }
  if (units.every((unit) => unit === '%')) {
    return {
      reading: { ...base, percentOf: 100 },
      isUsed: () => true,
      scale: 0,
      note: 'percent: `percentOf: 1` makes 87% 0.87',
    }
  }
  const factors = factorsOf(units)
  if (factors !== undefined) return { reading: { ...base, suffixes: factors }, isUsed: () => true, scale: 12 }
  const common = units.filter((unit) => shareOf(({ after }) => after.trim() === unit) >= 0.02)
  if (common.length === 0) return { reading: base, isUsed: (after) => after === '', scale: 0 }
  const [unit = ''] = common
  // Of several units only the plural of one is the same: seasons are no minutes.
  const isOne = common.length <= 2 && common.every((one) => isPlural(one, unit) || isPlural(unit, one))
  if (!isOne || common.some((one) => !/^[^\s\d]{1,12}$/u.test(one))) return undefined
  const suffixes = Object.fromEntries(common.map((one) => [one, 1]))
  return {
    reading: { ...base, suffixes },
    isUsed: (after) => after.trim() === '' || common.includes(after.trim()),
    scale: 0,
    note: 'numbers with a unit',
  }
}

const isPlural = (one: string, other: string) =>
  one === other || [`${other}s`, `${other}es`, `${other}en`, `${other}.`].includes(one)

function factorsOf(units: readonly string[]): Record<string, number> | undefined {
  const isFactor = units.every((unit) => FACTORS[unit.toUpperCase()] !== undefined)
  // A single small letter is a unit: metres, litres.
  if (!isFactor || units.every((unit) => /^[a-z]$/.test(unit) && unit !== 'k')) return undefined
  const known = new Set(units.map((unit) => unit.toUpperCase()))
  if (known.has('T') && known.size === 1) return undefined
  return Object.fromEntries([...known].sort().map((unit) => [unit, FACTORS[unit] ?? 1]))
}

const escaped = (text: string) => text.replaceAll(/[$.]/g, String.raw`\$&`)

const THOUSANDS = /^\d{1,3}(?:,\d{3})+$/
const GAP = String.raw`[ '’\u{a0}\u{2009}\u{202f}]`
const WITH_GAPS = new RegExp(String.raw`^\d{1,3}(?:${GAP}\d{3})+(?:[.,]\d*)?$`, 'u')

/** How the decimal sign and the groups may be meant, the likeliest first. */
function readingsOf(numbers: readonly Parts[]): { readonly reading: Reading; readonly note?: string }[] {
  const bodies = numbers.map(({ body }) => body)
  const has = (pattern: RegExp) => bodies.some((body) => pattern.test(body))
  // A comma that can only be the decimal sign: `2,5`, `1234,567`, `0,125`, `1.234,5`.
  const isCommaSure =
    has(/^(?:\d+,\d{1,2}|\d+,\d{4,}|\d{4,},\d+|0,\d+|,\d+|\d{1,3}(?:\.\d{3})+,\d*)$/) || has(/^\d{1,3}(?:\.\d{3}){2,}$/)
  const isPointSure =
    has(/^(?:\d*\.\d{1,2}|\d+\.\d{4,}|\d{4,}\.\d+|0\.\d+|\d+\.|\d{1,3}(?:,\d{3})+\.\d*)$/) ||
    has(/^\d{1,3}(?:,\d{3}){2,}$/)
  const isIndian = has(/^\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d*)?$/)
  const isGap = has(WITH_GAPS) && !isCommaSure
  if (isIndian && !has(/^\d+,\d{1,2}$/)) {
    return [{ reading: { grouping: 'indian' } }, { reading: { grouping: 'any' } }]
  }
  if (isCommaSure && isPointSure)
    return [{ reading: { decimal: 'any' }, note: 'the decimal sign is a point or a comma' }]
  if (isCommaSure) return [{ reading: { decimal: ',' } }]
  const isGrouped = bodies.some((body) => THOUSANDS.test(body))
  const isThousandth =
    !isPointSure && has(/^[1-9]\d{0,2}\.\d{3}$/) && bodies.every((body) => /^\d{1,3}(?:\.\d{3})?$/.test(body))
  const note =
    isGrouped && !isPointSure
      ? { note: '`n,nnn` is taken for thousands: check it' }
      : isThousandth && !isGap
        ? { note: "`n.nnn` is taken for a fraction, `decimal: ','` takes it for thousands: check it" }
        : {}
  return [{ reading: {}, ...note }, ...(has(/,\d+,/) ? [{ reading: { grouping: 'any' } as const }] : [])]
}

/** The types for numbers read in a way, the narrowest first. */
function typesOf(numbers: readonly Parts[], { decimal }: Reading, scale: number): string[] {
  const plain = numbers.map(({ body }) => {
    const sign = decimal === ',' ? ',' : '.'
    const isComma =
      decimal === 'any' && /^\d*,\d{1,2}$|^\d+,\d{4,}$|,\d*$/.test(body) && !/^\d{1,3}(?:,\d{3})+$/.test(body)
    const point = isComma ? ',' : sign
    const other = point === ',' ? '.' : ','
    return body.replaceAll(other, '').replaceAll(new RegExp(GAP, 'gu'), '').replace(point, '.')
  })
  const isExponent = plain.some((text) => /e/i.test(text))
  const parts = plain.map((text) => text.replace(/e.*$/i, '').split('.'))
  const whole = Math.max(0, ...parts.map(([before = '']) => before.length)) + scale
  const places = Math.max(0, ...parts.map(([, after = '']) => after.length))
  const isWhole = parts.every(([, after = '']) => /^0?$/.test(after))
  const wholes = whole <= BIGINT_DIGITS ? ['BIGINT'] : whole <= MAX_PRECISION ? [`DECIMAL(${MAX_PRECISION},0)`] : []
  if (isExponent) return ['BIGINT', 'DOUBLE']
  if (isWhole) return scale > 0 ? [...wholes, `DECIMAL(${MAX_PRECISION},2)`] : wholes
  if (places > MAX_SCALE || whole + places > MAX_PRECISION) return ['DOUBLE']
  // Amounts have two or four decimal places, also where these rows need fewer: a row with more than the type has is a
  // reject.
  const even = Math.min(places + (places % 2), MAX_PRECISION - whole)
  return [`DECIMAL(${whole + even <= USUAL_PRECISION ? USUAL_PRECISION : MAX_PRECISION},${even})`, 'DOUBLE']
}
