import { sha256 } from '@cinelake/core'
import { identifier } from '@cinelake/sql'
import { isJsonType } from '../adapter.ts'
import { unknownTypeError, WarehouseRefusedError } from '../errors.ts'
import { MART, schemaOf, type TablePlace, type WarehouseTable } from '../warehouse.ts'

export const LOADER = 'loader'

export function text(value: string): string {
  return `E'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
}

export function martTable(table: TablePlace): string {
  return `${identifier(schemaOf(table))}.${identifier(table.name)}`
}

export const HAS_MART = `SELECT to_regclass('${LOADER}.loaded_tables') IS NOT NULL AS has`

/** Whether all of it is there already: who may only write in the schemas could not run `SET_UP`. */
export const IS_SET_UP = `SELECT to_regnamespace('${MART}') IS NOT NULL AND EXISTS (
  SELECT FROM pg_attribute WHERE attrelid = to_regclass('${LOADER}.loaded_tables') AND attname = 'table_id'
) AS ready`

/** Takes the advisory lock of this name, waiting if necessary, and holds it until the transaction ends. */
export const LOCK = 'SELECT pg_advisory_xact_lock(hashtextextended($1, 0))'

/**
 * Before statements that make what may be there already, in one transaction with them. A session that has looked for a
 * schema remembers that it was not there, and waiting for an advisory lock does not tell it otherwise: reading a table
 * does, the first time in a transaction. Source: AcceptInvalidationMessages in PostgreSQL's lmgr.c
 */
export const LOCK_SET_UP = `${LOCK.replace('$1', `'cinelake warehouse set up'`)}; SELECT FROM pg_namespace WHERE false`

export const HAS_SCHEMA = 'SELECT to_regnamespace(quote_ident($1)) IS NOT NULL AS ready'

/** Makes a schema of the mart with the rights that others have on `mart`, and will have on tables that come there. */
export function addSchema(schema: string): string {
  return `
CREATE SCHEMA IF NOT EXISTS ${identifier(schema)};
DO $rights$
DECLARE
  wanted text := ${text(schema)};
  found record;
  me oid := (SELECT oid FROM pg_roles WHERE rolname = current_user);
BEGIN
  FOR found IN
    SELECT a.privilege_type AS privilege, a.is_grantable AS grantable,
      CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee
    FROM pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) a
    WHERE n.nspname = '${MART}' AND a.privilege_type = 'USAGE' AND a.grantee NOT IN (n.nspowner, me)
  LOOP
    EXECUTE format('GRANT %s ON SCHEMA %I TO %s', found.privilege, wanted, found.grantee)
      || CASE WHEN found.grantable THEN ' WITH GRANT OPTION' ELSE '' END;
  END LOOP;
  FOR found IN
    SELECT a.privilege_type AS privilege, a.is_grantable AS grantable,
      CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee
    FROM pg_default_acl d JOIN pg_namespace n ON n.oid = d.defaclnamespace CROSS JOIN LATERAL aclexplode(d.defaclacl) a
    WHERE n.nspname = '${MART}' AND d.defaclobjtype = 'r' AND d.defaclrole = me AND a.grantee <> me
  LOOP
    EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I GRANT %s ON TABLES TO %s', wanted, found.privilege, found.grantee)
      || CASE WHEN found.grantable THEN ' WITH GRANT OPTION' ELSE '' END;
  END LOOP;
END
$rights$`
}

/**
 * Makes the two schemas and the bookkeeping; does nothing where they are. `CREATE SCHEMA IF NOT EXISTS` asks for the
 * right to make schemas even then.
 */
export const SET_UP = `
DO $schemas$ BEGIN
  IF to_regnamespace('${MART}') IS NULL THEN CREATE SCHEMA ${MART}; END IF;
  IF to_regnamespace('${LOADER}') IS NULL THEN CREATE SCHEMA ${LOADER}; END IF;
END $schemas$;
CREATE TABLE IF NOT EXISTS ${LOADER}.loaded_tables (
  table_name text PRIMARY KEY,
  version bigint NOT NULL,
  shape text NOT NULL,
  task text NOT NULL,
  row_count bigint NOT NULL,
  loaded_at timestamptz NOT NULL
);
ALTER TABLE ${LOADER}.loaded_tables ADD COLUMN IF NOT EXISTS table_id text;
COMMENT ON TABLE ${LOADER}.loaded_tables IS 'Which version of each refined table its mart table holds. Kept by the loader, in the same transaction as the rows.'`

/** What is loaded and still there: \`$1\` is the table as SQL, \`$2\` its record. */
export const LOADED = `
SELECT to_regclass($1) IS NOT NULL AS "exists", l.version::float8 AS version, l.shape, l.task, l.row_count::float8 AS "rowCount", l.table_id AS "tableId"
FROM (SELECT) AS one LEFT JOIN ${LOADER}.loaded_tables l ON l.table_name = $2
  AND EXISTS (SELECT FROM pg_class c WHERE c.oid = to_regclass($1) AND c.relkind IN ('r', 'p'))`

export const LOADED_TABLES = `
SELECT l.table_name AS record, l.task, l.version::float8 AS version, l.row_count::float8 AS "rowCount",
  to_char(l.loaded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "loadedAt"
FROM ${LOADER}.loaded_tables l
JOIN pg_tables t ON t.schemaname || '.' || t.tablename
  = CASE strpos(l.table_name, '.') WHEN 0 THEN '${MART}.' || l.table_name ELSE l.table_name END`

/** The schemas that analysts read, each as one row: `mart`, and those that have loaded tables. */
export const MART_SCHEMAS = `
SELECT s.schema FROM (
  SELECT '${MART}' AS schema
  UNION SELECT t.schemaname::text FROM ${LOADER}.loaded_tables l
  JOIN pg_catalog.pg_tables t ON t.schemaname || '.' || t.tablename = l.table_name
) AS s ORDER BY s.schema <> '${MART}', s.schema COLLATE "C"`

/** Columns of the tables and views in the schemas `$1`, in the order of these. */
export const DESCRIBE = `
SELECT n.nspname AS schema, c.relname AS "table", obj_description(c.oid, 'pg_class') AS about, a.attname AS "column",
  format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS required,
  coalesce(a.attnum = ANY (k.conkey), false) AS is_key, col_description(c.oid, a.attnum) AS comment
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p'
WHERE n.nspname = ANY ($1::text[]) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname NOT LIKE 'staging\\_%'
ORDER BY array_position($1::text[], n.nspname::text), c.relname, a.attnum`

/** Parameters: `recordName`, version, shape, task, row count, id of the Delta table. */
export const RECORD_LOADED = `
INSERT INTO ${LOADER}.loaded_tables (table_name, version, shape, task, row_count, table_id, loaded_at)
VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp())
ON CONFLICT (table_name) DO UPDATE SET version = excluded.version, shape = excluded.shape, task = excluded.task,
  row_count = excluded.row_count, table_id = excluded.table_id, loaded_at = excluded.loaded_at`

/** @param target as SQL @throws {WarehouseRefusedError} for a type that PostgreSQL has no equivalent of */
export function createTable(target: string, table: WarehouseTable, columns = table.columns): string {
  for (const name of [table.name, ...columns.map((column) => column.name)]) refuseLongName(table.name, name)
  const lines = columns.map(({ name, type, required }) => {
    const known = postgresType(type)
    if (known === undefined) throw unknownTypeError(table.name, { name, type })
    return `  ${identifier(name)} ${known.sql}${required || table.primaryKey.includes(name) ? ' NOT NULL' : ''}`
  })
  return `CREATE TABLE ${target} (\n${lines.join(',\n')}\n)`
}

export function comments(target: string, table: WarehouseTable): string {
  const columns = table.columns.map(
    ({ name, description }) => `COMMENT ON COLUMN ${target}.${identifier(name)} IS ${text(description ?? '')}`,
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

export type PostgresType = {
  /** As in `CREATE TABLE`. */
  readonly sql: string
  /** `json`: lists and objects, sent as JSON text. `bytes`: sent as hex. */
  readonly form: 'text' | 'json' | 'bytes'
}

const PLAIN: Readonly<Record<string, string>> = {
  BOOLEAN: 'boolean',
  TINYINT: 'smallint',
  SMALLINT: 'smallint',
  INTEGER: 'integer',
  BIGINT: 'bigint',
  HUGEINT: 'numeric(39,0)',
  UTINYINT: 'smallint',
  USMALLINT: 'integer',
  UINTEGER: 'bigint',
  UBIGINT: 'numeric(20,0)',
  FLOAT: 'real',
  DOUBLE: 'double precision',
  VARCHAR: 'text',
  UUID: 'uuid',
  DATE: 'date',
  TIME: 'time',
  TIMESTAMP: 'timestamp',
  'TIMESTAMP WITH TIME ZONE': 'timestamptz',
}

/** The PostgreSQL type for a type in the vocabulary of contracts; undefined for an unknown one. */
export function postgresType(type: string): PostgresType | undefined {
  const name = type.trim().toUpperCase()
  if (isJsonType(name)) return { sql: 'jsonb', form: 'json' }
  if (name === 'BLOB') return { sql: 'bytea', form: 'bytes' }
  const plain = PLAIN[name]
  if (plain !== undefined) return { sql: plain, form: 'text' }
  const decimal = /^DECIMAL\((\d+),\s*(\d+)\)$/.exec(name)
  if (decimal !== null) return { sql: `numeric(${decimal[1]},${decimal[2]})`, form: 'text' }
  const varchar = /^VARCHAR\((\d+)\)$/.exec(name)
  if (varchar !== null) return { sql: `varchar(${varchar[1]})`, form: 'text' }
  return undefined
}
