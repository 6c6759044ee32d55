import { identifier, literal } from '@cinelake/engine'
import type { CheckedColumn, CheckedContract, CheckedDataset } from '@cinelake/pipeline'
import { landedParquet } from './landed-parquet.ts'
import { FLAGS } from './csv-copy.ts'
import type { ForeseenCsv } from './csv-readable.ts'
import { csvRelation, fieldColumn, FILE_COLUMN, FLAG_COLUMN } from './csv-relation.ts'
import { readColumn, type ColumnSql } from './read-column.ts'
import { readLanded } from './read-landed.ts'
import { hasNul, isTextual } from './text-nul.ts'

/** The landed file that a row came from, by its place in the manifest's files in order of name. */
export const FILE = identifier('cinelake.file')
/**
 * Names of the rules of severity `error` and `fail` that a row breaks, in the contract's order of columns and rules, with
 * a separator between them; NULL for a good row. Text, since lists of text cost twice as much to stage.
 */
export const RULES = identifier('cinelake.rules')
/** The row's ordinal in its file, from 0: the engine knows it of a Parquet file without counting. */
export const ORDINAL = identifier('file_row_number')

/** A list of the names in such a text. */
export function rulesIn(text: string): string {
  return `string_split(${text}, ${SEPARATOR})`
}

/** The first of them. */
export function firstRuleIn(text: string): string {
  return `split_part(${text}, ${SEPARATOR}, 1)`
}

const SEPARATOR = 'chr(31)'

/** Fields that are not as many as the header's, or quotes that leave open where they end. */
const ROW_SHAPE = 'row_shape'

/** Rows of a source with an expression for each column of the contract. */
export type StageSource = {
  readonly relation: string
  readonly columns: readonly ColumnSql[]
  /** A condition on rows of which nothing but their raw text is known. */
  readonly misshapen?: string
  /** There is NUL in the source: text that holds it is of no column's type. */
  readonly hasNul?: boolean
  /** The number of the file that a row is of, where they are not all of one. */
  readonly file?: string
}

/** The rows of a CSV file. A column that it lacks is NULL. */
export function csvSource(csv: ForeseenCsv, { contract, reading }: CheckedDataset): StageSource {
  const columns = contract.columns.map((column, index): ColumnSql => {
    const place = csv.places[index]
    return place === undefined ? absent(column) : readColumn(column, fieldColumn(place), reading.nulls)
  })
  const misshapen = csv.isCopy ? { misshapen: `starts_with(${FLAG_COLUMN}, ${literal(FLAGS.misshapen)})` } : {}
  const file = csv.isBatch === true ? { file: FILE_COLUMN } : {}
  return { relation: csvRelation(csv), columns, hasNul: csv.hasNul === true, ...misshapen, ...file }
}

/** The rows of a landed Parquet file. */
export function parquetSource(
  file: string,
  landed: readonly { readonly name: string; readonly type: string }[],
  places: readonly (number | undefined)[],
  { contract, reading }: CheckedDataset,
  where = '',
): StageSource {
  const fields = landed.map(({ name }, place) => `${identifier(name)} AS ${fieldColumn(place)}`)
  const columns = contract.columns.map((column, index) => {
    const place = places[index]
    const type = place === undefined ? undefined : landed[place]?.type
    if (place === undefined || type === undefined) return absent(column)
    return readLanded(column, fieldColumn(place), type, reading.nulls)
  })
  return {
    relation: `(SELECT ${fields.join(', ')} FROM ${landedParquet(file)}${where === '' ? '' : ` WHERE ${where}`})`,
    columns,
    // It cannot be told without reading all of it.
    hasNul: true,
  }
}

function absent({ type }: CheckedColumn): ColumnSql {
  return { value: `CAST(NULL AS ${type})`, text: 'CAST(NULL AS VARCHAR)' }
}

/**
 * The query that makes a file's text into typed rows in one pass: a row per record in the file's order, with its rules
 * broken. Nothing is left out, so that ordinals stay those of the file.
 */
export function stageQuery(
  { relation, columns, misshapen, hasNul: mayHaveNul = false, file: fileColumn }: StageSource,
  contract: CheckedContract,
  file: number,
): string {
  const names = contract.columns.map(({ name }) => identifier(name))
  const values = columns.map(({ value }, index) => `${value} AS ${names[index] ?? ''}`)
  return `SELECT CAST(${fileColumn ?? file} AS INTEGER) AS ${FILE}, ${names.join(', ')}, ${brokenRules({ columns, contract, misshapen, mayHaveNul })} AS ${RULES}
FROM (SELECT *, ${values.join(', ')} FROM ${relation})`
}

type Rules = {
  readonly columns: readonly ColumnSql[]
  readonly contract: CheckedContract
  readonly misshapen: string | undefined
  readonly mayHaveNul: boolean
}

type Broken = { readonly rule: string; readonly when: string }

/** All conditions are asked together first: of a good row that is all, and most rows are good. */
function brokenRules({ columns, contract, misshapen, mayHaveNul }: Rules): string {
  const rules = [
    ...contract.columns.flatMap((column, index) => columnRules(column, columns[index], mayHaveNul)),
    ...rowRules(contract),
  ]
  const list = rules.map(({ rule, when }) => `CASE WHEN ${when} THEN ${literal(rule)} END`)
  const any = rules.map(({ when }) => when).join(' OR ')
  const cases = [
    ...(misshapen === undefined ? [] : [`WHEN ${misshapen} THEN ${literal(ROW_SHAPE)}`]),
    ...(rules.length === 0 ? [] : [`WHEN ${any} THEN concat_ws(${SEPARATOR}, ${list.join(', ')})`]),
  ]
  return cases.length === 0 ? 'CAST(NULL AS VARCHAR)' : `CASE ${cases.join(' ')} END`
}

function columnRules(
  { name, type, required, maxLength }: CheckedColumn,
  sql: ColumnSql | undefined,
  mayHaveNul: boolean,
): Broken[] {
  const value = identifier(name)
  const text = sql?.text ?? 'NULL'
  const rules: Broken[] = []
  const untyped = [
    // Only a text that gave no value is looked at twice.
    ...(type === 'VARCHAR' ? [] : [`CASE WHEN ${value} IS NULL THEN ${text} IS NOT NULL ELSE false END`]),
    ...(mayHaveNul && isTextual(type) && sql !== undefined ? [hasNul(value, type)] : []),
  ]
  if (untyped.length > 0) rules.push({ rule: `type(${name})`, when: untyped.join(' OR ') })
  if (required) {
    const when =
      type === 'VARCHAR' ? `${value} IS NULL` : `CASE WHEN ${value} IS NULL THEN ${text} IS NULL ELSE false END`
    rules.push({ rule: `required(${name})`, when })
  }
  if (maxLength !== undefined) {
    // A text is never longer in characters than in bytes, which are not counted but known.
    rules.push({
      rule: `maxLength(${name})`,
      when: `coalesce(strlen(${value}) > ${maxLength} AND length(${value}) > ${maxLength}, false)`,
    })
  }
  return rules
}

function rowRules({ rowRules: rules }: CheckedContract): Broken[] {
  return rules.flatMap(({ name, severity, expression }) =>
    severity === 'warn' ? [] : [{ rule: name, when: brokenWhen(expression) }],
  )
}

/** A row passes a rule that is true or NULL. */
export function brokenWhen(expression: string): string {
  return `NOT coalesce((${expression}\n), true)`
}
