import { TEXT_TYPES, type PostgresConnection } from '@cinelake/database/postgres'
import { sql, type ControlledTransaction, type Kysely, type RawBuilder } from 'kysely'
import pg from 'pg'
import { fullName, SnapshotUnfitError, type DatabaseLocation } from '../errors.ts'
import { RowBatches } from '../row-batches.ts'
import type { SourceRow } from '../source-database.ts'
import type { OpenTransaction } from '../technology.ts'
import { codeOf } from './errors.ts'
import { fromOf, selectOf, whereOf, type PostgresTable } from './select.ts'

/** Rows of the sample that ranges are determined from. */
const SAMPLE_ROWS = 100_000

/** A read-only transaction that sees one consistent snapshot of the database. @throws as `beginSnapshot` */
export async function beginReading(
  connection: PostgresConnection,
  timeoutMs: number,
  place: DatabaseLocation,
  options: Options,
): Promise<OpenTransaction<PostgresTable>> {
  const trx = await beginSnapshot(connection.db, place, options)
  const first = async <Row>(query: RawBuilder<Row>) => (await query.execute(trx)).rows[0]
  return {
    trx,
    share: async () => (await first(sql<{ id: string }>`SELECT ${EXPORTED} AS id`))?.id,
    rows: (table, selection) => streamRows(connection, selectOf(table, selection).compile(trx).sql, timeoutMs),
    count: async (table, selection) =>
      Number(
        (await first(sql<{ n: string }>`SELECT count(*) AS n FROM ${fromOf(table)}${whereOf(table, selection)}`))?.n,
      ),
    async hasRowsWithout(table, columns) {
      const missing = columns.map((name) => sql`${sql.id(name)} IS NULL`)
      const query = sql<{ found: string }>`
        SELECT EXISTS (SELECT FROM ${fromOf(table)} WHERE ${sql.join(missing, sql` AND `)}) AS found`
      return (await first(query))?.found === 't'
    },
    highest: async (table, column) =>
      (await first(sql<{ n: string | null }>`SELECT max(${sql.id(column)}) AS n FROM ${fromOf(table)}`))?.n ?? null,
    changeVersions: async () => undefined,
    boundaries: async (table, column, ranges) =>
      (await boundariesOf(table, column, ranges).execute(trx)).rows.map(({ bound }) => bound),
  }
}

function streamRows(
  { client, abandon }: PostgresConnection,
  text: string,
  timeoutMs: number,
): AsyncIterable<readonly SourceRow[]> {
  const { stream } = client.connection
  const rows = new RowBatches({
    pause: () => void stream.pause(),
    resume: () => void stream.resume(),
    abandon,
    timeoutMs,
    received: () => ('bytesRead' in stream && typeof stream.bytesRead === 'number' ? stream.bytesRead : 0),
  })
  const asked = { text, rowMode: 'array', types: TEXT_TYPES }
  const query = new pg.Query<(string | null)[]>(asked)
  query.on('row', (row) => rows.push(row))
  query.on('error', (error) => rows.end(error))
  query.on('end', () => rows.end())
  client.query(query)
  return rows.batches()
}

function boundariesOf(table: PostgresTable, column: string, ranges: number): RawBuilder<{ bound: string }> {
  const percent = Math.min(100, (100 * SAMPLE_ROWS) / Math.max(table.estimate, 1))
  // Sampled by pages, so that most of a large table is not read at all. Views have no pages.
  const sample =
    percent < 100 && 'rpm'.includes(table.kind) ? sql` TABLESAMPLE SYSTEM (${sql.lit(percent.toFixed(6))})` : sql``
  const shares = Array.from({ length: ranges - 1 }, (_, index) => ((index + 1) / ranges).toFixed(6))
  const found = sql`percentile_disc(ARRAY[${sql.raw(shares.join(', '))}]::float8[]) WITHIN GROUP (ORDER BY ${sql.id(column)})`
  return sql<{ bound: string }>`
    SELECT bound FROM (SELECT DISTINCT unnest(${found}) AS bound FROM ${fromOf(table)}${sample}) AS bounds
    WHERE bound IS NOT NULL ORDER BY bound`
}

/** Milliseconds. Waiting for a shared snapshot is short: otherwise the table is read from a snapshot of its own. */
const SHARED_LOCK_MS = 10_000
/** Retries if a materialized view is refreshed between two statements. */
const ATTEMPTS = 3

type Options = { readonly shared?: string | undefined; readonly table: PostgresTable | undefined }

/**
 * A read-only transaction. A table that is emptied or rewritten as a whole (TRUNCATE, REFRESH, ALTER TABLE) is empty
 * for transactions with an earlier snapshot, so it is locked first, and the snapshot is taken afterwards.
 * @throws {SnapshotUnfitError} transient: the shared snapshot is gone, or the table was rewritten since, or is locked
 */
async function beginSnapshot(
  db: Kysely<unknown>,
  place: DatabaseLocation,
  { shared, table }: Options,
): Promise<ControlledTransaction<unknown>> {
  for (let attempt = 1; ; attempt += 1) {
    const trx = await db.startTransaction().setIsolationLevel('repeatable read').setAccessMode('read only').execute()
    try {
      if (shared !== undefined) await share(trx, place, shared)
      const isLocked = table !== undefined && (await lock(trx, table))
      const settings = Object.entries(SETTINGS).map(([name, value]) => sql`set_config(${name}, ${value}, true)`)
      await sql`SELECT ${sql.join(settings)}, ${NO_END}`.execute(trx)
      if (table === undefined || (isLocked && shared === undefined)) return trx
      // Reading from it locks it as well, but only from this point on.
      if (!isLocked) await sql`SELECT FROM ${fromOf(table)} LIMIT 0`.execute(trx)
      if (!(await isRewritten(trx))) return trx
      if (shared !== undefined || attempt === ATTEMPTS) {
        throw new SnapshotUnfitError(place, `${fullName(table.table)} was rewritten since`)
      }
      await trx.rollback().execute()
    } catch (error) {
      await trx
        .rollback()
        .execute()
        .catch(() => {})
      const isKept = shared !== undefined && table !== undefined && codeOf(error) === LOCKED
      throw isKept
        ? new SnapshotUnfitError(place, `another session keeps ${fullName(table.table)} locked`, { cause: error })
        : error
    }
  }
}

/** SQLSTATE of a lock timeout. */
const LOCKED = '55P03'

/** SQLSTATEs of an unknown snapshot: no such name, no such file, its transaction has ended. */
const GONE: ReadonlySet<unknown> = new Set(['22023', '42704', '55000'])

/** The snapshot's name, and a check value: after a restart, the name may be that of another one. */
const EXPORTED = sql`pg_catalog.pg_export_snapshot() || ' ' || pg_catalog.txid_current_snapshot()`

async function share(trx: ControlledTransaction<unknown>, place: DatabaseLocation, shared: string): Promise<void> {
  const [name = '', seen] = shared.split(' ')
  await sql`SET LOCAL lock_timeout = ${sql.lit(SHARED_LOCK_MS)}`.execute(trx)
  try {
    await sql`SET TRANSACTION SNAPSHOT ${sql.lit(name)}`.execute(trx)
  } catch (error) {
    throw GONE.has(codeOf(error)) ? new SnapshotUnfitError(place, 'it has ended', { cause: error }) : error
  }
  const found = await sql<{ seen: string }>`SELECT pg_catalog.txid_current_snapshot() AS seen`.execute(trx)
  if (found.rows[0]?.seen !== seen) throw new SnapshotUnfitError(place, 'it has ended')
}

/**
 * Locks a table and what it consists of against TRUNCATE and DROP, without a snapshot.
 * @returns false for relations that PostgreSQL cannot lock: materialized views and foreign tables
 */
async function lock(trx: ControlledTransaction<unknown>, table: PostgresTable): Promise<boolean> {
  if (!'rpv'.includes(table.kind)) return false
  await sql`LOCK TABLE ${fromOf(table)} IN ACCESS SHARE MODE`.execute(trx)
  return true
}

/** Whether a table that was read was rewritten since the snapshot, or lost a partition: catalog functions tell. */
async function isRewritten(trx: ControlledTransaction<unknown>): Promise<boolean> {
  const { rows } = await sql<{ found: string }>`
    WITH locked AS (
      SELECT DISTINCT l.relation AS id FROM pg_catalog.pg_locks l
      WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation' AND l.database <> 0
    )
    SELECT EXISTS (
      SELECT FROM locked LEFT JOIN pg_catalog.pg_class c ON c.oid = locked.id
      WHERE c.oid IS NULL OR (c.relkind IN ('r', 'm') AND c.relfilenode <> 0
        AND c.relfilenode IS DISTINCT FROM pg_catalog.pg_relation_filenode(locked.id))
    ) OR EXISTS (
      SELECT FROM locked JOIN pg_catalog.pg_class c ON c.oid = locked.id AND c.relkind = 'p'
      JOIN pg_catalog.pg_inherits i ON i.inhparent = c.oid WHERE i.inhrelid NOT IN (SELECT id FROM locked)
    ) AS found`.execute(trx)
  return rows[0]?.found === 't'
}

/** PostgreSQL 17 and newer can end a transaction for its age. */
const NO_END = sql`CASE WHEN current_setting('transaction_timeout', true) IS NOT NULL
  THEN set_config('transaction_timeout', '0', true) END`

/** Settings that affect how values are written or which rows are visible. They end with the transaction. */
const SETTINGS: Readonly<Record<string, string>> = {
  timezone: 'UTC',
  datestyle: 'ISO, YMD',
  intervalstyle: 'iso_8601',
  bytea_output: 'hex',
  extra_float_digits: '3',
  search_path: 'pg_catalog',
  // A backslash in a literal is not an escape.
  standard_conforming_strings: 'on',
  // Rows hidden from this user by row-level security are an error, not a smaller table.
  row_security: 'off',
  // A table without a key is always read from its beginning, in physical order.
  synchronize_seqscans: 'off',
  statement_timeout: '0',
  idle_in_transaction_session_timeout: '0',
}
