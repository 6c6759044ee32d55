/** Characters. PostgreSQL cuts longer names off. Source: postgresql.org/docs/current/sql-syntax-lexical.html */
const MAX_LENGTH = 63

/** The platform's own schemas, and those that PostgreSQL and SQL Server have. */
const RESERVED = new Set(['ops', 'loader', 'public', 'information_schema', 'sys', 'dbo', 'guest'])

/** Whether a schema cannot be a pipeline's: it is the platform's, or the database's. */
export function isReservedSchema(schema: string): boolean {
  return RESERVED.has(schema) || schema.startsWith('pg_') || schema.startsWith('db_')
}

/** What a name has to be like for PostgreSQL and SQL Server to take it as it is. */
export const SCHEMA_NAME = /^[a-z][a-z0-9_]*$/

/** The schema of a pipeline that names none: its name in small letters, in a form that both databases take. */
export function defaultSchema(pipeline: string): string {
  const name = pipeline.toLowerCase().replaceAll('-', '_')
  return isReservedSchema(name) ? `mart_${name}`.slice(0, MAX_LENGTH) : name
}
