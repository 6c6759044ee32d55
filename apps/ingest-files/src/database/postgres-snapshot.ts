import { sql, type ControlledTransaction, type RawBuilder } from 'kysely'
import type { DatabaseCall, TranslateError } from './database-calls.ts'
import { CursorUnusableError, type DatabasePlace } from './errors.ts'
import type { PostgresConnection } from './postgres-connection.ts'
import { fromOf, selectOf, whereOf, type PostgresTable } from './postgres-select.ts'
import { withoutDigests } from './row-digest.ts'
import type { Snapshot, SourceTable } from './source-database.ts'
import { rowsWithoutValue, watermarkOf } from './watermark.ts'

/** Rows of a sample by which ranges are found out. */
const SAMPLE_ROWS = 100_000

type Parts = {
  readonly connection: PostgresConnection
  readonly place: DatabasePlace
  /** Runs a step, with the driver's errors translated. */
  readonly call: DatabaseCall
  readonly translate: TranslateError
  readonly describe: (table: SourceTable) => Promise<PostgresTable>
}

/** A transaction that sees the database as of one moment and writes nothing. */
export async function openSnapshot(parts: Parts, shared: string | undefined): Promise<Snapshot> {
  const { connection, place, call, translate, describe } = parts
  const trx = await call('begin to read', async () => await beginSnapshot(connection, shared))
  const one = async <Row>(doing: string, query: RawBuilder<Row>) =>
    await call(doing, async () => (await query.execute(trx)).rows[0])

  return {
    share: async () => (await one('share what is seen', sql<{ id: string }>`SELECT pg_export_snapshot() AS id`))?.id,
    async *rows(table, selection = {}) {
      const doing = `read ${nameOf(table)}`
      const known = await describe(table)
      try {
        const rows = connection.stream(selectOf(known, selection).compile(trx).sql)
        yield* selection.digests === true ? withoutDigests(rows, 'utf8', { place, table }) : rows
      } catch (error) {
        throw translate(error, doing)
      }
    },
    async count(table, selection = {}) {
      const known = await describe(table)
      const query = sql<{ n: string }>`SELECT count(*) AS n FROM ${fromOf(known)}${whereOf(known, selection)}`
      return Number((await one(`count ${nameOf(table)}`, query))?.n)
    },
    async checkRange(table, columns) {
      const known = await describe(table)
      const kind = watermarkOf(place, known, columns)
      const isNullable = (name: string) => known.columns.find((column) => column.name === name)?.nullable === true
      if (!columns.every(isNullable)) return kind
      const missing = columns.map((name) => sql`${sql.id(name)} IS NULL`)
      const query = sql<{ found: string }>`
        SELECT EXISTS (SELECT FROM ${fromOf(known)} WHERE ${sql.join(missing, sql` AND `)}) AS found`
      if ((await one(`look at ${nameOf(table)}`, query))?.found === 't') throw rowsWithoutValue(place, known, columns)
      return kind
    },
    async highest(table, column) {
      const known = await describe(table)
      const query = sql<{ n: string | null }>`SELECT max(${sql.id(column)}) AS n FROM ${fromOf(known)}`
      return (await one(`look at ${nameOf(table)}`, query))?.n ?? null
    },
    async changeVersions(table) {
      throw new CursorUnusableError(
        place,
        table.table,
        'changeTracking',
        'expected a database that tracks changes, got PostgreSQL, which has no such thing but logical decoding',
      )
    },
    estimate: async (table) => (await describe(table)).estimate,
    async boundaries(table, column, ranges) {
      const known = await describe(table)
      const rows = await call(
        `sample ${nameOf(table)}`,
        async () => (await boundariesOf(known, column, ranges).execute(trx)).rows,
      )
      return rows.map(({ bound }) => bound)
    },
    async [Symbol.asyncDispose]() {
      // Nothing was written. On a connection that broke there is nothing left to end either.
      await trx
        .rollback()
        .execute()
        .catch(() => {})
    },
  }
}

function boundariesOf(table: PostgresTable, column: string, ranges: number): RawBuilder<{ bound: string }> {
  const percent = Math.min(100, (100 * SAMPLE_ROWS) / Math.max(table.estimate, 1))
  // Pages, so that most of a large table is not read at all. Views have none.
  const sample =
    percent < 100 && 'rpm'.includes(table.kind) ? sql` TABLESAMPLE SYSTEM (${sql.lit(percent.toFixed(6))})` : sql``
  const shares = Array.from({ length: ranges - 1 }, (_, index) => ((index + 1) / ranges).toFixed(6))
  const found = sql`percentile_disc(ARRAY[${sql.raw(shares.join(', '))}]::float8[]) WITHIN GROUP (ORDER BY ${sql.id(column)})`
  return sql<{ bound: string }>`
    SELECT bound FROM (SELECT DISTINCT unnest(${found}) AS bound FROM ${fromOf(table)}${sample}) AS bounds
    WHERE bound IS NOT NULL ORDER BY bound`
}

/**
 * A transaction that sees the database as of one moment and writes nothing, with every setting that changes how values
 * are written or which rows are seen. Settings end with the transaction, so that a connection shared behind a proxy stays
 * as it was.
 */
async function beginSnapshot(
  { db }: PostgresConnection,
  shared: string | undefined,
): Promise<ControlledTransaction<unknown>> {
  const trx = await db.startTransaction().setIsolationLevel('repeatable read').setAccessMode('read only').execute()
  try {
    if (shared !== undefined) await sql`SET TRANSACTION SNAPSHOT ${sql.lit(shared)}`.execute(trx)
    const settings = Object.entries(SETTINGS).map(([name, value]) => sql`set_config(${name}, ${value}, true)`)
    await sql`SELECT ${sql.join(settings)}`.execute(trx)
    return trx
  } catch (error) {
    await trx
      .rollback()
      .execute()
      .catch(() => {})
    throw error
  }
}

const SETTINGS: Readonly<Record<string, string>> = {
  timezone: 'UTC',
  datestyle: 'ISO, YMD',
  intervalstyle: 'iso_8601',
  bytea_output: 'hex',
  extra_float_digits: '3',
  search_path: 'pg_catalog',
  // Rows that this user may not see are an error, not a smaller table.
  row_security: 'off',
  // A table without a key is read from its beginning, in the order in which it lies, each time.
  synchronize_seqscans: 'off',
  statement_timeout: '0',
  idle_in_transaction_session_timeout: '0',
}

const nameOf = ({ table }: SourceTable) => `${table.schema}.${table.name}`
