// @module-tag slow: takes long
import { literal } from '../libs/sql/src/index.ts'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cinelake } from '../apps/cli/src/testing.fixture.ts'
import { createDuckDbEngine } from '../libs/engine/src/duckdb/duckdb.ts'
import type { SqlSession } from '../libs/engine/src/index.ts'
import { sharedData, temporaryDirectory } from '../libs/testkit/src/index.ts'

const FOLDERS = ['netflix_titles_nov_2019', 'disney_plus_titles', 'movielens_latest_small', 'telco_churn']
const data = dirname(sharedData('telco_churn') ?? '')
const isThere = FOLDERS.every((folder) => existsSync(join(data, folder)))

/** Rows of each dataset's file. */
const ROWS = {
  netflix_titles: 5837,
  disney_titles: 1450,
  movies: 9742,
  ratings: 100_836,
  tags: 3683,
  links: 9742,
  subscribers: 7043,
}

/** A title begins with a space without width, another one ends with one that does not break lines. */
const trimmed = (text: string) => text.replaceAll(/^[\s\u200b]+|[\s\u200b]+$/g, '')

describe.skipIf(!isThere)('public data as four publishers wrote it (needs ../shared/data)', () => {
  const stack = new AsyncDisposableStack()
  let session: SqlSession
  let state: string
  const done = async (args: readonly string[]): Promise<string> => {
    const { exitCode, out, notes } = await cinelake([...args, '--state', state, '--json'], { PUBLIC_DATA: data })
    if (exitCode !== 0) throw new Error(`cinelake ${args[0]} ended with ${exitCode}: ${notes}${out}`)
    return out
  }
  const rowsOf = async (args: readonly string[]) =>
    (JSON.parse(await done(['query', '--limit', '20000', ...args])) as { rows: unknown[] }).rows
  beforeAll(async () => {
    const directory = stack.use(await temporaryDirectory())
    state = join(directory.path, 'state')
    const limits = { memoryBytes: 256e6, threads: 1, scratchDirectory: directory.path, directories: [data] }
    session = stack.use(await stack.use(await createDuckDbEngine(limits)).session())
    await done(['run', fileURLToPath(new URL('../examples/public-data', import.meta.url)), '--window', '2026-03-01'])
  })
  afterAll(async () => await stack.disposeAsync())

  const file = (path: string) => `read_csv(${literal(join(data, path))}, all_varchar = true, header = true)`

  test.each(Object.entries(ROWS))('every row of %s is in its table, and none is rejected', async (name, count) => {
    expect(await rowsOf(['--lake', `SELECT count(*)::INTEGER AS n FROM ${name}`])).toEqual([{ n: count }])
    const { tasks } = JSON.parse(await done(['status', 'public@2026-03-01'])) as {
      tasks: { name: string; balance: unknown }[]
    }
    expect(tasks.find((task) => task.name === `refine ${name}`)?.balance).toMatchObject({
      in: count,
      out: count,
      rejected: 0,
      duplicates: 0,
    })
  })

  test('the values of both catalogues are those of the files', async () => {
    const from = (path: string, service: string) => `
      SELECT '${service}' AS service, show_id, title,
        strftime(strptime(trim(nullif(date_added, '')), '%B %d, %Y'), '%Y-%m-%d') AS added_on,
        CAST(release_year AS INTEGER) AS release_year,
        CAST(nullif(regexp_extract(duration, '(\\d+) min', 1), '') AS INTEGER) AS runtime_minutes,
        CAST(nullif(regexp_extract(duration, '(\\d+) Season', 1), '') AS INTEGER) AS seasons
      FROM ${file(path)}`
    const meant = await session.rows<{ title: string }>(`
      ${from('netflix_titles_nov_2019/netflix_titles_nov_2019.csv', 'Netflix')} UNION ALL
      ${from('disney_plus_titles/disney_plus_titles.prasertcbs.csv', 'Disney+')} ORDER BY service, show_id`)
    const found = await rowsOf([
      `SELECT service, show_id, title, to_char(added_on, 'YYYY-MM-DD') AS added_on, release_year, runtime_minutes, seasons
       FROM catalogue ORDER BY service COLLATE "C", show_id COLLATE "C"`,
    ])
    expect(found).toEqual(meant.map((row) => ({ ...row, title: trimmed(row.title) })))
  })

  test('ratings have their moments, and films the years and numbers that they were given', async () => {
    expect(
      await rowsOf([
        '--lake',
        `SELECT sum(rating)::DOUBLE AS stars, sum(epoch_us(rated_at) // 1000000)::DOUBLE AS seconds FROM ratings`,
      ]),
    ).toEqual(
      await session.rows(`SELECT sum(rating::DECIMAL(2,1))::DOUBLE AS stars, sum(timestamp::BIGINT)::DOUBLE AS seconds
        FROM ${file('movielens_latest_small/ratings.csv')}`),
    )
    expect(
      await rowsOf(['SELECT place, title, released_in, imdb_id FROM best_movies WHERE place <= 2 ORDER BY 1']),
    ).toEqual([
      { place: 1, title: 'Shawshank Redemption, The (1994)', released_in: 1994, imdb_id: 'tt0111161' },
      { place: 2, title: 'Godfather, The (1972)', released_in: 1972, imdb_id: 'tt0068646' },
    ])
  })

  test('eleven subscribers have paid nothing yet, and 1,869 have left', async () => {
    expect(
      await rowsOf(['--lake', 'SELECT count(*) FILTER (WHERE total_charges IS NULL)::INTEGER AS n FROM subscribers']),
    ).toEqual([{ n: 11 }])
    expect(await rowsOf(['SELECT sum(left_count)::INTEGER AS n FROM churn_by_contract'])).toEqual([{ n: 1869 }])
  })
})
