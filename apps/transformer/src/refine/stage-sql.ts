import type { CheckedColumn, CheckedContract, CheckedDataset } from '@cinelake/pipeline'
import { identifier, literal } from '@cinelake/sql'
import { FLAGS } from '../read-csv/copy.ts'
import type { ForeseenCsv } from '../read-csv/readable.ts'
import { FILE_COLUMN, FLAG_COLUMN, csvRelation, fieldColumn } from '../read-csv/relation.ts'
import { type ColumnSql, mayMisfit, readColumn } from '../read-value/column.ts'
import { readLanded } from '../read-value/landed.ts'
import { hasNul, isTextual } from '../read-value/text.ts'
import { type Unfit, orUnfit } from './unfit.ts'

/** The landed file of a row, by its index in the manifest's files in order of name. */
export const FILE = identifier('cinelake.file')
/**
 * Names of the rules of severity `error` and `fail` that a row breaks, in the contract's order of columns and rules,
 * with a separator between them; NULL for a good row. Text, since lists of text cost twice as much to stage.
 */
export const RULES = identifier('cinelake.rules')
/** The row's ordinal in its file, from 0. */
export const ORDINAL = identifier('cinelake.ordinal')

/** The same for severity `warn`, in rows that break no other rule: they are kept. */
export const WARNED = identifier('cinelake.warned')
/**
 * The values of a row in the columns of its broken rules, rule by rule as in `RULES` or `WARNED`: `score=87.0`. NULL
 * for a good row, and for one without columns. Contains no personal data.
 */
export const FOUND = identifier('cinelake.found')

/** A list of the names in such a text. */
export function rulesIn(text: string): string {
  return `string_split(${text}, ${SEPARATOR})`
}

/** The first name in it. */
export function firstRuleIn(text: string): string {
  return `split_part(${text}, ${SEPARATOR}, 1)`
}

const SEPARATOR = 'chr(31)'

/** A wrong number of fields, or quotes whose end is ambiguous. */
export const ROW_SHAPE = 'row_shape'

/** Bytes that are invalid in the file's encoding. */
export const ENCODING = 'encoding'

/** Rows of a source with an expression for each column of the contract. */
export type StageSource = {
  readonly relation: string
  readonly columns: readonly ColumnSql[]
  /** The rules, each with its condition, that are broken by rows of which only the raw text is known. */
  readonly unread?: readonly { readonly rule: string; readonly when: string }[]
  /** The source contains NUL: a text with it is not of any column's type. */
  readonly hasNul?: boolean
  /** The number of a row's file, where there are several. */
  readonly file?: string
}

/** The rows of a CSV file. A missing column is NULL. @param isTyped its texts came apart from other types, such as from JSON */
export function csvSource(csv: ForeseenCsv, { contract, reading }: CheckedDataset, isTyped: boolean): StageSource {
  const columns = contract.columns.map((column, index): ColumnSql => {
    const place = csv.places[index]
    return place === undefined
      ? absent(column)
      : readColumn(column, identifier(fieldColumn(place)), reading.nulls, isTyped)
  })
  const flagged = (flag: string) => `starts_with(${identifier(FLAG_COLUMN)}, ${literal(flag)})`
  const unread = [
    { rule: ROW_SHAPE, when: flagged(FLAGS.misshapen) },
    ...(csv.mayBeDamaged === true ? [{ rule: ENCODING, when: flagged(FLAGS.damaged) }] : []),
  ]
  const file = csv.isBatch === true ? { file: identifier(FILE_COLUMN) } : {}
  return {
    relation: csvRelation(csv, isTyped),
    columns,
    hasNul: csv.hasNul === true,
    ...(csv.isCopy ? { unread } : {}),
    ...file,
  }
}

type ParquetOptions = {
  /** The rows to take; all of them if empty. */
  readonly where?: string
  /** How a typed column is read. */
  readonly read?: typeof readLanded
  readonly unfit?: Unfit | undefined
}

/** The rows of a Parquet file. */
export function parquetSource(
  file: string,
  landed: readonly { readonly name: string; readonly type: string }[],
  places: readonly (number | undefined)[],
  { contract, reading }: CheckedDataset,
  { where = '', read = readLanded, unfit }: ParquetOptions = {},
): StageSource {
  const fields = landed.map(({ name }, place) => `${identifier(name)} AS ${identifier(fieldColumn(place))}`)
  const texts = identifier(fieldColumn(landed.findIndex(({ name }) => name === unfit?.column)))
  const columns = contract.columns.map((column, index) => {
    const place = places[index]
    const found = place === undefined ? undefined : landed[place]
    if (place === undefined || found === undefined) return absent(column)
    const { name, type } = found
    const sql = read(column, identifier(fieldColumn(place)), type, reading.nulls)
    if (unfit?.of.includes(name) !== true) return sql
    return orUnfit(sql, { column, texts, name, landed: type, nulls: reading.nulls })
  })
  return {
    relation: `(SELECT ${fields.join(', ')} FROM ${landedParquet(file)}${where === '' ? '' : ` WHERE ${where}`})`,
    columns,
    // Unknown without reading all of it.
    hasNul: true,
  }
}

/**
 * Like `readLanded`, for a Parquet file that others wrote: bytes without a type are text where they are UTF-8. Bytes of a
 * database are bytes, which have escapes as text.
 */
export const readReceived: typeof readLanded = (column, raw, type, nulls) => {
  if (type !== 'BLOB' || column.type !== 'VARCHAR') return readLanded(column, raw, type, nulls)
  return { value: `try(decode(${raw}))`, text: `CAST(${raw} AS VARCHAR)` }
}

function absent({ type }: CheckedColumn): ColumnSql {
  return { value: `CAST(NULL AS ${type})`, text: 'CAST(NULL AS VARCHAR)' }
}

/**
 * The query that converts a file's text to typed rows in one pass: one row per record in the file's order, with its
 * broken rules. No row is dropped, so that ordinals stay those of the file.
 */
export function stageQuery(
  { relation, columns, unread = [], hasNul: mayHaveNul = false, file: fileColumn }: StageSource,
  contract: CheckedContract,
  file: number,
): string {
  const names = contract.columns.map(({ name }) => identifier(name))
  const values = columns.map(({ value }, index) => `${value} AS ${names[index] ?? ''}`)
  const rules = rulesOf({ columns, contract, mayHaveNul })
  const warnings = rowRules(contract, (severity) => severity === 'warn')
  const ofFile = `CAST(${fileColumn ?? file} AS INTEGER) AS ${FILE}`
  // The engine reserves memory for each column of each SELECT: where none of them can be broken, one is enough.
  if (rules.length + warnings.length + unread.length === 0) {
    const none = [RULES, WARNED, FOUND].map((name) => `CAST(NULL AS VARCHAR) AS ${name}`)
    const stored = columns.map(
      ({ value }, index) => `${value} AS ${identifier(storedName(contract.columns[index]?.name ?? ''))}`,
    )
    return `SELECT ${[ofFile, ...stored, ...none].join(', ')} FROM ${relation}`
  }
  const ruled = `SELECT *, ${brokenRules(rules, unread)} AS ${RULES}
FROM (SELECT *, ${values.join(', ')} FROM ${relation})`
  const warned = warnings.length === 0 ? ruled : `SELECT *, ${warnedOf(warnings)} AS ${WARNED} FROM (${ruled})`
  // Each column refers to the one before, so that it is computed only once.
  const stored = contract.columns.map(({ name }) => `${identifier(name)} AS ${identifier(storedName(name))}`)
  return `SELECT ${ofFile}, ${stored.join(', ')}, ${RULES}, ${warnings.length === 0 ? `CAST(NULL AS VARCHAR) AS ${WARNED}` : WARNED}, ${foundIn(rules, warnings)} AS ${FOUND}
FROM (${warned})`
}

type Rules = {
  readonly columns: readonly ColumnSql[]
  readonly contract: CheckedContract
  readonly mayHaveNul: boolean
}

/** @param found SQL of a text: the row's values that break it */
type Broken = { readonly rule: string; readonly when: string; readonly found: string }

function rulesOf({ columns, contract, mayHaveNul }: Rules): Broken[] {
  return [
    ...contract.columns.flatMap((column, index) => columnRules(column, columns[index], mayHaveNul)),
    ...rowRules(contract, (severity) => severity !== 'warn'),
  ]
}

/** One condition for all rules first: a good row needs no more, and most rows are good. */
function brokenRules(rules: readonly Broken[], unread: NonNullable<StageSource['unread']>): string {
  const list = rules.map(({ rule, when }) => `CASE WHEN ${when} THEN ${literal(rule)} END`)
  const any = rules.map(({ when }) => when).join(' OR ')
  const cases = [
    ...unread.map(({ rule, when }) => `WHEN ${when} THEN ${literal(rule)}`),
    ...(rules.length === 0 ? [] : [`WHEN ${any} THEN concat_ws(${SEPARATOR}, ${list.join(', ')})`]),
  ]
  return cases.length === 0 ? 'CAST(NULL AS VARCHAR)' : `CASE ${cases.join(' ')} END`
}

function warnedOf(warnings: readonly Broken[]): string {
  return `CASE WHEN ${RULES} IS NULL THEN ${brokenRules(warnings, [])} END`
}

/** Evaluated only for broken rows. */
function foundIn(rules: readonly Broken[], warnings: readonly Broken[]): string {
  const texts = (of: readonly Broken[]) =>
    `concat_ws(${SEPARATOR}, ${of.map(({ when, found }) => `CASE WHEN ${when} THEN ${found} END`).join(', ')})`
  const cases = [
    ...(rules.length === 0
      ? []
      : [`WHEN ${RULES} NOT IN (${literal(ROW_SHAPE)}, ${literal(ENCODING)}) THEN ${texts(rules)}`]),
    ...(warnings.length === 0 ? [] : [`WHEN ${WARNED} IS NOT NULL THEN ${texts(warnings)}`]),
  ]
  return cases.length === 0 ? 'CAST(NULL AS VARCHAR)' : `CASE ${cases.join(' ')} END`
}

/** Characters shown of a value. */
const SHOWN_LENGTH = 80

/** `score=87.0` @param text SQL of the value as text */
function shown({ name, personal }: CheckedColumn, text: string): string {
  if (personal !== undefined) return literal(`${name}: personal data, not shown`)
  const plain = `replace(replace(left(${text}, ${SHOWN_LENGTH}), ${SEPARATOR}, ' '), chr(0), '␀')`
  return `coalesce(${literal(`${name}=`)} || ${plain}, ${literal(`${name} has no value`)})`
}

/** The columns that an expression names; one with the name of a function in it may be among them. */
function columnsIn(expression: string, columns: readonly CheckedColumn[]): CheckedColumn[] {
  const words = expression.replaceAll(/'(?:[^']|'')*'/g, ' ').match(/"(?:[^"]|"")*"|[\p{L}_][\p{L}\p{N}_$]*/gu) ?? []
  const names = new Set(words.map((word) => word.replaceAll(/^"|"$/g, '').replaceAll('""', '"').toLowerCase()))
  return columns.filter(({ name }) => names.has(name.toLowerCase()))
}

function columnRules(column: CheckedColumn, sql: ColumnSql | undefined, mayHaveNul: boolean): Broken[] {
  const { name, type, required, maxLength } = column
  const value = identifier(name)
  const text = sql?.text ?? 'NULL'
  const rules: Broken[] = []
  const untyped = [
    // Only a text without a value is examined twice.
    ...(sql === undefined || !mayMisfit(sql)
      ? []
      : [`CASE WHEN ${value} IS NULL THEN ${text} IS NOT NULL ELSE false END`]),
    ...(mayHaveNul && isTextual(type) && sql !== undefined ? [hasNul(value, type)] : []),
  ]
  if (untyped.length > 0) rules.push({ rule: `type(${name})`, when: untyped.join(' OR '), found: shown(column, text) })
  if (required) {
    const when =
      sql === undefined || !mayMisfit(sql)
        ? `${value} IS NULL`
        : `CASE WHEN ${value} IS NULL THEN ${text} IS NULL ELSE false END`
    rules.push({ rule: `required(${name})`, when, found: literal(`${name} has no value`) })
  }
  if (maxLength !== undefined) {
    // A text never has more characters than bytes, and its number of bytes is known without counting.
    rules.push({
      rule: `maxLength(${name})`,
      when: `coalesce(strlen(${value}) > ${maxLength} AND length(${value}) > ${maxLength}, false)`,
      // The length of a value would reveal something about it.
      found:
        column.personal === undefined
          ? `${literal(`${name} has `)} || length(${value}) || ' characters'`
          : shown(column, text),
    })
  }
  return rules
}

type RowRule = CheckedContract['rowRules'][number]

function rowRules(
  { rowRules: rules, columns }: CheckedContract,
  isWanted: (severity: RowRule['severity']) => boolean,
): Broken[] {
  return rules.flatMap(({ name, severity, expression }) => {
    if (!isWanted(severity)) return []
    const values = columnsIn(expression, columns).map((column) =>
      shown(column, `CAST(${identifier(column.name)} AS VARCHAR)`),
    )
    const found = values.length === 0 ? literal('') : `concat_ws(', ', ${values.join(', ')})`
    return [{ rule: name, when: brokenWhen(expression), found }]
  })
}

/** A row passes a rule that is true or NULL. */
function brokenWhen(expression: string): string {
  return `NOT coalesce((${expression}\n), true)`
}

/** The engine's name for a row's ordinal in a Parquet file, which it has without counting, unless the file has such a column. */
const ENGINE_ORDINAL = 'file_row_number'

const isEngineOrdinal = (name: string) => name.toLowerCase() === ENGINE_ORDINAL

/** The name of a column in staged files. */
function storedName(name: string): string {
  return isEngineOrdinal(name) ? 'cinelake.own' : name
}

/** Staged files as a relation with the contract's columns, and `ORDINAL`. */
export function stagedRelation(paths: readonly string[], { columns }: Pick<CheckedContract, 'columns'>): string {
  const own = columns.find(({ name }) => isEngineOrdinal(name))
  const all = own === undefined ? '*' : `* RENAME (${identifier(storedName(own.name))} AS ${identifier(own.name)})`
  return `(SELECT ${all}, ${ENGINE_ORDINAL} AS ${ORDINAL} FROM read_parquet([${paths.map(literal).join(', ')}]))`
}

/** A landed Parquet file as a relation with `ORDINAL`. */
export function landedWithOrdinal(file: string, landed: readonly { readonly name: string }[]): string {
  const ordinal = landed.some(({ name }) => isEngineOrdinal(name)) ? 'row_number() OVER () - 1' : ENGINE_ORDINAL
  return `(SELECT *, ${ordinal} AS ${ORDINAL} FROM ${landedParquet(file)})`
}

/**
 * A landed Parquet file as a relation with only the columns in it: by default the engine takes a folder named
 * `NAME=VALUE`, anywhere in the file's path, for a column, even in place of one in the file.
 */
export function landedParquet(file: string): string {
  return `read_parquet(${literal(file)}, hive_partitioning = false)`
}
