import { identifier } from '@cinelake/sql'
import { ConfigError } from '@cinelake/core'
import { sqlStateOf } from '@cinelake/database'
import type { PostgresSessions, Queries } from './session.ts'
import { LOADER, LOCK_SET_UP, MART_SCHEMAS, text } from './sql.ts'

/** Queries run as this role: a read-only transaction does not keep a superuser from the server's files. */
export const READER = 'cinelake_reader'

/** The function that queries run in. */
const QUERY_MART = `${LOADER}.query_mart`

/** The schemas that analysts read, `mart` first. A load may make another one at any time. */
export async function martSchemas(queries: Queries): Promise<readonly string[]> {
  return (await queries.query<{ schema: string }>(MART_SCHEMAS)).map(({ schema }) => schema)
}

export function searchPathOf(schemas: readonly string[]): string {
  return [...schemas.map(identifier), 'pg_catalog'].join(', ')
}

/**
 * A query as the reader runs it. `SET ROLE` alone would not hold: a query may undo it by `set_config`. Within a
 * function that runs with the rights of its owner, PostgreSQL lets nothing change the role.
 * Source: postgresql.org/docs/current/sql-createfunction.html (SECURITY DEFINER)
 * @param columns names and types of the result, as SQL
 */
export function asReader(sql: string, columns: string, rowLimit: number | undefined): string {
  return `SELECT * FROM ${QUERY_MART}(${text(sql)}, ${rowLimit ?? 'NULL'}) AS result(${columns})`
}

const DEFINITION = `CREATE OR REPLACE FUNCTION ${QUERY_MART}(query text, row_limit bigint) RETURNS SETOF record
LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $function$
DECLARE
  found record;
  taken bigint := 0;
BEGIN
  FOR found IN EXECUTE query LOOP
    EXIT WHEN taken OPERATOR(pg_catalog.>=) row_limit;
    RETURN NEXT found;
    taken := taken OPERATOR(pg_catalog.+) 1;
  END LOOP;
END
$function$`

type Found = {
  readonly role: boolean
  readonly is_superuser: boolean
  readonly is_member: boolean
  readonly may_use_loader: boolean
  readonly function: boolean
  readonly unusable: readonly string[]
  readonly unreadable: readonly string[]
  readonly service: string
}

/** Names that need no quotes stand bare in it: `$1` are the schemas. */
const STATE = `
SELECT r.oid IS NOT NULL AS role, coalesce(r.rolsuper, false) AS is_superuser,
  coalesce(pg_has_role(current_user, r.oid, 'MEMBER'), false) AS is_member,
  coalesce(has_schema_privilege(r.oid, '${LOADER}', 'CREATE'), false) AS may_use_loader,
  coalesce((SELECT p.proowner = r.oid AND p.prosecdef AND has_function_privilege(p.oid, 'EXECUTE') FROM pg_proc p
    WHERE p.oid = to_regprocedure('${QUERY_MART}(text,bigint)')), false) AS function,
  ARRAY(SELECT n.nspname::text FROM pg_namespace n
    WHERE n.nspname = ANY ($1::text[]) AND NOT coalesce(has_schema_privilege(r.oid, n.oid, 'USAGE'), false)) AS unusable,
  ARRAY(SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY ($1::text[]) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND c.relname NOT LIKE 'staging\\_%' AND pg_has_role(current_user, c.relowner, 'USAGE')
      AND NOT coalesce(has_table_privilege(r.oid, c.oid, 'SELECT'), false)) AS unreadable,
  current_user::text AS service
FROM (SELECT 1) AS one LEFT JOIN pg_roles r ON r.rolname = '${READER}'`

/**
 * Makes the role that queries run as, and gives it what it may read.
 * @throws {ConfigError} terminal: there is no such role, and the service may not make one
 */
export async function requireReader(
  { queries, location }: PostgresSessions,
  schemas: readonly string[],
): Promise<void> {
  const state = await stateOf(queries, schemas)
  if (state.is_superuser) {
    throw refused(location, `expected a role ${READER} without superuser rights, got a superuser`, [
      `ALTER ROLE ${READER} NOSUPERUSER`,
    ])
  }
  const steps = missingSteps(state)
  if (steps.length === 0) return
  try {
    await queries.exec([LOCK_SET_UP, ...steps].join(';\n'))
  } catch (error) {
    // For a read-only connection, another process has done it.
    if (sqlStateOf(error) === '25006' && state.function) return
    if (!['42501', '25006', '0LP01'].includes(sqlStateOf(error) ?? '')) throw error
    throw refused(
      location,
      `expected the role ${READER} with the right to read the mart, got a service that may not make it`,
      [...administratorSteps(schemas, state)],
      error,
    )
  }
}

/** Lets analysts, where their role is there, into a schema that the service made. */
export function grantNewSchema(schema: string): string {
  return `DO $do$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = '${READER}') THEN
  GRANT USAGE ON SCHEMA ${identifier(schema)} TO ${READER};
END IF; END $do$`
}

/** Lets analysts, where their role is there, read a new table. */
export async function grantNewTable(queries: Queries, table: string): Promise<void> {
  const [found] = await queries.query<{ role: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = '${READER}') AS role`,
  )
  if (found?.role === true) await queries.exec(`GRANT SELECT ON ${table} TO ${READER}`)
}

async function stateOf(queries: Queries, schemas: readonly string[]): Promise<Found> {
  const [state] = await queries.query<Found>(STATE, [schemas])
  if (state === undefined) throw new Error('the state of the reader is not known')
  return state
}

/** All of it is one transaction: statements that are sent as one. */
function missingSteps(state: Found): string[] {
  const grants = [
    ...state.unusable.map((schema) => `GRANT USAGE ON SCHEMA ${identifier(schema)} TO ${READER}`),
    ...state.unreadable.map((table) => `GRANT SELECT ON ${table} TO ${READER}`),
  ]
  if (state.function) return grants
  return [
    ...(state.role ? [] : [CREATE_ROLE]),
    ...(state.is_member ? [] : [`GRANT ${READER} TO ${identifier(state.service)}`]),
    ...grants,
    ...(state.may_use_loader ? [] : [`GRANT USAGE, CREATE ON SCHEMA ${LOADER} TO ${READER}`]),
    `SET LOCAL ROLE ${READER}`,
    DEFINITION,
    `REVOKE ALL ON FUNCTION ${QUERY_MART}(text, bigint) FROM PUBLIC`,
    `GRANT EXECUTE ON FUNCTION ${QUERY_MART}(text, bigint) TO ${identifier(state.service)}`,
    'RESET ROLE',
    ...(state.may_use_loader ? [] : [`REVOKE ALL ON SCHEMA ${LOADER} FROM ${READER}`]),
  ]
}

/** Roles belong to the server, not to a database: two services may make it at once. */
const CREATE_ROLE = `DO $do$ BEGIN CREATE ROLE ${READER} NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $do$`

function administratorSteps(schemas: readonly string[], { role, service }: Found): string[] {
  return [
    ...(role ? [] : [`CREATE ROLE ${READER} NOLOGIN`]),
    `GRANT ${READER} TO ${identifier(service)}`,
    `GRANT USAGE ON SCHEMA ${schemas.map(identifier).join(', ')} TO ${READER}`,
    `GRANT SELECT ON ALL TABLES IN SCHEMA ${schemas.map(identifier).join(', ')} TO ${READER}`,
    `GRANT USAGE, CREATE ON SCHEMA ${LOADER} TO ${READER}`,
  ]
}

function refused(location: string, problem: string, steps: readonly string[], cause?: unknown): ConfigError {
  return new ConfigError(
    'queries cannot be answered',
    [`${location}: ${problem}; an administrator of the database runs: ${steps.join('; ')}`],
    { cause },
  )
}
