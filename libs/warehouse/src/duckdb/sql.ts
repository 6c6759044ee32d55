import { identifier, identifiers, literal } from '@cinelake/sql'
import { schemaOf, type TablePlace, type WarehouseTable } from '../warehouse.ts'

export function martTable(table: TablePlace): string {
  return `${identifier(schemaOf(table))}.${identifier(table.name)}`
}

export const SET_UP = `
  CREATE SCHEMA IF NOT EXISTS mart;
  CREATE SCHEMA IF NOT EXISTS loader;
  CREATE TABLE IF NOT EXISTS loader.loaded_tables (
    name VARCHAR NOT NULL, version BIGINT NOT NULL, shape VARCHAR NOT NULL, task VARCHAR NOT NULL,
    row_count BIGINT NOT NULL, table_id VARCHAR, loaded_at TIMESTAMP WITH TIME ZONE NOT NULL
  )`

/** Whether anything was ever loaded. */
export const HAS_RECORDS = `
  SELECT count(*) > 0 AS has FROM duckdb_tables()
  WHERE database_name = current_database() AND schema_name = 'loader' AND table_name = 'loaded_tables'`

export const RECORDS = `
  SELECT name, version, shape, task, row_count, table_id,
    strftime(loaded_at AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%gZ') AS loaded_at
  FROM loader.loaded_tables`

/** Of a schema and a name. */
export const EXISTS = `
  SELECT count(*) > 0 AS has FROM information_schema.tables
  WHERE table_catalog = current_database() AND table_schema = $1 AND table_name = $2`

export const DESCRIBE = `
  SELECT c.schema_name AS schema, c.table_name AS table, coalesce(t.comment, v.comment) AS about, c.column_name AS column,
    c.data_type AS type, NOT c.is_nullable AS required, c.comment AS comment
  FROM duckdb_columns() AS c
  LEFT JOIN duckdb_tables() AS t USING (database_name, schema_name, table_name)
  LEFT JOIN duckdb_views() AS v ON v.database_name = c.database_name AND v.schema_name = c.schema_name AND v.view_name = c.table_name
  WHERE c.database_name = current_database()
  ORDER BY c.schema_name, c.table_name, c.column_index`

/** Descriptions of a table and its columns. */
export function comments(target: string, { columns, description = '' }: WarehouseTable): string {
  return [
    `COMMENT ON TABLE ${target} IS ${literal(description)}`,
    ...columns.map(
      ({ name, description: about = '' }) => `COMMENT ON COLUMN ${target}.${identifier(name)} IS ${literal(about)}`,
    ),
  ].join(';\n')
}

/** One row where a key is there more than once. */
export function repeatedKey(target: string, key: readonly string[]): string {
  return `SELECT 1 AS repeated FROM ${target} GROUP BY ${identifiers(key)} HAVING count(*) > 1 LIMIT 1`
}

/** Deletes rows of a table that have the key of a row in another. */
export function deleteByKey(target: string, other: string, key: readonly string[]): string {
  const isSame = key.map((name) => `other.${identifier(name)} = target.${identifier(name)}`).join(' AND ')
  return `DELETE FROM ${target} AS target WHERE EXISTS (SELECT 1 FROM ${other} AS other WHERE ${isSame})`
}

/** The search path for names without a schema. */
export function searchPath(schemas: readonly string[]): string {
  return `SET search_path = ${literal(schemas.map(identifier).join(','))}`
}
