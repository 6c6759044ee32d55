import type { CheckedColumn, ColumnReading } from '@cinelake/pipeline'
import { dateOf, straightDate } from './date.ts'
import { itemsOf, typedItems } from './list.ts'
import { isWhole, numberOf, straightNumber } from './number.ts'
import { bound, cleaned, isStraight, type Sql, type Straight } from './text.ts'

/** How a source's text is converted to a column's value. */
export type ColumnSql = {
  /** The value in the column's type; NULL for a missing value, or for a text that is not of the type. */
  readonly value: Sql
  /** The cleaned text. Where it is not NULL and the value is, the text is not of the type. */
  readonly text: Sql
}

/**
 * @param raw an expression of type VARCHAR: the source's text
 * @param nulls the dataset's words for "no value"
 */
export function readColumn(
  { type, reading }: Pick<CheckedColumn, 'type' | 'reading'>,
  raw: Sql,
  nulls: readonly string[],
): ColumnSql {
  const { values: _, ...itemwise } = reading
  // In a list, the values are replaced item by item.
  const text = cleaned(raw, type.endsWith('[]') ? itemwise : reading, nulls)
  if (type === 'VARCHAR') return { value: text, text }
  const careful = bound(text, 'given', (given) => convert(given, type, reading))
  const cases = isStraight(reading, nulls) ? straightly(raw, type, reading) : []
  if (cases.length === 0) return { value: careful, text }
  const whens = cases.map(({ when, value }) => `WHEN ${when} THEN ${value}`)
  return { value: `CASE ${whens.join(' ')} ELSE ${careful} END`, text }
}

function straightly(raw: Sql, type: string, reading: ColumnReading): readonly Straight[] {
  if (isNumber(type)) return straightNumber(raw, type, reading)
  if (type === 'BOOLEAN') return [{ when: `${raw} IN ('true', 'false')`, value: `${raw} = 'true'` }]
  return straightDate(raw, type, reading)
}

function convert(text: Sql, type: string, reading: ColumnReading): Sql {
  if (type.endsWith('[]')) {
    const itemType = type.slice(0, -2)
    const items = itemsOf(text, reading)
    return itemType === 'VARCHAR' ? items : typedItems(items, (item) => convert(item, itemType, reading))
  }
  if (type === 'VARCHAR') return text
  if (type === 'BOOLEAN') return booleanOf(text)
  return isNumber(type) ? numberOf(text, type, reading) : dateOf(text, type, reading)
}

function booleanOf(text: Sql): Sql {
  return `CASE WHEN lower(${text}) IN ('true', 't', 'yes', 'y', '1') THEN true WHEN lower(${text}) IN ('false', 'f', 'no', 'n', '0') THEN false END`
}

function isNumber(type: string): boolean {
  return isWhole(type) || type === 'DOUBLE' || type.startsWith('DECIMAL(')
}
