import { sql, type ControlledTransaction, type Kysely } from 'kysely'
import { SnapshotUnfitError, type DatabasePlace } from '../errors.ts'
import { codeOf } from './errors.ts'
import { fromOf, type PostgresTable } from './select.ts'

/** Milliseconds. Waiting for a shared snapshot is short: otherwise the table is read from a snapshot of its own. */
const SHARED_LOCK_MS = 10_000
/** Retries if a materialized view is refreshed between two statements. */
const ATTEMPTS = 3

type Options = { readonly shared?: string | undefined; readonly table: PostgresTable | undefined }

/**
 * A read-only transaction that sees one consistent snapshot of the database.
 *
 * A table that is emptied or rewritten as a whole (TRUNCATE, REFRESH, some ALTER TABLE) is empty for transactions with an
 * earlier snapshot: PostgreSQL keeps no versions of it. So the table is locked first, and the snapshot is taken afterwards.
 * @throws {SnapshotUnfitError} transient: the shared snapshot is gone, or the table was rewritten since, or is locked
 */
export async function beginSnapshot(
  db: Kysely<unknown>,
  place: DatabasePlace,
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
      if (!(await isWrittenAnew(trx))) return trx
      if (shared !== undefined || attempt === ATTEMPTS) {
        throw new SnapshotUnfitError(place, `${nameOf(table)} was rewritten since`)
      }
      await trx.rollback().execute()
    } catch (error) {
      await trx
        .rollback()
        .execute()
        .catch(() => {})
      const isKept = shared !== undefined && table !== undefined && codeOf(error) === LOCKED
      throw isKept
        ? new SnapshotUnfitError(place, `another session keeps ${nameOf(table)} locked`, { cause: error })
        : error
    }
  }
}

/** SQLSTATE of a lock timeout. */
const LOCKED = '55P03'

/** SQLSTATEs of an unknown snapshot: no such name, no such file, its transaction has ended. */
const GONE: ReadonlySet<unknown> = new Set(['22023', '42704', '55000'])

/**
 * The data that another connection needs to use the same snapshot, with a check value: after a restart of the server, the
 * name may be that of another snapshot.
 */
export const EXPORTED = sql`pg_catalog.pg_export_snapshot() || ' ' || pg_catalog.txid_current_snapshot()`

async function share(trx: ControlledTransaction<unknown>, place: DatabasePlace, shared: string): Promise<void> {
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

const nameOf = ({ table }: PostgresTable) => `${table.schema}.${table.name}`

/**
 * Locks a table, its partitions, and the tables of a view against TRUNCATE and DROP, without taking a snapshot. Writers are not
 * blocked.
 * @returns false for relations that PostgreSQL cannot lock: materialized views and foreign tables
 */
async function lock(trx: ControlledTransaction<unknown>, table: PostgresTable): Promise<boolean> {
  if (!'rpv'.includes(table.kind)) return false
  await sql`LOCK TABLE ${fromOf(table)} IN ACCESS SHARE MODE`.execute(trx)
  return true
}

/**
 * Whether one of the tables that this transaction has read was rewritten since its snapshot, or has lost a partition.
 * The rows of the catalog are of the snapshot; its functions return the current state.
 */
async function isWrittenAnew(trx: ControlledTransaction<unknown>): Promise<boolean> {
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

/**
 * Every setting that affects how values are written or which rows are visible. They end with the transaction, so that a
 * connection shared behind a proxy is unchanged.
 */
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
