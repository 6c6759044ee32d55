import type { MssqlConnection } from '@cinelake/database/sql-server'
import { sql, type ControlledTransaction } from 'kysely'
import { Request } from 'tedious'
import { RowBatches } from '../row-batches.ts'
import type { SourceRow } from '../source-database.ts'
import type { OpenTransaction } from '../technology.ts'
import { bracketed, countOf, isSplittable, nationalText, quotedTable, selectOf, type MssqlTable } from './select.ts'

/** Rows of the sample that ranges are determined from. */
const SAMPLE_ROWS = 100_000

/**
 * A read transaction. One consistent snapshot if the database allows it (ALLOW_SNAPSHOT_ISOLATION); else one
 * per statement if readers do not wait for writers (READ_COMMITTED_SNAPSHOT); else as consistent as locks make it.
 */
export async function beginReading(
  connection: MssqlConnection,
  timeoutMs: number,
): Promise<OpenTransaction<MssqlTable>> {
  const { trx, settledVersion } = await begin(connection)
  const query = async <Row>(text: string) => (await sql.raw<Row>(text).execute(trx)).rows
  const columnOf = (table: MssqlTable, column: string) => table.columns.find(({ name }) => name === column)

  return {
    trx,
    // Two connections can share a snapshot only in a database snapshot, which is a database of its own.
    share: async () => undefined,
    rows: (table, selection) => streamRows(connection, selectOf(table, selection), timeoutMs),
    count: async (table, selection) => Number((await query<{ n: string }>(countOf(table, selection)))[0]?.n),
    async hasRowsWithout(table, columns) {
      const missing = columns.map((name) => `${bracketed(name)} IS NULL`).join(' AND ')
      return (await query(`SELECT TOP (1) 1 AS n FROM ${quotedTable(table)} WHERE ${missing}`)).length > 0
    },
    async highest(table, column) {
      const target = columnOf(table, column)
      if (target === undefined || target.mssqlType === 'timestamp') return settledVersion
      const text = `SELECT ${target.toText(`MAX(${bracketed(column)})`)} AS n FROM ${quotedTable(table)}`
      return (await query<{ n: string | null }>(text))[0]?.n ?? null
    },
    async changeVersions(table) {
      const [found] = await query<{ current: string | null; oldest: string | null }>(
        `SELECT CONVERT(varchar(20), CHANGE_TRACKING_CURRENT_VERSION()) AS [current],
          CONVERT(varchar(20), CHANGE_TRACKING_MIN_VALID_VERSION(OBJECT_ID(${nationalText(quotedTable(table))}))) AS [oldest]`,
      )
      const { current, oldest } = found ?? {}
      return current != null && oldest != null && table.primaryKey.length > 0 ? { current, oldest } : undefined
    },
    async boundaries(table, column, ranges) {
      const target = columnOf(table, column)
      if (target === undefined || !isSplittable(target.mssqlType)) return []
      const rows = await query<{ bound: string | null }>(boundariesOf(table, column, target.toText('bounds.v'), ranges))
      return [...new Set(rows.flatMap(({ bound }) => bound ?? []))]
    },
  }
}

async function* streamRows(
  { session }: MssqlConnection,
  query: string,
  timeoutMs: number,
): AsyncGenerator<readonly SourceRow[]> {
  const { connection } = await session()
  const request = new Request(query, (error) => rows.end(error))
  const rows = new RowBatches({
    pause: () => request.pause(),
    resume: () => request.resume(),
    abandon: () => connection.close(),
    timeoutMs,
  })
  // No limit on the whole query: the timeout applies to each part of the answer.
  request.setTimeout(0)
  request.on('row', (cells: readonly { readonly value: string | null }[]) => rows.push(cells.map(({ value }) => value)))
  connection.execSqlBatch(request)
  yield* rows.batches()
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

/** The version below which no row will be written is read before the snapshot: then all rows below it are in that. */
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
