import { identifier, literal } from '@cinelake/sql'

/** First and last value that a database holds, as the engine's literals. */
type Range = { readonly first: string; readonly last: string; readonly holdsInfinity: boolean }

/** The values that a warehouse holds, as data: known without its driver. Absent: every value of the type. */
export type WarehouseLimits = {
  readonly dates?: Range
  /** Of times with a date, with and without a zone; the literals are UTC. */
  readonly instants?: Range
  /** Times of day. */
  readonly times?: Range
  /** Whether a DOUBLE or FLOAT may be NaN or infinite. Default: yes. */
  readonly holdsNonFinite?: boolean
  readonly key?: {
    /** Bytes of all columns of the key together. */
    readonly bytes: number
    /** Bytes that a text or a BLOB of the key takes in addition to its characters. */
    readonly bytesPerText: number
    /** Bytes that another column of the key takes at most. */
    readonly bytesPerOther: number
    /** How texts are counted. `utf16`: two bytes for each UTF-16 unit. */
    readonly text: 'utf8' | 'utf16'
  }
}

/** A condition for the rows that a warehouse can hold, in the engine's SQL; such rows and NULL satisfy it. */
export type LimitRule = {
  /** What it is about and its limit: `mart(paid_on): from 0001-01-01 to 9999-12-31`. */
  readonly name: string
  readonly severity: 'error'
  readonly expression: string
}

type LimitedTable = {
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly primaryKey: readonly string[]
}

/** The rules for the rows of a table that a warehouse with these limits is to hold; none for most columns. */
export function limitRules(limits: WarehouseLimits, { columns, primaryKey }: LimitedTable): LimitRule[] {
  const rules = columns.flatMap(({ name, type }) => {
    const what = type.trim().toUpperCase()
    if (what === 'DATE') return rangeRule(name, 'DATE', limits.dates)
    if (what === 'TIME') return rangeRule(name, 'TIME', limits.times)
    if (what === 'TIMESTAMP') return rangeRule(name, 'TIMESTAMP', limits.instants)
    if (what === 'TIMESTAMP WITH TIME ZONE') return rangeRule(name, 'TIMESTAMPTZ', limits.instants)
    if ((what === 'DOUBLE' || what === 'FLOAT') && limits.holdsNonFinite === false)
      return [rule(`mart(${name}): finite numbers`, `isfinite(${identifier(name)})`)]
    return []
  })
  const key = columns.filter(({ name }) => primaryKey.includes(name))
  return [...rules, ...keyRule(key, limits.key)]
}

function rule(name: string, expression: string): LimitRule {
  return { name, severity: 'error', expression }
}

function rangeRule(name: string, type: string, range: Range | undefined): LimitRule[] {
  if (range === undefined) return []
  const { first, last, holdsInfinity } = range
  const zone = type === 'TIMESTAMPTZ' ? '+00' : ''
  const value = identifier(name)
  const within = `${value} BETWEEN ${type} ${literal(`${first}${zone}`)} AND ${type} ${literal(`${last}${zone}`)}`
  return [
    rule(`mart(${name}): from ${first} to ${last}`, holdsInfinity ? `${within} OR NOT isfinite(${value})` : within),
  ]
}

/** A key of numbers and dates alone is far below every limit. */
function keyRule(key: LimitedTable['columns'], limit: WarehouseLimits['key']): LimitRule[] {
  const kindOf = (type: string) => (/^VARCHAR/i.test(type) && !type.endsWith('[]') ? 'text' : type.toUpperCase())
  const long = key.filter(({ type }) => ['text', 'BLOB'].includes(kindOf(type)))
  if (limit === undefined || long.length === 0) return []
  const bytes = limit.bytes - long.length * limit.bytesPerText - (key.length - long.length) * limit.bytesPerOther
  const total = (count: (name: string) => string) =>
    long
      .map(({ name, type }) =>
        kindOf(type) === 'BLOB' ? `octet_length(${identifier(name)})` : count(identifier(name)),
      )
      .join(' + ')
  const names = key.map(({ name }) => name).join(', ')
  // A text has at most as many UTF-16 units as bytes of UTF-8, and these are known without counting.
  const expression =
    limit.text === 'utf8'
      ? `${total((name) => `strlen(${name})`)} <= ${bytes}`
      : `${total((name) => `2 * strlen(${name})`)} <= ${bytes} OR ${total((name) => `2 * ${utf16Units(name)}`)} <= ${bytes}`
  const [what, size] = limit.text === 'utf8' ? ['bytes', bytes] : ['UTF-16 units', Math.floor(bytes / 2)]
  return [rule(`mart(${names}): at most ${size} ${what} in the key`, expression)]
}

/** A character beyond U+FFFF takes two. */
function utf16Units(text: string): string {
  return `(length(${text}) + length(regexp_replace(${text}, '[^\\x{10000}-\\x{10FFFF}]', '', 'g')))`
}
