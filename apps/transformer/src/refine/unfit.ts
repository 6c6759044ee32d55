import type { LandedFile } from '@cinelake/contracts'
import type { CheckedColumn } from '@cinelake/pipeline'
import { identifier, literal } from '@cinelake/sql'
import { type ColumnSql, readColumn } from '../read-value/column.ts'

/** The values of a landed file that do not fit the type which their column landed as. */
export type Unfit = NonNullable<LandedFile['unfit']>

/** What the ingest writes before bytes that are not Unicode. */
const BYTES = literal(String.raw`\x`)

/**
 * A column of typed values with texts beside it where the source has a value that its type cannot hold. A text column
 * takes such a text as it is, if it is one; other columns only where their reading makes a value of it (`values`, null
 * words). Otherwise it is not of the type.
 * @param texts SQL of the struct of the texts
 * @param landed the type of the values
 */
export function orUnfit(
  { value, text }: ColumnSql,
  {
    column,
    texts,
    name,
    landed,
    nulls,
  }: {
    readonly column: Pick<CheckedColumn, 'type' | 'reading'>
    readonly texts: string
    /** Of the column in the file. */
    readonly name: string
    readonly landed: string
    readonly nulls: readonly string[]
  },
): ColumnSql {
  const unfit = `struct_extract(${texts}, ${literal(name)})`
  const read = readColumn(column, unfit, nulls, true)
  // A text that does not fit a text is none: its bytes, or halves of characters, are written as escapes.
  const isText = landed === 'VARCHAR' ? 'false' : `NOT starts_with(${unfit}, ${BYTES})`
  const taken = column.type.endsWith('[]') ? 'NULL' : `CASE WHEN ${isText} THEN ${read.value} END`
  return {
    value: `CASE WHEN ${unfit} IS NULL THEN ${value} ELSE ${taken} END`,
    text: `CASE WHEN ${unfit} IS NULL THEN ${text} ELSE ${isText === 'false' ? unfit : read.text} END`,
  }
}

/** The columns of a landed file as SQL of fields for `struct_pack`, each with its text where it does not fit. */
export function fieldsWithUnfit(
  columns: readonly { readonly name: string; readonly type: string }[],
  unfit: Unfit | undefined,
  source: string,
): string {
  const of = (name: string) => `${source}.${identifier(name)}`
  return columns
    .filter(({ name }) => name !== unfit?.column)
    .map(({ name, type }) => {
      const value = asJson(of(name), type)
      if (unfit?.of.includes(name) !== true) return `${identifier(name)} := ${value}`
      const text = `to_json(struct_extract(${of(unfit.column)}, ${literal(name)}))`
      return `${identifier(name)} := coalesce(${text}, to_json(${value}))`
    })
    .join(', ')
}

/** The engine (1.5.6) writes NaN and infinity as they are, which is no JSON: they become texts. */
function asJson(value: string, type: string): string {
  const spelt = (number: string) =>
    `CASE WHEN isnan(${number}) THEN 'NaN' WHEN isinf(${number}) THEN CASE WHEN ${number} > 0 THEN 'Infinity' ELSE '-Infinity' END ELSE CAST(${number} AS VARCHAR) END`
  if (/^(?:FLOAT|DOUBLE)$/.test(type))
    return `CASE WHEN isfinite(${value}) THEN to_json(${value}) ELSE to_json(${spelt(value)}) END`
  if (!/^(?:FLOAT|DOUBLE)\[\]$/.test(type)) return value
  const isOdd = `len(list_filter(${value}, lambda v: NOT isfinite(v))) > 0`
  return `CASE WHEN ${isOdd} THEN to_json(list_transform(${value}, lambda v: ${spelt('v')})) ELSE to_json(${value}) END`
}
