import type { CheckedColumn, ColumnReading } from '@cinelake/pipeline'
import { dateOf, straightDate } from './date.ts'
import { itemsOf, typedItems } from './list.ts'
import { isNumber, numberOf, straightNumber } from './number.ts'
import { asJson, isAmbiguous, isJsonNull, isNested, valueAt } from './path.ts'
import { type Sql, type Straight, bound, isStraight, meaningOf, trimmed, unpadded, withoutWords } from './text.ts'

/** How a source's text is converted to a column's value. */
export type ColumnSql = {
  /** The value in the column's type; NULL for a missing value, or for a text that is not of the type. */
  readonly value: Sql
  /** The cleaned text. Where it is not NULL and the value is, the text is not of the type. */
  readonly text: Sql
}

/** Whether a text may have no value: a text column of which nothing is asked takes every text. */
export function mayMisfit({ value, text }: ColumnSql): boolean {
  return value !== text
}

/**
 * @param raw an expression of type VARCHAR: the source's text
 * @param nulls the dataset's words for "no value"
 * @param isTyped the source has texts of its own, apart from other types: they are taken as they are, and an empty one is
 * not of another type
 */
export function readColumn(
  { type, reading }: Pick<CheckedColumn, 'type' | 'reading'>,
  raw: Sql,
  nulls: readonly string[],
  isTyped = false,
): ColumnSql {
  if (reading.path !== undefined) return readPath({ type, reading }, raw, reading.path, nulls)
  const { values: _, ...itemwise } = reading
  // In a list, the values are replaced item by item.
  const cleaning = type.endsWith('[]') ? itemwise : reading
  const trims = reading.trim ?? !(isTyped && type === 'VARCHAR')
  const { meant, text: present } = meaningOf(raw, { reading: cleaning, nulls, trims })
  if (type === 'VARCHAR') return { value: meant, text: present }
  // Looked at only where there is no value.
  const blank = `CASE WHEN ${trimmed(raw)} IS NULL THEN ${withoutWords(raw, nulls, reading, unpadded)} END`
  const text = isTyped && reading.trim === undefined ? `coalesce(${present}, ${blank})` : present
  const careful = bound(meant, 'given', (given) => convert(given, type, reading))
  const cases = isStraight(reading, nulls) ? straightly(raw, type, reading) : []
  if (cases.length === 0) return { value: careful, text }
  const whens = cases.map(({ when, value }) => `WHEN ${when} THEN ${value}`)
  return { value: `CASE ${whens.join(' ')} ELSE ${careful} END`, text }
}

/** A column of JSON or of what Python prints, of which one value is meant. */
function readPath(
  { type, reading }: Pick<CheckedColumn, 'type' | 'reading'>,
  raw: Sql,
  path: string,
  nulls: readonly string[],
): ColumnSql {
  const { path: _, ...rest } = reading
  const json = asJson(raw)
  const leaf = readColumn({ type, reading: rest }, 'leaf', nulls, true)
  const present = trimmed(raw)
  const within = (use: (leafSql: ColumnSql) => Sql, otherwise: Sql) =>
    bound(
      json,
      'nested',
      (nested) =>
        `CASE WHEN ${isNested(nested)} AND NOT ${isAmbiguous(nested, path)} THEN ${bound(valueAt(nested, path), 'leaf', () => use(leaf))} WHEN ${isJsonNull(nested)} THEN NULL ELSE ${otherwise} END`,
    )
  return { value: within(({ value }) => value, 'NULL'), text: within(({ text }) => text, present) }
}

function straightly(raw: Sql, type: string, reading: ColumnReading): readonly Straight[] {
  if (isNumber(type)) return straightNumber(raw, type, reading)
  if (type === 'BOOLEAN') return [{ when: `${raw} IN ('true', 'false')`, value: `${raw} = 'true'` }]
  return straightDate(raw, type, reading)
}

/** A value from a trimmed text; NULL for a text that is not of the type. */
function convert(text: Sql, type: string, reading: ColumnReading): Sql {
  if (type.endsWith('[]')) {
    const itemType = type.slice(0, -2)
    const items = itemsOf(text, reading)
    if (itemType === 'VARCHAR') return items
    return typedItems(
      items,
      (item) => bound(trimmed(item), 'element', (element) => convert(element, itemType, reading)),
      (item) => `${item} IS NULL`,
    )
  }
  if (type === 'VARCHAR') return text
  if (type === 'BOOLEAN') return booleanOf(text)
  return isNumber(type) ? numberOf(text, type, reading) : dateOf(text, type, reading)
}

export function booleanOf(text: Sql): Sql {
  return `CASE WHEN lower(${text}) IN ('true', 't', 'yes', 'y', '1') THEN true WHEN lower(${text}) IN ('false', 'f', 'no', 'n', '0') THEN false END`
}
