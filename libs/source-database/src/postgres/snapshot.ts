import { sql, type RawBuilder } from 'kysely'
import type { DatabaseCall, TranslateError } from '../database-calls.ts'
import { CursorUnusableError, type DatabasePlace } from '../errors.ts'
import { beginSnapshot, EXPORTED } from './begin.ts'
import type { PostgresConnection } from './connection.ts'
import { fromOf, selectOf, whereOf, type PostgresTable } from './select.ts'
import { withoutDigests } from '../row-digest.ts'
import type { Snapshot, SnapshotOptions, SourceTable } from '../source-database.ts'
import { checkWatermark } from '../watermark.ts'

/** Rows of the sample that ranges are determined from. */
const SAMPLE_ROWS = 100_000

type Parts = {
  readonly connection: PostgresConnection
  readonly place: DatabasePlace
  /** Runs a step and translates the driver's errors. */
  readonly call: DatabaseCall
  readonly translate: TranslateError
  readonly describe: (table: SourceTable) => Promise<PostgresTable>
}

/** A read-only transaction that sees one consistent snapshot of the database. */
export async function openSnapshot(parts: Parts, options: SnapshotOptions = {}): Promise<Snapshot> {
  const { connection, place, call, translate, describe } = parts
  const table = options.table && (await describe(options.table))
  const doing = table === undefined ? 'begin to read' : `read ${nameOf(table)}`
  const trx = await call(doing, async () => await beginSnapshot(connection.db, place, { ...options, table }))
  const one = async <Row>(doing: string, query: RawBuilder<Row>) =>
    await call(doing, async () => (await query.execute(trx)).rows[0])

  return {
    share: async () => (await one('share what is seen', sql<{ id: string }>`SELECT ${EXPORTED} AS id`))?.id,
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
      const missing = columns.map((name) => sql`${sql.id(name)} IS NULL`)
      const query = sql<{ found: string }>`
        SELECT EXISTS (SELECT FROM ${fromOf(known)} WHERE ${sql.join(missing, sql` AND `)}) AS found`
      const hasRowsWithout = async () => (await one(`look at ${nameOf(table)}`, query))?.found === 't'
      return await checkWatermark(place, known, columns, hasRowsWithout)
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
      // The transaction wrote nothing. On a broken connection there is nothing to end either.
      await trx
        .rollback()
        .execute()
        .catch(() => {})
    },
  }
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

const nameOf = ({ table }: SourceTable) => `${table.schema}.${table.name}`
