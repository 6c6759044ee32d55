import { identifier } from '@cinelake/sql'
import { missingRights } from '../missing-rights.ts'
import { MART } from '../warehouse.ts'
import type { PostgresSessions } from './session.ts'
import { LOADER } from './sql.ts'

type Found = {
  readonly service: string
  readonly may_create: boolean
  readonly mart: boolean
  readonly may_use_mart: boolean
  /** Whether there is another schema that it may make tables in: that of a pipeline. */
  readonly may_use_other: boolean
  readonly loader: boolean
  readonly may_use_loader: boolean
  readonly may_create_in_loader: boolean
  /** Null where the bookkeeping is not there. */
  readonly may_record: boolean | null
  readonly may_extend: boolean
}

const onSchema = (schema: string, right: string) =>
  `coalesce(has_schema_privilege(to_regnamespace('${schema}')::oid, '${right}'), false)`

/** Looks at the catalogue alone, which every user may do. */
const RIGHTS = `
SELECT current_user::text AS service, has_database_privilege(current_database(), 'CREATE') AS may_create,
  to_regnamespace('${MART}') IS NOT NULL AS mart,
  ${onSchema(MART, 'USAGE')} AND ${onSchema(MART, 'CREATE')} AS may_use_mart,
  EXISTS (SELECT FROM pg_namespace n WHERE n.nspname NOT IN ('${MART}', '${LOADER}', 'public', 'information_schema')
    AND NOT starts_with(n.nspname, 'pg_') AND has_schema_privilege(n.oid, 'USAGE') AND has_schema_privilege(n.oid, 'CREATE')) AS may_use_other,
  to_regnamespace('${LOADER}') IS NOT NULL AS loader,
  ${onSchema(LOADER, 'USAGE')} AS may_use_loader, ${onSchema(LOADER, 'CREATE')} AS may_create_in_loader,
  has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE') AS may_record,
  coalesce(pg_has_role(c.relowner, 'USAGE'), true) OR EXISTS (
    SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'table_id') AS may_extend
FROM (SELECT 1) AS one LEFT JOIN pg_class c
  ON c.relnamespace = to_regnamespace('${LOADER}')::oid AND c.relname = 'loaded_tables' AND c.relkind = 'r'`

/** @throws {ConfigError} terminal: names the rights that are missing, as the statements that give them */
export async function requireLoaderRights({ queries, location }: PostgresSessions): Promise<void> {
  const [found] = await queries.query<Found>(RIGHTS)
  const steps = found === undefined ? [] : stepsOf(found)
  if (found !== undefined && steps.length > 0) throw missingRights(location, found.service, steps)
}

function stepsOf(found: Found): string[] {
  const service = identifier(found.service)
  const table = `${LOADER}.loaded_tables`
  const schema = (name: string, rights: string, { exists, isEnough }: { exists: boolean; isEnough: boolean }) => {
    if (exists ? isEnough : found.may_create) return []
    return [...(exists ? [] : [`CREATE SCHEMA ${name}`]), `GRANT ${rights} ON SCHEMA ${name} TO ${service}`]
  }
  const hasTable = found.may_record !== null
  return [
    ...schema(MART, 'USAGE, CREATE', { exists: found.mart, isEnough: found.may_use_mart || found.may_use_other }),
    ...schema(LOADER, hasTable ? 'USAGE' : 'USAGE, CREATE', {
      exists: found.loader,
      isEnough: found.may_use_loader && (hasTable || found.may_create_in_loader),
    }),
    ...(found.may_record === false ? [`GRANT SELECT, INSERT, UPDATE ON ${table} TO ${service}`] : []),
    ...(found.may_extend ? [] : [`ALTER TABLE ${table} ADD COLUMN table_id text`]),
  ]
}
