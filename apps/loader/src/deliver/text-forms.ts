import type { CsvForm } from '@cinelake/pipeline'
import { identifier, literal } from '@cinelake/sql'

/** A column with the engine's name of its type, as contracts have it: `DECIMAL(10,2)`, `VARCHAR[]`. */
export type TypedColumn = { readonly name: string; readonly type: string }

/** How values become text: of CSV what its text says, of workbooks ISO 8601. */
export type TextForm = Pick<CsvForm, 'decimal' | 'dates' | 'times'>

export const PLAIN_TEXT: TextForm = { decimal: '.' }

/** An expression for the exact text of a column; NULL of NULL. */
export function textOf({ name, type }: TypedColumn, form: TextForm = PLAIN_TEXT): string {
  return textSql(identifier(name), type.trim().toUpperCase(), form)
}

function textSql(value: string, type: string, { decimal, dates, times }: TextForm): string {
  if (type.endsWith('[]')) return listSql(value, type.slice(0, -2))
  if (/^(?:VARCHAR|JSON|UUID)/.test(type)) return `${value}::VARCHAR`
  if (type === 'DOUBLE' || type === 'FLOAT') return withDecimal(floatSql(value), decimal)
  if (type.startsWith('DECIMAL')) return withDecimal(`${value}::VARCHAR`, decimal)
  if (type === 'DATE') return `strftime(${value}, ${literal(dates ?? '%Y-%m-%d')})`
  if (type === 'BLOB') return `lower(hex(${value}))`
  if (type.startsWith('TIMESTAMP'))
    return times === undefined ? instantSql(value, type) : `strftime(${value}, ${literal(times)})`
  return /^(?:STRUCT|MAP|UNION)/.test(type) ? `to_json(${value})::VARCHAR` : `${value}::VARCHAR`
}

/** Digits of a second only where there are some. */
function instantSql(value: string, type: string): string {
  const zone = type.includes('ZONE') || type === 'TIMESTAMPTZ' ? 'Z' : ''
  const fraction = `CASE WHEN epoch_us(${value}) % 1000000 = 0 THEN '' ELSE strftime(${value}, '.%f') END`
  return `strftime(${value}, '%Y-%m-%dT%H:%M:%S') || ${fraction} || '${zone}'`
}

function floatSql(value: string): string {
  return `CASE WHEN isnan(${value}) THEN 'NaN' WHEN isinf(${value}) THEN if(${value} > 0, 'Infinity', '-Infinity') ELSE ${value}::VARCHAR END`
}

function withDecimal(text: string, decimal: TextForm['decimal']): string {
  return decimal === '.' ? text : `replace(${text}, '.', ${literal(decimal)})`
}

/** A JSON list, with the items as the mart has them: decimals, times and bytes as text, NaN and infinity as well. */
function listSql(value: string, item: string): string {
  const text = textSql('x', item, PLAIN_TEXT)
  const isWord = /^(?:BOOLEAN|TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)$/.test(item)
  const isFloat = item === 'DOUBLE' || item === 'FLOAT'
  const quoted = `to_json(${text})::VARCHAR`
  const json = item.endsWith('[]') || isWord ? text : isFloat ? `if(isfinite(x), ${text}, ${quoted})` : quoted
  return `CASE WHEN ${value} IS NOT NULL THEN '[' || coalesce(array_to_string(list_transform(${value}, x -> coalesce(${json}, 'null')), ','), '') || ']' END`
}
