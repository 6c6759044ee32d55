import { mkdir, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'

/** What a bench run works on: one folder of CSVs, the same for every contestant. */
export type BenchData = { readonly directory: string; readonly viewings: string; readonly rowCount: number }

/** A pseudo-random integer in [0, `below`) that depends only on the row and a salt. */
const random = (salt: number, below: number) => `(hash(i * 31 + ${salt}) % ${below})::BIGINT`

/**
 * Writes titles, users and `rowCount` viewings (about 60 bytes each) with the dirt that the contracts know: a second date
 * format, unreadable minutes, negative minutes, viewings of unknown titles, the same viewing twice, exact and corrected.
 */
export async function generate(directory: string, rowCount: number): Promise<BenchData> {
  const data = { directory, viewings: join(directory, 'viewings_20260301.csv'), rowCount }
  if ((await stat(data.viewings).catch(() => undefined)) !== undefined) return data
  await mkdir(directory, { recursive: true })
  const instance = await DuckDBInstance.create(':memory:', { threads: '2' })
  const connection = await instance.connect()
  const titles = 20_000
  const users = Math.max(1000, Math.floor(rowCount / 20))
  await connection.run(`
    COPY (
      SELECT 'tt' || i AS title_id, 'Title ' || i AS title, ['drama', 'comedy', 'crime', 'family', 'history'][1 + ${random(1, 5)}] AS genre,
        60 + ${random(2, 120)} AS runtime_minutes, round(1 + ${random(3, 90)} / 10.0, 1) AS imdb_score
      FROM range(${titles}) r(i)
    ) TO '${join(directory, 'titles_20260301.csv')}' (HEADER)`)
  await connection.run(`
    COPY (
      SELECT 'u' || i AS user_id, ['DE', 'FR', 'ES', 'IT'][1 + ${random(4, 4)}] AS country,
        (DATE '2025-01-01' + ${random(5, 400)}::INTEGER) AS signed_up_on
      FROM range(${users}) r(i)
    ) TO '${join(directory, 'users_20260301.csv')}' (HEADER)`)
  await connection.run(`
    COPY (
      SELECT i AS viewing_id,
        'u' || ${random(6, users)} AS user_id,
        CASE WHEN i % 1000 = 7 THEN 'gone' || i ELSE 'tt' || ${random(7, titles)} END AS title_id,
        CASE WHEN i % 500 = 3 THEN strftime(started, '%d/%m/%Y %H:%M:%S') ELSE strftime(started, '%Y-%m-%d %H:%M:%S') END AS started_at,
        CASE WHEN i % 2000 = 11 THEN 'unknown' WHEN i % 3000 = 13 THEN '-5' ELSE (${random(8, 180)})::VARCHAR END AS minutes,
        ['tv', 'mobile', 'web', 'tablet'][1 + ${random(9, 4)}] AS device
      FROM (
        SELECT CASE WHEN n % 400 = 399 THEN n - 1 ELSE n END AS i, TIMESTAMP '2026-02-01' + INTERVAL (n % 2419200) SECOND AS started
        FROM range(${rowCount}) r(n)
      )
    ) TO '${data.viewings}.part' (HEADER)`)

  await rename(`${data.viewings}.part`, data.viewings)
  connection.closeSync()
  instance.closeSync()
  return data
}
