import { identifier } from '@cinelake/sql'
import { DEFAULT_LIMIT, distinct, limited, withinTime } from '../query.ts'
import { WarehouseQueryError } from '../errors.ts'
import type { QueryOptions, Warehouse } from '../warehouse.ts'
import { queryError } from './errors.ts'
import { asReader, martSchemas, requireReader, searchPathOf } from './reader.ts'
import type { PostgresSessions, ReadSession } from './session.ts'
import { text } from './sql.ts'

/** Rows fetched at once, where all are wanted. */
const BATCH_ROWS = 2000

/** Runs one query as the reader of the mart, read only; tables of the mart need no schema in front. */
export async function queryReadOnly(
  sessions: PostgresSessions,
  sql: string,
  { limit = DEFAULT_LIMIT, ...options }: QueryOptions & { readonly limit?: number } = {},
): ReturnType<Warehouse['query']> {
  return await reading(sessions, sql, options, async (session, schemas) => {
    const { columns, statement } = await prepare(session, schemas, sql, limit + 1)
    const rows = await session.run(statement)
    return limited(
      columns.map(({ name }) => name),
      rows,
      limit,
    )
  })
}

export async function readAll(
  sessions: PostgresSessions,
  sql: string,
  take: Parameters<Warehouse['readAll']>[1],
  options: QueryOptions = {},
): Promise<void> {
  await reading(sessions, sql, options, async (session, schemas) => {
    const { columns, statement } = await prepare(session, schemas, sql, undefined)
    await session.run(`DECLARE cinelake_query NO SCROLL CURSOR FOR ${statement}`)
    for (let isLast = false; !isLast;) {
      const rows = await session.run(`FETCH FORWARD ${BATCH_ROWS} FROM cinelake_query`)
      isLast = rows.length < BATCH_ROWS
      await take({ columns, rows })
    }
  })
}

async function reading<Result>(
  sessions: PostgresSessions,
  sql: string,
  options: QueryOptions,
  work: (session: ReadSession, schemas: readonly string[]) => Promise<Result>,
): Promise<Result> {
  const { location, queries } = sessions
  const translate = (error: unknown, timeoutMs: number) => queryError(error, { location, sql, timeoutMs })
  return await withinTime(options, translate, async (stop) => {
    const schemas = await martSchemas(queries)
    await requireReader(sessions, schemas)
    const searchPath = searchPathOf(schemas)
    return await sessions.read(async (session) => await work(session, schemas), { searchPath, ...stop })
  })
}

type Prepared = {
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly statement: string
}

type TypeName = { readonly name: string; readonly isPseudo: boolean }

/** The query's columns, and the statement that runs it with the reader's rights. */
async function prepare(
  session: ReadSession,
  schemas: readonly string[],
  sql: string,
  rowLimit: number | undefined,
): Promise<Prepared> {
  const fields = await session.describe(sql)
  if (fields.length === 0) throw WarehouseQueryError.notAQuery()
  await refuseAmbiguous(session, sql, schemas)
  const types = await typeNames(session, new Set(fields.map(({ typeId }) => typeId)))
  const names = distinct(fields.map(({ name }) => name))
  const columns = fields.map(({ typeId }, index) => {
    const { name = 'text', isPseudo = false } = types.get(typeId) ?? {}
    return { name: names[index] ?? '', type: isPseudo ? 'text' : name, isPseudo }
  })
  const declared = columns.map(({ type }, index) => `${placeholder(index)} ${type}`).join(', ')
  // What is no value of its own, such as the nothing of pg_sleep, comes as text.
  const query = columns.some(({ isPseudo }) => isPseudo)
    ? `SELECT ${columns.map(({ isPseudo }, index) => `${placeholder(index)}${isPseudo ? '::text' : ''}`).join(', ')} ` +
      `FROM (${withoutEnd(sql)}\n) AS query(${columns.map((_, index) => placeholder(index)).join(', ')})`
    : sql
  return { columns: columns.map(({ name, type }) => ({ name, type })), statement: asReader(query, declared, rowLimit) }
}

function placeholder(index: number): string {
  return identifier(`c${index}`)
}

function withoutEnd(sql: string): string {
  return sql.replace(/[\s;]+$/, '')
}

async function typeNames(session: ReadSession, ids: ReadonlySet<number>): Promise<Map<number, TypeName>> {
  const rows = await session.run(
    `SELECT oid::bigint, pg_catalog.format_type(oid, NULL), typtype = 'p' AND typname <> 'record' FROM pg_catalog.pg_type WHERE oid IN (${[...ids].join(', ')})`,
  )
  return new Map(
    rows.map(([id, name, isPseudo]) => [
      Number(id),
      { name: typeof name === 'string' ? name : 'text', isPseudo: isPseudo === true },
    ]),
  )
}

/**
 * PostgreSQL would take the first of two schemas that have a table of that name, in silence. Exported for tests.
 * @throws {WarehouseQueryError} terminal: says how to write the name
 */
export async function refuseAmbiguous(session: ReadSession, sql: string, schemas: readonly string[]): Promise<void> {
  if (schemas.length < 2) return
  const rows = await session.run(
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
  const read = relationsOf(plan[0]?.[0])
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
