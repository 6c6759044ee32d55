import { WarehouseQueryError } from './errors.ts'
import { asReader } from './postgres-reader.ts'
import type { ReadSession } from './postgres-session.ts'
import { text } from './postgres-sql.ts'

/**
 * Refuses a query that names a table without its schema where two schemas of the mart have one of that name: PostgreSQL would take
 * the first in silence.
 * @throws {WarehouseQueryError} terminal: says how to write the name
 */
export async function refuseAmbiguous(session: ReadSession, sql: string, schemas: readonly string[]): Promise<void> {
  if (schemas.length < 2) return
  const { rows } = await session.run(
    `SELECT c.relname::text, string_agg(n.nspname::text, ',' ORDER BY n.nspname) FROM pg_catalog.pg_class c
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ANY (ARRAY[${schemas.map(text).join(', ')}])
       AND c.relkind IN ('r', 'p', 'v', 'm', 'f') GROUP BY c.relname HAVING count(*) > 1 ORDER BY c.relname`,
  )
  const shared = rows
    .flatMap(([name, list]) =>
      typeof name === 'string' && typeof list === 'string' ? [{ name, schemas: list.split(',') }] : [],
    )
    .filter(({ name }) => sql.toLowerCase().includes(name.toLowerCase()))
  if (shared.length === 0) return
  // Which of them the query reads is known when it is planned: a name may also be that of a column or of a WITH.
  const plan = await session.run(asReader(`EXPLAIN (VERBOSE, FORMAT JSON) ${sql}`, 'plan json', undefined))
  const read = relationsOf(plan.rows[0]?.[0])
  for (const { name, schemas: found } of shared) {
    const isRead = found.some((schema) => read.has(JSON.stringify([schema, name])))
    if (!isRead || found.some((schema) => isQualified(sql, schema, name))) continue
    throw new WarehouseQueryError(
      `${name} is in ${found.join(' and ')}: write ${found.map((schema) => `${schema}.${name}`).join(' or ')}`,
      undefined,
    )
  }
}

function isQualified(sql: string, schema: string, name: string): boolean {
  return new RegExp(`(?<!\\w)"?${RegExp.escape(schema)}"?\\s*\\.\\s*"?${RegExp.escape(name)}"?(?!\\w)`, 'i').test(sql)
}

/** Schema and name of what a plan reads. */
function relationsOf(plan: unknown, found = new Set<string>()): Set<string> {
  if (typeof plan !== 'object' || plan === null) return found
  const { Schema: schema, 'Relation Name': name } = plan as Record<string, unknown>
  if (typeof schema === 'string' && typeof name === 'string') found.add(JSON.stringify([schema, name]))
  for (const part of Object.values(plan)) relationsOf(part, found)
  return found
}
