/** Characters. PostgreSQL truncates longer names. Source: postgresql.org/docs/current/sql-syntax-lexical.html */
const MAX_LENGTH = 63

/** The platform's own schemas, and those of PostgreSQL and SQL Server. */
const RESERVED = new Set(['ops', 'loader', 'public', 'information_schema', 'sys', 'dbo', 'guest'])

/** Whether a schema is reserved for the platform or the database. */
export function isReservedSchema(schema: string): boolean {
  return RESERVED.has(schema) || schema.startsWith('pg_') || schema.startsWith('db_')
}

/** Names that PostgreSQL and SQL Server accept without quoting. */
export const SCHEMA_NAME = /^[a-z][a-z0-9_]*$/

/** The default schema of a pipeline: its name in lower case, in a form that both databases accept. */
export function defaultSchema(pipeline: string): string {
  const name = pipeline.toLowerCase().replaceAll('-', '_')
  return isReservedSchema(name) ? `mart_${name}`.slice(0, MAX_LENGTH) : name
}
