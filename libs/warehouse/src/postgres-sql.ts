import { sha256 } from '@cinelake/core'
import { WarehouseRefusedError } from './errors.ts'
import { postgresType } from './postgres-types.ts'
import type { WarehouseTable } from './warehouse.ts'

/** What analysts read. */
export const MART = 'mart'
/** The loader's own: what is loaded. */
export const LOADER = 'loader'

/** A name as a quoted identifier. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A text as a literal. */
export function text(value: string): string {
  return `E'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
}

export function martTable(name: string): string {
  return `${MART}.${quoted(name)}`
}

/** Whether all of it is there already: who may only write in the schemas could not run `SET_UP`. */
export const IS_SET_UP = `SELECT to_regnamespace('${MART}') IS NOT NULL AND to_regclass('${LOADER}.loaded_tables') IS NOT NULL AS ready`

/** Waits until nobody else has the lock of this name, and has it until the transaction ends. */
export const LOCK = 'SELECT pg_advisory_xact_lock(hashtextextended($1, 0))'

export const LOCK_SET_UP = LOCK.replace('$1', `'cinelake warehouse set up'`)

/** Makes the two schemas and the bookkeeping; does nothing where they are. */
export const SET_UP = `
CREATE SCHEMA IF NOT EXISTS ${MART};
CREATE SCHEMA IF NOT EXISTS ${LOADER};
CREATE TABLE IF NOT EXISTS ${LOADER}.loaded_tables (
  table_name text PRIMARY KEY,
  version bigint NOT NULL,
  shape text NOT NULL,
  task text NOT NULL,
  row_count bigint NOT NULL,
  loaded_at timestamptz NOT NULL
);
COMMENT ON TABLE ${LOADER}.loaded_tables IS 'Which version of each refined table its mart table holds. Kept by the loader, in the same transaction as the rows.'`

/** A table that was dropped by hand is not loaded, whatever the bookkeeping says. `$1` is the name. */
export const LOADED = `
SELECT l.version::float8 AS version, l.shape, l.row_count::float8 AS "rowCount"
FROM ${LOADER}.loaded_tables l JOIN pg_tables t ON t.schemaname = '${MART}' AND t.tablename = l.table_name
WHERE l.table_name = $1`

export const LOADED_TABLES = `
SELECT l.table_name AS name, l.version::float8 AS version, l.row_count::float8 AS "rowCount",
  to_char(l.loaded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "loadedAt"
FROM ${LOADER}.loaded_tables l JOIN pg_tables t ON t.schemaname = '${MART}' AND t.tablename = l.table_name
ORDER BY l.table_name`

/** Columns of the tables and views in the schemas `$1`. */
export const DESCRIBE = `
SELECT n.nspname AS schema, c.relname AS "table", obj_description(c.oid, 'pg_class') AS about, a.attname AS "column",
  format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS required,
  coalesce(a.attnum = ANY (k.conkey), false) AS is_key, col_description(c.oid, a.attnum) AS comment
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p'
WHERE n.nspname = ANY ($1::text[]) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname NOT LIKE 'staging\\_%'
ORDER BY n.nspname, c.relname, a.attnum`

/** Parameters: table, version, shape, task, row count. */
export const RECORD_LOADED = `
INSERT INTO ${LOADER}.loaded_tables (table_name, version, shape, task, row_count, loaded_at)
VALUES ($1, $2, $3, $4, $5, clock_timestamp())
ON CONFLICT (table_name) DO UPDATE SET version = excluded.version, shape = excluded.shape, task = excluded.task,
  row_count = excluded.row_count, loaded_at = excluded.loaded_at`

/**
 * @param target where, as SQL
 * @throws {WarehouseRefusedError} for a type that PostgreSQL has no equivalent of
 */
export function createTable(target: string, table: WarehouseTable, columns = table.columns): string {
  for (const name of [table.name, ...columns.map((column) => column.name)]) refuseLongName(table.name, name)
  const lines = columns.map(({ name, type, required }) => {
    const known = postgresType(type)
    if (known === undefined) throw unknownType(table.name, name, type)
    return `  ${quoted(name)} ${known.sql}${required || table.primaryKey.includes(name) ? ' NOT NULL' : ''}`
  })
  return `CREATE TABLE ${target} (\n${lines.join(',\n')}\n)`
}

export function columnList(columns: readonly string[]): string {
  return columns.map(quoted).join(', ')
}

/** Statements that describe the table and its columns to whoever opens it with a SQL tool. */
export function comments(target: string, table: WarehouseTable): string {
  const columns = table.columns.map(
    ({ name, description }) => `COMMENT ON COLUMN ${target}.${quoted(name)} IS ${text(description ?? '')}`,
  )
  return [`COMMENT ON TABLE ${target} IS ${text(table.description ?? '')}`, ...columns].join('; ')
}

/** Identifiers longer than this are cut. Bytes. Source: PostgreSQL's NAMEDATALEN, 64 with the terminator. */
const MAX_IDENTIFIER_BYTES = 63

export function primaryKeyName(table: string): string {
  const short = Buffer.byteLength(table) <= MAX_IDENTIFIER_BYTES - 5 ? table : sha256(table).slice(0, 32)
  return `${short}_pkey`
}

/** PostgreSQL would cut the name in silence, and two tables could become one. */
function refuseLongName(table: string, name: string): void {
  const bytes = Buffer.byteLength(name)
  if (bytes <= MAX_IDENTIFIER_BYTES) return
  throw new WarehouseRefusedError(
    table,
    `the name ${name} has ${bytes} bytes: expected at most ${MAX_IDENTIFIER_BYTES}`,
    'give it a shorter name in the pipeline (`as` for a table, the model or contract for a column)',
    { name, bytes },
  )
}

function unknownType(table: string, column: string, type: string): WarehouseRefusedError {
  return new WarehouseRefusedError(
    table,
    `column ${column} is ${type}, for which there is no column type`,
    `cast it in the model or leave it out with \`exclude\` where the pipeline serves the table`,
    { column, type },
  )
}
