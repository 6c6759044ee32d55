import { type SqlSession, wholeText } from '@cinelake/engine'
import type { CheckedDelivery, CsvForm, DeliveredTable } from '@cinelake/pipeline'
import { identifier, identifiers, literal } from '@cinelake/sql'
import { countXlsxRows, SHEET_ROWS, XlsxWriter, type XlsxCell } from '@cinelake/xlsx'
import { open } from 'node:fs/promises'
import { deliveryErrors } from './errors.ts'
import { unheldValues } from './held-values.ts'
import { PLAIN_TEXT, textOf, type TypedColumn } from './text-forms.ts'

type Staging = {
  readonly session: SqlSession
  readonly signal: AbortSignal
  readonly delivery: Pick<CheckedDelivery, 'format' | 'csv'>
  readonly table: DeliveredTable
  /** The rows, as the engine reads them. */
  readonly relation: string
  /** Local path of the file that is made. */
  readonly file: string
  /** Its name where it goes, for errors. */
  readonly name: string
  /** Rows by the log of the table. */
  readonly expected: number | undefined
}

/** Columns of a sheet. Source: support.microsoft.com, "Excel specifications and limits" */
const SHEET_COLUMNS = 16_384
/** Characters of a sheet's name. Source: as above */
const SHEET_NAME = 31
/** Rows of a row group: the engine's own default, written down so that the same rows make the same bytes. */
const ROW_GROUP = 122_880
/** Bytes that a line of CSV may have when it is read back, unless the table has wider rows. */
const LINE_BYTES = 2 * 1024 * 1024
/** Most characters of a value of a key in an error. */
const SHOWN_CHARACTERS = 60

/**
 * Writes a table into a local file, in the order of its key, and reads it back: the same rows always make the same bytes.
 * @returns how many rows were read back
 * @throws {DELIVERY_VALUE_REFUSED} terminal: names the first row that the format cannot hold exactly
 * @throws {DELIVERY_READ_BACK} {DELIVERY_COUNT_WRONG} terminal
 */
export async function stageFile(staging: Staging): Promise<number> {
  const { session, signal, delivery, table, relation, file, name, expected } = staging
  const { columns } = table
  const { rowCount, digest, widest } = await examine(staging)
  if (expected !== undefined && expected !== rowCount)
    throw deliveryErrors.DELIVERY_COUNT_WRONG(table.table, expected, rowCount)
  let found: { readonly rowCount: number; readonly digest?: string | null }
  if (delivery.format === 'xlsx') {
    await writeXlsx(staging, rowCount)
    found = { rowCount: Math.max(0, (await countXlsxRows(file)) - 1) }
  } else {
    const query = `SELECT ${valuesOf(delivery, columns).join(', ')} FROM ${relation} AS t ORDER BY ${orderOf(table)}`
    await session.run(`COPY (${query}) TO ${literal(file)} (${formOf(delivery)})`, { signal })
    const reader = delivery.csv === undefined ? parquetReader(file) : csvReader(file, columns, delivery.csv, widest)
    const [read] = await session.rows<{ n: number; digest: string | null }>(
      `SELECT count(*) AS n, ${digestOf(columns)} AS digest FROM ${reader}`,
      { signal },
    )
    found = { rowCount: read?.n ?? -1, digest: read?.digest ?? null }
  }
  if (found.rowCount !== rowCount || (found.digest !== undefined && found.digest !== digest))
    throw deliveryErrors.DELIVERY_READ_BACK(name, rowCount, found.rowCount)
  return found.rowCount
}

/** No column's name has a blank. */
const UNHELD = identifier('is unheld')

type Examined = { readonly rowCount: number; readonly digest: string | null; readonly widest: number }

/** Counts the rows, and finds out whether the format can hold all of them. */
async function examine(staging: Staging): Promise<Examined> {
  const { session, signal, delivery, table, relation, name } = staging
  const { columns } = table
  const unheld = unheldValues(delivery, columns)
  const bad = unheld.length === 0 ? 'false' : unheld.map(({ condition }) => `(${condition})`).join(' OR ')
  const wide = delivery.csv === undefined ? '0' : columns.map((each) => bytesOf(each.name)).join(' + ')
  const [found] = await session.rows<{ n: number; digest: string | null; widest: number; bad: number }>(
    `SELECT count(*) AS n, ${digestOf(columns)} AS digest, coalesce(max(${wide}), 0) AS widest, count(*) FILTER (${UNHELD}) AS bad
     FROM (SELECT ${valuesOf(delivery, columns).join(', ')}, coalesce(${bad}, false) AS ${UNHELD} FROM ${relation} AS t)`,
    { signal },
  )
  const rowCount = found?.n ?? 0
  if ((found?.bad ?? 0) > 0) {
    const { row, problem } = await firstUnheld(staging, unheld)
    throw deliveryErrors.DELIVERY_VALUE_REFUSED(name, row, problem)
  }
  if (delivery.format === 'xlsx' && rowCount > SHEET_ROWS - 1) {
    const problem = `expected at most ${SHEET_ROWS - 1} rows and the header in a sheet, got ${rowCount}`
    throw deliveryErrors.DELIVERY_VALUE_REFUSED(name, String(SHEET_ROWS), problem)
  }
  if (delivery.format === 'xlsx' && columns.length > SHEET_COLUMNS) {
    const problem = `expected at most ${SHEET_COLUMNS} columns in a sheet, got ${columns.length}`
    throw deliveryErrors.DELIVERY_VALUE_REFUSED(name, '1', problem)
  }
  return { rowCount, digest: found?.digest ?? null, widest: found?.widest ?? 0 }
}

/** The first row that a format cannot hold: its number in the file, and its key where that may be shown. */
async function firstUnheld(
  { session, signal, table, relation }: Staging,
  unheld: ReturnType<typeof unheldValues>,
): Promise<{ readonly row: string; readonly problem: string }> {
  const which = unheld.map(({ condition }, index) => `WHEN ${condition} THEN ${index}`).join(' ')
  const key = table.keyMayBeShown === true ? table.primaryKey : []
  const shown = key.map((name, index) => `, left(${identifier(name)}::VARCHAR, ${SHOWN_CHARACTERS}) AS k${index}`)
  const [found] = await session.rows<Record<string, unknown>>(
    `SELECT * FROM (SELECT row_number() OVER (ORDER BY ${orderOf(table)}) AS n, CASE ${which} END AS problem${shown.join('')}
       FROM ${relation} AS t) WHERE problem IS NOT NULL ORDER BY n LIMIT 1`,
    { signal },
  )
  const values = key.map((name, index) => `${name}=${String(found?.[`k${index}`])}`)
  return {
    row: [String(found?.['n']), ...values].join(', '),
    problem: unheld[Number(found?.['problem'])]?.problem ?? 'expected values that it can hold, got others',
  }
}

/** Rows of a table without a key that are equal in all columns are the same row whichever comes first. */
function orderOf({ primaryKey, columns }: DeliveredTable): string {
  const names = primaryKey.length > 0 ? primaryKey : columns.map(({ name }) => name)
  // Of the table, not of the result: texts have another order than numbers.
  return names.map((name) => `t.${identifier(name)} NULLS LAST`).join(', ')
}

function valuesOf({ format, csv }: Staging['delivery'], columns: readonly TypedColumn[]): string[] {
  if (format === 'parquet') return columns.map(({ name }) => identifier(name))
  return columns.map((column) => `${textOf(column, csv ?? PLAIN_TEXT)} AS ${identifier(column.name)}`)
}

/** A sum over the rows, which does not depend on their order; NULL for no rows. */
function digestOf(columns: readonly TypedColumn[]): string {
  return `sum(hash(${identifiers(columns.map(({ name }) => name))})::HUGEINT)::VARCHAR`
}

/** At most two characters for each, and quotes, delimiter or line end. */
const bytesOf = (name: string) => `2 * coalesce(strlen(${identifier(name)}), 0) + 8`

function formOf({ csv }: Staging['delivery']): string {
  if (csv === undefined) return `FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${ROW_GROUP}`
  return [
    'FORMAT csv',
    `DELIMITER ${literal(csv.delimiter)}`,
    `HEADER ${csv.header}`,
    `QUOTE '"'`,
    `ESCAPE '"'`,
    `NULLSTR ${literal(csv.null)}`,
    `NEW_LINE '${csv.lineEnd === 'crlf' ? String.raw`\r\n` : String.raw`\n`}'`,
    ...(csv.quote === 'always' ? ['FORCE_QUOTE *'] : []),
  ].join(', ')
}

const parquetReader = (file: string) => `read_parquet(${literal(file)}, hive_partitioning = false)`

function csvReader(file: string, columns: readonly TypedColumn[], csv: CsvForm, widest: number): string {
  const names = columns.map(({ name }) => `${literal(name)}: 'VARCHAR'`)
  const options = [
    'auto_detect = false',
    `header = ${csv.header}`,
    `delim = ${literal(csv.delimiter)}`,
    `quote = '"'`,
    `escape = '"'`,
    `columns = {${names.join(', ')}}`,
    `nullstr = ${literal(csv.null)}`,
    'allow_quoted_nulls = false',
    'hive_partitioning = false',
    // Line ends within quotes are told from those of rows only from the beginning on.
    'parallel = false',
    `max_line_size = ${Math.max(LINE_BYTES, widest + 1024)}`,
  ]
  return `read_csv(${literal(file)}, ${options.join(', ')})`
}

async function writeXlsx({ session, signal, table, relation, file, name }: Staging, rowCount: number): Promise<void> {
  const { columns } = table
  await using handle = await open(file, 'wx')
  const names = columns.map((column) => column.name)
  const workbook = new XlsxWriter(handle, names, { sheet: table.as.slice(0, SHEET_NAME) })
  const kinds = columns.map(kindOf)
  const query = `SELECT ${columns.map((column, index) => `${wholeText(textOf(column))} AS c${index}`).join(', ')} FROM ${relation} AS t ORDER BY ${orderOf(table)}`
  let written = 0
  for await (const rows of session.stream(query, { signal })) {
    await workbook.add(rows.map((row) => kinds.map((kind, index) => cellOf(kind, row[`c${index}`]))))
    written += rows.length
  }
  if (written !== rowCount) throw deliveryErrors.DELIVERY_READ_BACK(name, rowCount, written)
  await workbook.end()
}

function kindOf({ type }: TypedColumn): Exclude<XlsxCell['kind'], 'empty'> {
  const what = type.trim().toUpperCase()
  if (what.endsWith('[]')) return 'text'
  if (what === 'BOOLEAN') return 'boolean'
  if (what === 'DATE') return 'date'
  if (what.startsWith('TIMESTAMP')) return 'instant'
  if (what === 'DOUBLE' || what === 'FLOAT') return 'double'
  return /^(?:U?(?:TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DECIMAL.*)$/.test(what) ? 'number' : 'text'
}

function cellOf(kind: Exclude<XlsxCell['kind'], 'empty'>, value: unknown): XlsxCell {
  if (typeof value !== 'string') return { kind: 'empty' }
  return kind === 'boolean' ? { kind, value: value === 'true' } : { kind, text: value }
}
