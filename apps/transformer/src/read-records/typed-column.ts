import type { CheckedColumn } from '@cinelake/pipeline'
import { literal } from '@cinelake/sql'
import { type ColumnSql, readColumn } from '../read-value/column.ts'
import { bound, type Sql, trimmed, withoutWords } from '../read-value/text.ts'
import { KIND, type Kind } from './record.ts'

/**
 * How cells with types become a column's value.
 * @param raw the cells' text
 * @param kinds all that occur in the column
 * @param kind an expression for the kind of each cell, where there are several
 */
export function readTyped(
  column: CheckedColumn,
  raw: Sql,
  { kinds, kind }: { readonly kinds: readonly Kind[]; readonly kind: Sql },
  nulls: readonly string[],
): ColumnSql {
  const forms = kinds.map((one) => ({ one, sql: readKind(one, column, raw, nulls) }))
  const [only, ...others] = forms
  if (only === undefined) return { value: `CAST(NULL AS ${column.type})`, text: 'CAST(NULL AS VARCHAR)' }
  if (others.length === 0) return only.sql
  const choose = (of: 'value' | 'text') =>
    `CASE ${kind} ${forms.map(({ one, sql }) => `WHEN ${literal(one)} THEN ${sql[of]}`).join(' ')} END`
  return { value: choose('value'), text: choose('text') }
}

function readKind(kind: Kind, column: CheckedColumn, raw: Sql, nulls: readonly string[]): ColumnSql {
  const { type, reading } = column
  const no = { value: `CAST(NULL AS ${type})`, text: withoutWords(raw, nulls, reading) }
  const isList = type.endsWith('[]')
  // One value in an object or list is meant.
  if (reading.path !== undefined && kind !== KIND.error) return readColumn(column, raw, nulls, true)
  switch (kind) {
    case KIND.error:
      return no
    case KIND.written:
      return readColumn(column, raw, nulls)
    case KIND.time:
      return textOf({ type, reading: plainTime(reading, type) }, raw, nulls)
    case KIND.json:
      return type === 'VARCHAR' ? { value: raw, text: raw } : no
    case KIND.texts:
    case KIND.scalars:
      return isList ? { value: listOf(kind, column, raw), text: raw } : no
    case KIND.text:
      return textOf(column, raw, nulls)
    case KIND.boolean:
      return type === 'VARCHAR' || type === 'BOOLEAN' ? textOf(column, raw, nulls) : no
    default:
      return isList ? no : textOf({ type, reading: isNumeric(type) ? plainNumber(reading) : reading }, raw, nulls)
  }
}

type Column = Pick<CheckedColumn, 'type' | 'reading'>

function textOf(column: Column, raw: Sql, nulls: readonly string[]): ColumnSql {
  const { type, reading } = column
  if (type === 'VARCHAR') return readColumn(column, raw, nulls, true)
  // A text is one item of a list only where the text of the pipeline says how lists are written.
  if (type.endsWith('[]') && reading.separators === undefined)
    return { value: `CAST(NULL AS ${type})`, text: withoutWords(raw, nulls, reading) }
  const { value, text } = readColumn(column, raw, nulls, true)
  // A text without a letter is there all the same.
  return { value, text: `CASE WHEN ${trimmed(raw)} IS NULL THEN ${withoutWords(raw, nulls, reading)} ELSE ${text} END` }
}

function isNumeric(type: string): boolean {
  return /^(?:BIGINT|INTEGER|DOUBLE|DECIMAL)/.test(type)
}

/** Of a day with a time, which has to be midnight then. */
const ISO_DAYS = ['%Y-%m-%d', '%Y-%m-%d %H:%M:%S', '%Y-%m-%dT%H:%M:%S']

/** A time that came as one is in no format of a text. */
function plainTime(reading: Column['reading'], type: string): Column['reading'] {
  const formats = type === 'DATE' ? ISO_DAYS : undefined
  return { ...reading, formats, language: undefined, pivotYear: undefined }
}

/** A number that came as one has no thousands separators, and a point. */
function plainNumber(reading: Column['reading']): Column['reading'] {
  return {
    ...reading,
    decimal: undefined,
    percentOf: undefined,
    grouping: undefined,
    negatives: undefined,
    suffixes: undefined,
  }
}

/** Items keep their places; one that is not of the type rejects the list. */
function listOf(kind: Kind, { type, reading }: Column, raw: Sql): Sql {
  const items = `json_extract_string(${raw}, '$[*]')`
  const itemType = type.slice(0, -2)
  const item = { type: itemType, reading: kind === KIND.scalars ? plainNumber(reading) : reading }
  if (itemType === 'VARCHAR') return items
  const converted = `list_transform(${items}, lambda one: ${readColumn(item, 'one', []).value})`
  const missing = (list: Sql) => `len(list_filter(${list}, lambda each: each IS NULL))`
  return bound(converted, 'all', (all) => `CASE WHEN ${missing(all)} = ${missing(items)} THEN ${all} END`)
}
