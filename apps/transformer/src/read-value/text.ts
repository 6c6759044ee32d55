import type { ColumnReading } from '@cinelake/pipeline'
import { literal } from '@cinelake/sql'

/**
 * A SQL expression. The functions of `read-*.ts` take one of type VARCHAR, the source's text, and return one; NULL
 * stays NULL. In a CASE the cheap conditions come first: the engine evaluates the next only for the remaining rows.
 */
export type Sql = string

/** A value that needs no cleaning of its text, and the condition for that. */
export type Straight = { readonly when: Sql; readonly value: Sql }

/** Characters that are trimmed: space, tab, line ends, no-break space. */
const BLANKS = [' ', '\t', '\n', '\r', '\u{a0}']

/** A text without surrounding blanks; NULL when nothing else is left. */
export function trimmed(text: Sql): Sql {
  // Comparing bytes costs half of trimming, which copies every text. `!` is the first character after the blanks of
  // ASCII.
  const isTrim = [
    `${text} >= '!'`,
    `NOT starts_with(${text}, '\u{a0}')`,
    ...BLANKS.map((blank) => `NOT ends_with(${text}, ${literal(blank)})`),
  ]
  return `CASE WHEN ${isTrim.join(' AND ')} THEN ${text} ELSE nullif(trim(${text}, ${literal(BLANKS.join(''))}), '') END`
}

/** A source's text after trimming, null words, extraction and replacement. */
export function cleaned(text: Sql, reading: ColumnReading, nulls: readonly string[]): Sql {
  return typedText(trimmed(text), reading, nulls)
}

/** The same for a text that came as one: nothing is trimmed. */
export function typedText(text: Sql, reading: ColumnReading, nulls: readonly string[]): Sql {
  const present = withoutWords(text, nulls, reading)
  const extracted =
    reading.extract === undefined ? present : `nullif(regexp_extract(${present}, ${literal(reading.extract)}, 1), '')`
  return withValues(extracted, reading.values)
}

/** Whether a text that parses as a number, a date or a boolean may be used without cleaning it. */
export function isStraight(reading: ColumnReading, nulls: readonly string[]): boolean {
  const mayBeValue = (word: string) => /\d|^(?:true|false)$/i.test(word)
  return reading.extract === undefined && reading.values === undefined && !nullWords(reading, nulls).some(mayBeValue)
}

/** Replaces whole texts, compared without case. */
export function withValues(text: Sql, values: ColumnReading['values']): Sql {
  const entries = Object.entries(values ?? {})
  if (entries.length === 0) return text
  const cases = entries.map(([from, to]) => `WHEN ${literal(from.trim().toLowerCase())} THEN ${literal(to)}`)
  return bound(text, 'found', (found) => `CASE lower(${found}) ${cases.join(' ')} ELSE ${found} END`)
}

/**
 * Computes an expression once and uses it several times. Costs about as much as one cast: meant for rarely taken paths.
 */
export function bound(expression: Sql, name: string, use: (name: Sql) => Sql): Sql {
  return `list_transform([${expression}], lambda ${name}: ${use(name)})[1]`
}

function nullWords(reading: ColumnReading, nulls: readonly string[]): string[] {
  const words = [...nulls, ...(reading.nulls ?? [])].map((word) => word.trim().toLowerCase())
  return [...new Set(words)].filter((word) => word !== '')
}

/** A text, NULL where it is a word for "no value". */
export function withoutWords(text: Sql, nulls: readonly string[], reading: ColumnReading): Sql {
  const words = nullWords(reading, nulls)
  if (words.length === 0) return text
  // Bytes. Some letters are longer in upper case.
  const longest = 2 * Math.max(...words.map((word) => Buffer.byteLength(word)))
  return `CASE WHEN strlen(${text}) <= ${longest} AND lower(${text}) IN (${words.map(literal).join(', ')}) THEN NULL ELSE ${text} END`
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
