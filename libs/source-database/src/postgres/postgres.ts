import type { TableName } from '@cinelake/contracts'
import type { ServerAddress } from '@cinelake/database'
import { openPostgresConnection, readTls } from '@cinelake/database/postgres'
import { sql, type QueryExecutorProvider } from 'kysely'
import { requireUsable } from '../address.ts'
import type { SourceDatabase } from '../source-database.ts'
import { createSourceDatabase, sourceLocation, type OpenOptions } from '../technology.ts'
import { translatePostgresError } from './errors.ts'
import type { PostgresColumn, PostgresTable } from './select.ts'
import { beginReading } from './snapshot.ts'
import { landingOf, landingOfBytes } from './types.ts'

/** @throws {DATABASE_ADDRESS_INVALID} terminal: an unknown parameter in the address */
export function openPostgres(options: OpenOptions & { readonly address: ServerAddress }): SourceDatabase {
  const { source, address, timeoutMs, signal } = options
  const { tls, problems } = readTls(address)
  requireUsable(source, problems)
  const connection = openPostgresConnection({ ...address, tls }, { timeoutMs, signal })
  const { db } = connection
  return createSourceDatabase<PostgresTable>(options, {
    digestEncoding: 'utf8',
    noChanges: 'expected a database that tracks changes, got PostgreSQL, which has no such thing but logical decoding',
    translate: translatePostgresError,
    tables: async (wanted) => await listTables(db, wanted),
    describe: async (table) => await describeTable(db, table),
    isDescribed: (table): table is PostgresTable => 'kind' in table && 'estimate' in table,
    begin: async (wanted) => await beginReading(connection, timeoutMs, sourceLocation(source, address), wanted),
    [Symbol.asyncDispose]: async () => await connection[Symbol.asyncDispose](),
  })
}

async function describeTable(db: QueryExecutorProvider, table: TableName): Promise<PostgresTable | undefined> {
  const found = await findTable(db, table)
  if (found === undefined) return undefined
  const heirs = found.kind === 'r' ? await listHeirs(db, found.id) : []
  return {
    table,
    ...(heirs.length === 0 ? {} : { heirs }),
    columns: (await listColumns(db, found.id)).map((column) => columnOf(column, found.encoding)),
    primaryKey: await listPrimaryKey(db, found.id),
    kind: found.kind,
    estimate: Number(found.estimate),
  }
}

function columnOf(column: CatalogColumn, encoding: string): PostgresColumn {
  const { element } = column
  const landing = landingOf({
    name: column.type_name,
    modifier: Number(column.modifier),
    ...(element === null ? {} : { array: { element, dimensions: Number(column.dimensions) } }),
  })
  return {
    name: column.name,
    sourceType: column.declared,
    nullable: column.not_null !== 't',
    ...(encoding === 'SQL_ASCII' ? landingOfBytes(landing) : landing),
  }
}

/** A column as described by the catalog; counts as text, like every value of the connection. */
type CatalogColumn = {
  readonly name: string
  /** `numeric(10,2)` */
  readonly declared: string
  readonly type_name: string
  readonly modifier: string
  /** Null for types that are not arrays. */
  readonly element: string | null
  readonly dimensions: string
  /** `t` or `f` */
  readonly not_null: string
}

type CatalogTable = {
  readonly id: string
  /** `pg_class.relkind`: r table, p partitioned table, v view, m materialized view, f foreign table */
  readonly kind: string
  /** The planner's estimate of the number of rows; 0 for views. */
  readonly estimate: string
  /** The encoding of the database's texts: `UTF8`. */
  readonly encoding: string
}

/** Tables with rows of their own, and views if requested: not partitions of other tables, not system tables. */
async function listTables(db: QueryExecutorProvider, { views }: { readonly views: boolean }): Promise<TableName[]> {
  const kinds = views ? ['r', 'p', 'v', 'm'] : ['r', 'p']
  const { rows } = await sql<TableName>`
    SELECT n.nspname AS schema, c.relname AS name
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN (${sql.join(kinds)}) AND NOT c.relispartition AND c.relpersistence <> 't'
      AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
    ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"`.execute(db)
  return rows
}

/** For tables that were never analyzed. */
const GUESSED_ROW_BYTES = 100

/** Undefined if there is no table or view of this name. */
async function findTable(db: QueryExecutorProvider, table: TableName): Promise<CatalogTable | undefined> {
  const { rows } = await sql<CatalogTable>`
    SELECT c.oid AS id, c.relkind AS kind, pg_catalog.getdatabaseencoding() AS encoding,
      (SELECT coalesce(sum(CASE WHEN leaf.reltuples >= 0 THEN leaf.reltuples
                                ELSE pg_catalog.pg_relation_size(leaf.oid) / ${sql.lit(GUESSED_ROW_BYTES)} END), 0)::bigint
       FROM pg_catalog.pg_class leaf
       WHERE leaf.relkind IN ('r', 'm')
         AND (leaf.oid = c.oid OR leaf.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree(c.oid)))) AS estimate
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ${table.schema} AND c.relname = ${table.name} AND c.relkind IN ('r', 'p', 'v', 'm', 'f')`.execute(
    db,
  )
  return rows[0]
}

/** The tables that inherit from a table, at any depth, each once. */
async function listHeirs(db: QueryExecutorProvider, tableId: string): Promise<TableName[]> {
  const { rows } = await sql<TableName>`
    WITH RECURSIVE heir AS (
      SELECT i.inhrelid AS id FROM pg_catalog.pg_inherits i WHERE i.inhparent = ${tableId}::oid
      UNION SELECT i.inhrelid FROM heir JOIN pg_catalog.pg_inherits i ON i.inhparent = heir.id
    )
    SELECT n.nspname AS schema, c.relname AS name
    FROM heir JOIN pg_catalog.pg_class c ON c.oid = heir.id JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"`.execute(db)
  return rows
}

/** The columns in order, domains resolved. A NOT NULL that is not validated (PostgreSQL 18) does not count. */
async function listColumns(db: QueryExecutorProvider, tableId: string): Promise<CatalogColumn[]> {
  const { rows } = await sql<CatalogColumn>`
    WITH RECURSIVE followed AS (
      SELECT a.attnum, a.attname AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) AS declared,
             a.atttypid AS type_id, a.atttypmod AS modifier, a.attndims::int AS dimensions,
             a.attnotnull AND NOT EXISTS (
               SELECT FROM pg_catalog.pg_constraint n WHERE n.conrelid = a.attrelid
                 AND n.contype = 'n' AND NOT n.convalidated AND a.attnum = ANY (n.conkey)
             ) AS not_null
      FROM pg_catalog.pg_attribute a
      WHERE a.attrelid = ${tableId}::oid AND a.attnum > 0 AND NOT a.attisdropped
      UNION ALL
      SELECT f.attnum, f.name, f.declared, d.typbasetype, d.typtypmod, greatest(f.dimensions, d.typndims), f.not_null
      FROM followed f JOIN pg_catalog.pg_type d ON d.oid = f.type_id AND d.typtype = 'd'
    )
    SELECT f.name, f.declared, t.typname AS type_name, f.modifier, f.dimensions, f.not_null,
           CASE WHEN t.typcategory = 'A' AND t.typlen = -1 THEN e.typname END AS element
    FROM followed f
    JOIN pg_catalog.pg_type t ON t.oid = f.type_id AND t.typtype <> 'd'
    LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem
    ORDER BY f.attnum`.execute(db)
  return rows
}

async function listPrimaryKey(db: QueryExecutorProvider, tableId: string): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    SELECT a.attname AS name
    FROM pg_catalog.pg_index i
    CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    WHERE i.indrelid = ${tableId}::oid AND i.indisprimary AND k.place <= i.indnkeyatts
    ORDER BY k.place`.execute(db)
  return rows.map(({ name }) => name)
}
