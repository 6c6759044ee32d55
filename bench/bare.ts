import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import type { Contest } from './contest.ts'

const text = (columns: string) =>
  `columns = {${columns
    .split(' ')
    .map((name) => `'${name}': 'VARCHAR'`)
    .join(', ')}}, auto_detect = false, header = true, delim = ',', quote = '"', escape = '"', new_line = '\\n'`

/** One DuckDB script, as an expert would write it by hand: the same tables from the same CSVs, with no guarantees around it. */
export async function runBare({ data, out, memory, refineOnly }: Contest): Promise<number> {
  await rm(out, { recursive: true, force: true })
  await mkdir(join(out, 'tmp'), { recursive: true })
  const instance = await DuckDBInstance.create(':memory:', {
    threads: '2',
    memory_limit: memory,
    temp_directory: join(out, 'tmp'),
  })
  const db = await instance.connect()
  const parquet = (name: string) => `'${join(out, `${name}.parquet`)}'`
  const save = (name: string, query: string) =>
    db.run(`COPY (${query}) TO ${parquet(name)} (FORMAT parquet, COMPRESSION zstd)`)
  await db.run(`SET TimeZone = 'UTC'`)

  const csv = `read_csv('${data.viewings}', ${text('viewing_id user_id title_id started_at minutes device')})`
  await db.run(`CREATE TEMP TABLE repeated AS SELECT hash(viewing_id) AS h FROM ${csv} GROUP BY 1 HAVING count(*) > 1`)
  const minutes = `try_cast(trim(minutes) AS INTEGER)`
  await db.run(`
    COPY (
      SELECT viewing_id, user_id, title_id, started_at, minutes, device,
        CASE WHEN viewing_id IS NULL OR started_at IS NULL OR user_id IS NULL OR title_id IS NULL OR minutes < 0 OR (minutes IS NULL AND minutes_text IS NOT NULL) THEN 'reject'
          WHEN h IN (SELECT h FROM repeated) THEN 'dup' ELSE 'ok' END AS part
      FROM (
        SELECT try_cast(trim(viewing_id) AS BIGINT) AS viewing_id, hash(viewing_id) AS h, nullif(trim(user_id), '') AS user_id, nullif(trim(title_id), '') AS title_id,
          CAST(CASE WHEN substr(trim(started_at), 5, 1) = '-' THEN try_cast(trim(started_at) AS TIMESTAMP) ELSE try_strptime(trim(started_at), '%d/%m/%Y %H:%M:%S') END AS TIMESTAMPTZ) AS started_at,
          ${minutes} AS minutes, nullif(trim(minutes), '') AS minutes_text, nullif(trim(device), '') AS device
        FROM ${csv}
      )
    ) TO '${join(out, 'split')}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (part))`)
  const part = (name: string) =>
    `read_parquet('${join(out, 'split')}/part=${name}/*.parquet', hive_partitioning = false)`
  await save(
    'duplicates',
    `SELECT * FROM ${part('dup')} QUALIFY row_number() OVER (PARTITION BY viewing_id ORDER BY started_at DESC) = 1`,
  )
  await save('rejects', `SELECT * FROM ${part('reject')}`)
  if (refineOnly) return await close()

  await save(
    'titles',
    `SELECT title_id, title, genre, try_cast(runtime_minutes AS INTEGER) AS runtime_minutes, try_cast(imdb_score AS DECIMAL(3,1)) AS imdb_score FROM read_csv('${data.directory}/titles_20260301.csv', ${text('title_id title genre runtime_minutes imdb_score')})`,
  )
  await save(
    'users',
    `SELECT user_id, country, try_cast(signed_up_on AS DATE) AS signed_up_on FROM read_csv('${data.directory}/users_20260301.csv', ${text('user_id country signed_up_on')})`,
  )
  const viewings = `(SELECT * FROM ${part('ok')} UNION ALL SELECT * FROM ${parquet('duplicates')})`
  await db.run(`
    COPY (
      SELECT v.viewing_id, v.user_id, v.title_id, CAST(v.started_at AS DATE) AS watched_on, v.minutes, t.genre, t.imdb_score
      FROM ${viewings} v LEFT JOIN ${parquet('titles')} t ON t.title_id = v.title_id
      WHERE t.title_id IS NOT NULL
    ) TO '${join(out, 'fact_watch')}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (watched_on))`)
  await save(
    'fact_watch_rejects',
    `SELECT v.* FROM ${viewings} v ANTI JOIN ${parquet('titles')} t ON t.title_id = v.title_id`,
  )
  const fact = `read_parquet('${join(out, 'fact_watch')}/*/*.parquet', hive_partitioning = true)`
  await save(
    'genre_engagement_daily',
    `SELECT watched_on, genre, count(*) AS views, sum(minutes) AS minutes, count(DISTINCT user_id) AS viewers, avg(imdb_score) AS average_score FROM ${fact} GROUP BY watched_on, genre`,
  )
  await save(
    'title_performance',
    `SELECT title_id, count(*) AS views, sum(minutes) AS minutes, rank() OVER (ORDER BY count(*) DESC, title_id) AS place FROM ${fact} GROUP BY title_id`,
  )
  await save(
    'user_activity',
    `SELECT user_id, max(watched_on) AS last_watched_on, count(*) AS views, sum(minutes) AS minutes, ntile(5) OVER (ORDER BY max(watched_on), user_id) AS recency, ntile(5) OVER (ORDER BY count(*), user_id) AS frequency FROM ${fact} GROUP BY user_id`,
  )
  return await close()

  async function close() {
    const counted = await db.runAndReadAll(
      `SELECT (SELECT count(*) FROM ${part('ok')}) + (SELECT count(*) FROM ${parquet('duplicates')}) AS n`,
    )
    const rowCount = Number(counted.getRows()[0]?.[0])
    db.closeSync()
    instance.closeSync()
    return rowCount
  }
}
