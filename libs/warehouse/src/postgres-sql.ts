import { WarehouseRefusedError } from './errors.ts'
import { postgresType } from './postgres-types.ts'
import type { WarehouseTable } from './warehouse.ts'

/** What analysts read. */
export const MART = 'mart'
/** The loader's own: what is loaded, and tables that are still being filled. */
const LOADER = 'loader'

/** A name as a quoted identifier. */
function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A text as a literal. */
function text(value: string): string {
  return `E'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
}

export function martTable(name: string): string {
  return `${MART}.${quoted(name)}`
}

export function stagingTable(name: string): string {
  return `${LOADER}.${quoted(name)}`
}

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
COMMENT ON TABLE ${LOADER}.loaded_tables IS 'Which version of each refined table its mart table holds. Kept by the loader, in the same transaction as the rows.';
`

/** Tables that are being filled, or were when a process was killed. */
export const STAGING_TABLES = `SELECT tablename AS name FROM pg_tables WHERE schemaname = '${LOADER}' AND tablename LIKE 'staging\\_%'`

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

/** Parameters: table, version, shape, task, row count. */
export const RECORD_LOADED = `
INSERT INTO ${LOADER}.loaded_tables (table_name, version, shape, task, row_count, loaded_at)
VALUES ($1, $2, $3, $4, $5, now())
ON CONFLICT (table_name) DO UPDATE SET version = excluded.version, shape = excluded.shape, task = excluded.task,
  row_count = excluded.row_count, loaded_at = excluded.loaded_at`

/** @throws {WarehouseRefusedError} for a type that PostgreSQL has no equivalent of */
export function createTable(staging: string, table: WarehouseTable, columns = table.columns): string {
  for (const name of [table.name, ...columns.map((column) => column.name)]) refuseLongName(table.name, name)
  const lines = columns.map(({ name, type, required }) => {
    const known = postgresType(type)
    if (known === undefined) throw unknownType(table.name, name, type)
    return `  ${quoted(name)} ${known.sql}${required || table.primaryKey.includes(name) ? ' NOT NULL' : ''}`
  })
  return `CREATE TABLE ${stagingTable(staging)} (\n${lines.join(',\n')}\n)`
}

export function addPrimaryKey(staging: string, key: readonly string[]): string {
  return `ALTER TABLE ${stagingTable(staging)} ADD PRIMARY KEY (${key.map(quoted).join(', ')})`
}

export function dropStaging(staging: string): string {
  return `DROP TABLE IF EXISTS ${stagingTable(staging)}`
}

/** Statements that describe the table and its columns to whoever opens it with a SQL tool. */
export function comments(target: string, table: WarehouseTable): string[] {
  const columns = table.columns.map(
    ({ name, description }) => `COMMENT ON COLUMN ${target}.${quoted(name)} IS ${text(description ?? '')}`,
  )
  return [`COMMENT ON TABLE ${target} IS ${text(table.description ?? '')}`, ...columns]
}

/** Puts the filled table where the old one is. To be run in one transaction with `RECORD_LOADED`. */
export function swap(staging: string, table: string): string[] {
  return [
    `DROP TABLE IF EXISTS ${martTable(table)}`,
    `ALTER TABLE ${stagingTable(staging)} SET SCHEMA ${MART}`,
    `ALTER TABLE ${MART}.${quoted(staging)} RENAME TO ${quoted(table)}`,
  ]
}

/** Gives the primary key's index the table's name back: it was made under the staging table's. */
export const PRIMARY_KEY_NAME = `
SELECT conname AS name FROM pg_constraint WHERE contype = 'p' AND conrelid = to_regclass($1)`

export function renamePrimaryKey(table: string, from: string): string {
  return `ALTER TABLE ${martTable(table)} RENAME CONSTRAINT ${quoted(from)} TO ${quoted(primaryKeyName(table))}`
}

export function copyInto(staging: string, columns: readonly string[], source: string): string {
  return `COPY ${stagingTable(staging)} (${columns.map(quoted).join(', ')}) FROM ${source}`
}

/** Removes the rows whose key is in the staging table. */
export function deleteStaged(staging: string, table: WarehouseTable): string {
  return `DELETE FROM ${martTable(table.name)} t USING ${stagingTable(staging)} s WHERE ${sameKey(table)}`
}

/** Replaces rows by key and adds those that are new. */
export function mergeStaged(staging: string, table: WarehouseTable): string {
  const names = table.columns.map(({ name }) => name)
  const others = names.filter((name) => !table.primaryKey.includes(name))
  const list = names.map(quoted).join(', ')
  const action =
    others.length === 0
      ? 'DO NOTHING'
      : `DO UPDATE SET ${others.map((name) => `${quoted(name)} = excluded.${quoted(name)}`).join(', ')}`
  return (
    `INSERT INTO ${martTable(table.name)} (${list}) SELECT ${list} FROM ${stagingTable(staging)} ` +
    `ON CONFLICT (${table.primaryKey.map(quoted).join(', ')}) ${action}`
  )
}

export function countRows(table: string): string {
  return `SELECT count(*)::float8 AS count FROM ${table}`
}

/** Identifiers longer than this are cut. Bytes. Source: PostgreSQL's NAMEDATALEN, 64 with the terminator. */
const MAX_IDENTIFIER_BYTES = 63

function primaryKeyName(table: string): string {
  return Buffer.byteLength(table) <= MAX_IDENTIFIER_BYTES - 5 ? `${table}_pkey` : `${table.slice(0, 20)}_pkey`
}

function sameKey(table: WarehouseTable): string {
  return table.primaryKey.map((name) => `t.${quoted(name)} = s.${quoted(name)}`).join(' AND ')
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
