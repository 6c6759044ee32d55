import { CancelledError } from '@cinelake/core'
import { distinct } from '../distinct.ts'
import { WarehouseQueryError } from '../errors.ts'
import { refuseAmbiguous } from './ambiguity.ts'
import { queryError } from './errors.ts'
import { asReader, martSchemas, requireReader, searchPathOf } from './reader.ts'
import type { PostgresSessions, ReadSession } from './session.ts'
import { quoted } from './sql.ts'
import {
  QUERY_TIMEOUT_MS,
  type QueryOptions,
  type Warehouse,
  type WarehouseRow,
  type WarehouseValue,
} from '../warehouse.ts'

/** Rows, when the caller names no limit. */
const DEFAULT_LIMIT = 1000
/** Rows fetched at once, where all are wanted. */
const BATCH_ROWS = 2000

/**
 * Runs one query as the reader of the mart, in a read-only transaction that is rolled back; tables of the mart need no
 * schema in front.
 */
export async function queryReadOnly(
  sessions: PostgresSessions,
  sql: string,
  { limit = DEFAULT_LIMIT, ...options }: QueryOptions & { readonly limit?: number } = {},
): ReturnType<Warehouse['query']> {
  return await reading(sessions, sql, options, async (session, schemas) => {
    const { columns, statement } = await prepare(session, schemas, sql, limit + 1)
    const { rows } = await session.run(statement)
    const names = columns.map(({ name }) => name)
    return {
      columns: names,
      rows: rows.slice(0, limit).map((values) => toRow(names, values)),
      truncated: rows.length > limit,
    }
  })
}

/** All rows of one query, in batches. */
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
      const { rows } = await session.run(`FETCH FORWARD ${BATCH_ROWS} FROM cinelake_query`)
      isLast = rows.length < BATCH_ROWS
      await take({ columns, rows })
    }
  })
}

async function reading<Result>(
  sessions: PostgresSessions,
  sql: string,
  { signal, timeoutMs = QUERY_TIMEOUT_MS }: QueryOptions,
  work: (session: ReadSession, schemas: readonly string[]) => Promise<Result>,
): Promise<Result> {
  const timeout = AbortSignal.timeout(timeoutMs)
  const stop = signal === undefined ? timeout : AbortSignal.any([signal, timeout])
  try {
    signal?.throwIfAborted()
    const schemas = await martSchemas(sessions.queries)
    await requireReader(sessions, schemas)
    return await sessions.read(async (session) => await work(session, schemas), {
      searchPath: searchPathOf(schemas),
      timeoutMs,
      signal: stop,
    })
  } catch (error) {
    if (signal?.aborted === true) throw new CancelledError('the query', { cause: signal.reason })
    if (timeout.aborted) throw WarehouseQueryError.tooLong(timeoutMs, { cause: error })
    throw queryError(error, { location: sessions.location, sql, timeoutMs })
  }
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
  return quoted(`c${index}`)
}

/** A query within another has no semicolon behind it. */
function withoutEnd(sql: string): string {
  return sql.replace(/[\s;]+$/, '')
}

async function typeNames(session: ReadSession, ids: ReadonlySet<number>): Promise<Map<number, TypeName>> {
  const { rows } = await session.run(
    `SELECT oid::bigint, pg_catalog.format_type(oid, NULL), typtype = 'p' AND typname <> 'record' FROM pg_catalog.pg_type WHERE oid IN (${[...ids].join(', ')})`,
  )
  return new Map(
    rows.map(([id, name, isPseudo]) => [
      Number(id),
      { name: typeof name === 'string' ? name : 'text', isPseudo: isPseudo === true },
    ]),
  )
}

function toRow(columns: readonly string[], values: readonly WarehouseValue[]): WarehouseRow {
  return Object.fromEntries(columns.map((column, index) => [column, values[index] ?? null]))
}
