import { sql, type ControlledTransaction } from 'kysely'
import type { DatabaseCall, TranslateError } from '../database-calls.ts'
import { CursorUnusableError, type DatabasePlace } from '../errors.ts'
import type { MssqlConnection } from './connection.ts'
import { bracketed, countOf, isSplittable, nationalText, quotedTable, selectOf, type MssqlTable } from './select.ts'
import { withoutDigests } from '../row-digest.ts'
import type { Snapshot, SourceTable } from '../source-database.ts'
import { checkWatermark } from '../watermark.ts'

/** Rows of the sample that ranges are determined from. */
const SAMPLE_ROWS = 100_000

type Parts = {
  readonly connection: MssqlConnection
  readonly place: DatabasePlace
  readonly call: DatabaseCall
  readonly translate: TranslateError
  readonly describe: (table: SourceTable) => Promise<MssqlTable>
}

/**
 * A read transaction. One consistent snapshot if the database allows it (ALLOW_SNAPSHOT_ISOLATION); else one
 * per statement if readers do not wait for writers (READ_COMMITTED_SNAPSHOT); else as consistent as locks make it.
 */
export async function openSnapshot({ connection, place, call, translate, describe }: Parts): Promise<Snapshot> {
  const { trx, settledVersion } = await call('begin to read', async () => await begin(connection))
  const query = async <Row>(doing: string, text: string) =>
    await call(doing, async () => (await sql.raw<Row>(text).execute(trx)).rows)

  return {
    // Two connections can share a snapshot only in a database snapshot, which is a database of its own.
    share: async () => undefined,
    async *rows(table, selection = {}) {
      const known = await describe(table)
      try {
        const rows = connection.stream(selectOf(known, selection))
        yield* selection.digests === true ? withoutDigests(rows, 'utf16le', { place, table }) : rows
      } catch (error) {
        throw translate(error, `read ${nameOf(table)}`)
      }
    },
    async count(table, selection = {}) {
      const [found] = await query<{ n: string }>(`count ${nameOf(table)}`, countOf(await describe(table), selection))
      return Number(found?.n)
    },
    async checkRange(table, columns) {
      const known = await describe(table)
      const missing = columns.map((name) => `${bracketed(name)} IS NULL`).join(' AND ')
      const text = `SELECT TOP (1) 1 AS n FROM ${quotedTable(known)} WHERE ${missing}`
      const hasRowsWithout = async () => (await query(`look at ${nameOf(table)}`, text)).length > 0
      return await checkWatermark(place, known, columns, hasRowsWithout)
    },
    async highest(table, column) {
      const known = await describe(table)
      const target = known.columns.find(({ name }) => name === column)
      if (target === undefined || target.mssqlType === 'timestamp') return settledVersion
      const text = `SELECT ${target.toText(`MAX(${bracketed(column)})`)} AS n FROM ${quotedTable(known)}`
      return (await query<{ n: string | null }>(`look at ${nameOf(table)}`, text))[0]?.n ?? null
    },
    async changeVersions(table) {
      const [found] = await query<{ current: string | null; oldest: string | null }>(
        `look at the changes of ${nameOf(table)}`,
        `SELECT CONVERT(varchar(20), CHANGE_TRACKING_CURRENT_VERSION()) AS [current],
          CONVERT(varchar(20), CHANGE_TRACKING_MIN_VALID_VERSION(OBJECT_ID(${nationalText(quotedTable(table))}))) AS [oldest]`,
      )
      const { current, oldest } = found ?? {}
      if (current != null && oldest != null && table.primaryKey.length > 0) return { current, oldest }
      throw new CursorUnusableError(
        place,
        table.table,
        'changeTracking',
        'expected Change Tracking to be on for the database and for this table (ALTER TABLE … ENABLE CHANGE_TRACKING), which needs a primary key, and VIEW CHANGE TRACKING to be granted, got none',
      )
    },
    estimate: async (table) => (await describe(table)).estimate,
    async boundaries(table, column, ranges) {
      const known = await describe(table)
      const target = known.columns.find(({ name }) => name === column)
      if (target === undefined || !isSplittable(target.mssqlType)) return []
      const rows = await query<{ bound: string | null }>(
        `sample ${nameOf(table)}`,
        boundariesOf(known, column, target.toText('bounds.v'), ranges),
      )
      return [...new Set(rows.flatMap(({ bound }) => bound ?? []))]
    },
    async [Symbol.asyncDispose]() {
      await trx
        .rollback()
        .execute()
        .catch(() => {})
    },
  }
}

/** The first value of each tile except the first. */
function boundariesOf(table: MssqlTable, column: string, asText: string, ranges: number): string {
  const percent = Math.min(100, (100 * SAMPLE_ROWS) / Math.max(table.estimate, 1))
  // Sampled by pages, so that most of a large table is not read at all. Views have no pages.
  const sample = percent < 100 && table.mssqlKind === 'U' ? ` TABLESAMPLE (${percent.toFixed(6)} PERCENT)` : ''
  const name = bracketed(column)
  return `SELECT ${asText} AS bound FROM (
    SELECT MIN(tiles.v) AS v, tiles.tile FROM (
      SELECT ${name} AS v, NTILE(${ranges}) OVER (ORDER BY ${name}) AS tile FROM ${quotedTable(table)}${sample} WHERE ${name} IS NOT NULL
    ) AS tiles GROUP BY tiles.tile
  ) AS bounds WHERE bounds.tile > 1 ORDER BY bounds.v`
}

/**
 * The version below which no row will be written any more is read before the snapshot is taken: then every row below it is
 * in the snapshot.
 */
async function begin({ db }: MssqlConnection): Promise<{
  readonly trx: ControlledTransaction<unknown>
  readonly settledVersion: string | null
}> {
  const { rows } = await sql<{ allowed: string; settled: string | null }>`
    SELECT CONVERT(varchar(3), snapshot_isolation_state) AS allowed,
      CONVERT(varchar(20), CONVERT(bigint, MIN_ACTIVE_ROWVERSION()) - 1) AS settled
    FROM sys.databases WHERE database_id = DB_ID()`.execute(db)
  const level = rows[0]?.allowed === '1' ? 'snapshot' : 'read committed'
  const trx = await db.startTransaction().setIsolationLevel(level).execute()
  return { trx, settledVersion: rows[0]?.settled ?? null }
}

const nameOf = ({ table }: SourceTable) => `${table.schema}.${table.name}`
