import type { ColumnReading } from '@cinelake/pipeline'
import { literal } from '@cinelake/sql'

/**
 * A SQL expression. The functions of this folder take one of type VARCHAR, the source's text, and return one; NULL
 * stays NULL. In a CASE the cheap conditions come first: the engine evaluates the next only for the remaining rows.
 */
export type Sql = string

/** A value that needs no cleaning of its text, and the condition for that. */
export type Straight = { readonly when: Sql; readonly value: Sql }

/** Blanks of ASCII: those of Unicode's White_Space. */
const ASCII_BLANKS = [' ', '\t', '\n', '\r', '\v', '\f']
/**
 * What is trimmed: Unicode's White_Space, and characters without width. Source: unicode.org/Public/UCD/latest/ucd/PropList.txt
 */
const BLANK = String.raw`[\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{180e}\x{2000}-\x{200d}\x{2028}\x{2029}\x{202f}\x{205f}\x{2060}\x{3000}\x{feff}]`
const EDGES = String.raw`\A${BLANK}+|${BLANK}+\z`
const AT_START = String.raw`\A${BLANK}`
const AT_END = String.raw`${BLANK}\z`

/** Ranges of characters without a blank among them: those of most alphabets, and of East Asian writing. */
const LETTERS = [
  ['!', '~'],
  ['\u{a1}', '\u{167f}'],
  ['\u{3001}', '\u{fdff}'],
] as const

/** A text without surrounding blanks; NULL when nothing else is left. */
export function trimmed(text: Sql): Sql {
  // Comparing bytes costs a third of a regular expression. `!` is the first character after the blanks of ASCII; a text
  // with as many bytes as characters has no others.
  const isTrim = [
    `${text} >= '!'`,
    ...ASCII_BLANKS.map((blank) => `NOT ends_with(${text}, ${literal(blank)})`),
    `length(${text}) = strlen(${text})`,
  ]
  const begins = LETTERS.map(([from, to]) => `(${text} >= ${literal(from)} AND ${text} < ${literal(to)})`).join(' OR ')
  const ends = LETTERS.map(
    ([from, to]) => `WHEN (${begins}) AND substr(${text}, -1) BETWEEN ${literal(from)} AND ${literal(to)} THEN ${text}`,
  )
  return `CASE WHEN ${isTrim.join(' AND ')} THEN ${text} ${ends.join(' ')} \
WHEN regexp_matches(${text}, ${literal(AT_START)}) OR regexp_matches(${text}, ${literal(AT_END)}) THEN nullif(regexp_replace(${text}, ${literal(EDGES)}, '', 'g'), '') \
ELSE nullif(${text}, '') END`
}

/** What a text means, after trimming, null words, replacement and extraction. */
export type Meaning = {
  /** The text to convert; NULL too for a text that the extraction does not match. */
  readonly meant: Sql
  /** The text that is there, NULL where none is: with it and without a value, the row is rejected. */
  readonly text: Sql
}

/** @param trims whether blanks around the text are dropped, and a blank text is NULL */
export function meaningOf(
  text: Sql,
  {
    reading,
    nulls,
    trims,
  }: { readonly reading: ColumnReading; readonly nulls: readonly string[]; readonly trims: boolean },
): Meaning {
  const present = trims ? withoutWords(trimmed(text), nulls, reading) : withoutWords(text, nulls, reading, unpadded)
  const { extract } = reading
  if (extract === undefined) {
    const meant = withValues(present, reading.values)
    return { meant, text: meant }
  }
  const { pattern, part = false, noMatch = 'reject' } = typeof extract === 'string' ? { pattern: extract } : extract
  const form = literal(part ? pattern : `\\A(?:${pattern})\\z`)
  const extracted = (given: Sql) =>
    `CASE WHEN regexp_matches(${given}, ${form}) THEN nullif(regexp_extract(${given}, ${form}, 1), '') END`
  const meant = bound(present, 'whole', (whole) => withValues(whole, reading.values, extracted(whole)))
  return { meant, text: noMatch === null ? meant : present }
}

/** Whether a text that parses as a number, a date or a boolean may be used without cleaning it. */
export function isStraight(reading: ColumnReading, nulls: readonly string[]): boolean {
  const mayBeValue = (word: string) => /\d|^(?:true|false)$/i.test(word)
  return reading.extract === undefined && reading.values === undefined && !nullWords(reading, nulls).some(mayBeValue)
}

/** A text as databases compare it: `char(n)` fills texts with blanks, which do not count. */
export function unpadded(text: Sql): Sql {
  return `rtrim(${text}, ' ')`
}

/** Replaces whole texts, compared without case and blanks behind them. @param otherwise what any other text becomes */
export function withValues(text: Sql, values: ColumnReading['values'], otherwise = text): Sql {
  const entries = Object.entries(values ?? {})
  if (entries.length === 0) return otherwise
  const cases = entries.map(([from, to]) => `WHEN ${literal(from.trim().toLowerCase())} THEN ${literal(to)}`)
  if (otherwise !== text) return `CASE lower(${unpadded(text)}) ${cases.join(' ')} ELSE ${otherwise} END`
  return bound(text, 'found', (found) => `CASE lower(${unpadded(found)}) ${cases.join(' ')} ELSE ${found} END`)
}

/**
 * Computes an expression once and uses it several times. Costs about as much as one cast: meant for rarely taken paths.
 */
export function bound(expression: Sql, name: string, use: (name: Sql) => Sql): Sql {
  return `list_transform([${expression}], lambda ${name}: ${use(name)})[1]`
}

function nullWords(reading: ColumnReading, nulls: readonly string[]): string[] {
  return [...new Set([...nulls, ...(reading.nulls ?? [])].map((word) => word.trim().toLowerCase()))]
}

/**
 * A text, NULL where it is a word for "no value".
 * @param compared what of the text is compared, if not all of it
 */
export function withoutWords(
  text: Sql,
  nulls: readonly string[],
  reading: ColumnReading,
  compared = (whole: Sql): Sql => whole,
): Sql {
  const words = nullWords(reading, nulls)
  if (words.length === 0) return text
  // Bytes. Some letters are longer in upper case.
  const longest = 2 * Math.max(...words.map((word) => Buffer.byteLength(word)))
  const whole = compared(text)
  return `CASE WHEN strlen(${whole}) <= ${longest} AND lower(${whole}) IN (${words.map(literal).join(', ')}) THEN NULL ELSE ${text} END`
}

/** Whether values of a type contain text. */
export function isTextual(type: string): boolean {
  return type === 'VARCHAR' || type === 'VARCHAR[]'
}

/**
 * Whether a text contains NUL: the one character that SQL text may hold in files and engines, but not in a database.
 */
export function hasNul(value: Sql, type = 'VARCHAR'): Sql {
  return `coalesce(contains(${type === 'VARCHAR' ? value : `CAST(${value} AS VARCHAR)`}, chr(0)), false)`
}
