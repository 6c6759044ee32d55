/**
 * The types that a column's type can be widened to, in DuckDB's type names: `INTEGER`, `DECIMAL(10,2)`, `VARCHAR[]`.
 *
 * A type is a lossless replacement if it holds every value of the old type and casting back gives the same value:
 * whole numbers and decimals into larger ones, whole numbers into a DOUBLE that has all of their digits, and into text
 * the types whose values have one spelling only: digits of numbers with all digits of their scale (`-12`, `7.50`),
 * `true` and `false`, days as `yyyy-mm-dd`. A DOUBLE and an instant have several spellings as text, and a day becomes
 * an instant in a time zone that cannot be derived from the data: none of these is lossless.
 */

/** Digits before the decimal point, digits after it. */
type Digits = { readonly whole: number; readonly scale: number }

/** Digits of which a DOUBLE holds every whole number. Source: IEEE 754, 53 bits */
const DOUBLE_DIGITS = 15

/** Digits of the largest value. */
const INTEGERS: Readonly<Record<string, number>> = { TINYINT: 3, SMALLINT: 5, INTEGER: 10, BIGINT: 19 }

const DECIMAL = /^DECIMAL\((\d+), ?(\d+)\)$/

/** Whether every value of a type exists in another type and casts back to the same value. */
export function isLossless(from: string, to: string): boolean {
  if (from === to) return true
  if (from.endsWith('[]') && to.endsWith('[]')) return isLossless(from.slice(0, -2), to.slice(0, -2))
  const [before, after] = [digitsOf(from), digitsOf(to)]
  if (to === 'VARCHAR') return before !== undefined || from === 'BOOLEAN' || from === 'DATE'
  if (from === 'FLOAT') return to === 'DOUBLE'
  if (before === undefined) return false
  if (to === 'DOUBLE') return before.scale === 0 && before.whole <= DOUBLE_DIGITS
  if (after === undefined) return false
  const isLarger = before.whole <= after.whole && before.scale <= after.scale
  // Ten digits are more than an INTEGER has: it holds those of nine only. DECIMAL(10,0) holds all of an INTEGER.
  return INTEGERS[to] !== undefined && INTEGERS[from] === undefined ? isLarger && before.whole < after.whole : isLarger
}

function digitsOf(type: string): Digits | undefined {
  const integer = INTEGERS[type]
  if (integer !== undefined) return { whole: integer, scale: 0 }
  const [, precision, scale] = DECIMAL.exec(type) ?? []
  return precision === undefined ? undefined : { whole: Number(precision) - Number(scale), scale: Number(scale) }
}

/**
 * SQL condition: whether a value that is not NULL exists in another type and casts back to the same value.
 * @param value SQL of the old type
 */
export function fitsSql(value: string, from: string, to: string): string {
  if (isLossless(from, to)) return 'true'
  if (!isComparable(from, to)) return 'false'
  return `coalesce(TRY_CAST(TRY_CAST(${value} AS ${to}) AS ${from}) = ${value}, false)`
}

/** Whether a cast to the other type and back shows, value by value, that nothing is lost. */
function isComparable(from: string, to: string): boolean {
  if (from.endsWith('[]') && to.endsWith('[]')) return isComparable(from.slice(0, -2), to.slice(0, -2))
  if (isNumber(from) && isNumber(to)) return true
  return from === 'VARCHAR' && (isNumber(to) || to === 'DATE' || to === 'BOOLEAN')
}

export function isNumber(type: string): boolean {
  return digitsOf(type) !== undefined || type === 'FLOAT' || type === 'DOUBLE'
}
