import { identifier, identifiers } from '@cinelake/sql'
import { DuckDBDataChunk, VARCHAR, type DuckDBConnection } from '@duckdb/node-api'
import { isJsonType, toJson } from '../adapter.ts'
import { nulCharacterError, ROW_PROBLEM, WarehouseRefusedError } from '../errors.ts'
import { stopWhenAborted } from '../load-decision.ts'
import type {
  LoadOptions,
  WarehouseColumn,
  WarehouseRow,
  WarehouseRows,
  WarehouseTable,
  WarehouseValue,
} from '../warehouse.ts'

/** How a value of a column reaches DuckDB: as text, which a cast turns into the column's type. */
type ColumnType = {
  /** As in `CREATE TABLE`. */
  readonly sql: string
  readonly form: 'text' | 'json' | 'bytes'
  /** Characters; DuckDB keeps no length of a text. */
  readonly maxLength?: number
}

/** Rows. DuckDB's vector size: one chunk. Source: duckdb.org/docs/stable/internals/vector */
const CHUNK_ROWS = 2048
/** Rows and characters that are turned into their types at once. */
const PIECE_ROWS = 4 * CHUNK_ROWS
const PIECE_CHARACTERS = 4 * 1024 * 1024

/** Types whose lists are lists of DuckDB as well. */
const LISTED =
  /^(BOOLEAN|TINYINT|SMALLINT|INTEGER|BIGINT|DOUBLE|FLOAT|DECIMAL\(\d+,\s*\d+\)|VARCHAR|DATE|TIMESTAMP( WITH TIME ZONE)?)\[\]$/

/** The vocabulary of contracts is DuckDB's. What is made of other values is stored as JSON, as in other warehouses. */
function typeOf(type: string): ColumnType {
  const name = type.trim().toUpperCase()
  const length = /^VARCHAR\((\d+)\)$/.exec(name)?.[1]
  if (length !== undefined) return { sql: 'VARCHAR', form: 'text', maxLength: Number(length) }
  if (name === 'BLOB') return { sql: 'BLOB', form: 'bytes' }
  const list = name.replace(/^VARCHAR\(\d+\)\[\]$/, 'VARCHAR[]')
  if (LISTED.test(list)) return { sql: list, form: 'json' }
  return isJsonType(name) ? { sql: 'JSON', form: 'json' } : { sql: name, form: 'text' }
}

/** Columns of a table, as in `CREATE TABLE`. No key: see the README. */
export function definitions(table: WarehouseTable, columns: readonly WarehouseColumn[]): string {
  return columns
    .map(({ name, type, required }) => {
      const isRequired = required || table.primaryKey.includes(name)
      return `${identifier(name)} ${typeOf(type).sql}${isRequired ? ' NOT NULL' : ''}`
    })
    .join(', ')
}

/**
 * Adds rows to a table, within the transaction of the connection. @returns rows sent, and rows that the database took
 * @throws {WarehouseRefusedError} terminal: a text is too long, or has a character that is not stored
 */
export async function insertRows(
  connection: DuckDBConnection,
  into: { readonly sql: string; readonly table: WarehouseTable; readonly columns: readonly WarehouseColumn[] },
  rows: WarehouseRows,
  options: LoadOptions,
): Promise<{ readonly sent: number; readonly rowCount: number }> {
  const { columns, table } = into
  const types = columns.map(({ type }) => typeOf(type))
  const texts = columns.map((_, index) => `c${index}`)
  const insert =
    `INSERT INTO ${into.sql} (${identifiers(columns.map(({ name }) => name))}) ` +
    `SELECT ${types.map((type, index) => cast(`c${index}`, type)).join(', ')} FROM temp.cinelake_rows`
  let [sent, rowCount, characters] = [0, 0, 0]
  let pending: (string | null)[][] = []
  const flush = async () => {
    const piece = pending
    ;[pending, characters] = [[], 0]
    await connection.run(
      `CREATE OR REPLACE TEMP TABLE cinelake_rows (${texts.map((name) => `${name} VARCHAR`).join(', ')})`,
    )
    await appendTexts(connection, piece, columns.length)
    rowCount += (await connection.run(insert)).rowsChanged
    await connection.run('DROP TABLE temp.cinelake_rows')
  }
  for await (const batch of rows) {
    stopWhenAborted(table, options)
    for (const row of batch) {
      const line = columns.map((column, index) => textIn(table, column, types[index], row))
      for (const text of line) characters += text?.length ?? 0
      pending.push(line)
      if (pending.length >= PIECE_ROWS || characters >= PIECE_CHARACTERS) await flush()
    }
    sent += batch.length
  }
  if (pending.length > 0) await flush()
  stopWhenAborted(table, options)
  return { sent, rowCount }
}

async function appendTexts(
  connection: DuckDBConnection,
  rows: readonly (readonly (string | null)[])[],
  columnCount: number,
): Promise<void> {
  const appender = await connection.createAppender('cinelake_rows', 'main', 'temp')
  try {
    for (let start = 0; start < rows.length; start += CHUNK_ROWS) {
      const chunk = DuckDBDataChunk.create(Array.from({ length: columnCount }, () => VARCHAR))
      chunk.setRows(rows.slice(start, start + CHUNK_ROWS))
      appender.appendDataChunk(chunk)
    }
    appender.flushSync()
  } finally {
    appender.closeSync()
  }
}

function cast(name: string, { sql, form }: ColumnType): string {
  if (form === 'bytes') return `from_hex(${name})`
  return form === 'json' ? `CAST(${name}::JSON AS ${sql})` : `CAST(${name} AS ${sql})`
}

function textIn(
  table: WarehouseTable,
  column: WarehouseColumn,
  type: ColumnType | undefined,
  row: WarehouseRow,
): string | null {
  const { form = 'text', maxLength } = type ?? {}
  const text = textOf(row[column.name], form)
  if (text === null) return null
  if (text.includes('\0') || (form === 'json' && /(?:^|[^\\])(?:\\\\)*\\u0000/.test(text))) {
    throw nulCharacterError(table.name, column.name)
  }
  if (maxLength !== undefined && text.length > maxLength && Array.from(text).length > maxLength) {
    const { problem, remedy } = ROW_PROBLEM.textTooLong
    throw new WarehouseRefusedError(table.name, `${problem} (column ${column.name})`, remedy, { column: column.name })
  }
  return text
}

function textOf(value: WarehouseValue | undefined, form: ColumnType['form']): string | null {
  if (value === null || value === undefined) return null
  if (form === 'json') return toJson(value)
  if (typeof value === 'string') return value
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  return typeof value === 'object' ? toJson(value) : String(value)
}
