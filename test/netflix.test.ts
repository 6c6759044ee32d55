// @module-tag slow: takes long
import { literal } from '../libs/sql/src/index.ts'
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cinelake } from '../apps/cli/src/testing.fixture.ts'
import { createDuckDbEngine } from '../libs/engine/src/duckdb/duckdb.ts'
import { sharedData, temporaryDirectory } from '../libs/testkit/src/index.ts'

const example = new URL('../examples/netflix/', import.meta.url)
const data = sharedData('netflix_titles_credits')

test.each(['best_titles', 'best_titles_by_year'])(
  '%s is the model of the shipped pipeline, word for word',
  async (model) => {
    const shipped = new URL(`../pipelines/ott/models/${model}.sql`, import.meta.url)

    expect(await readFile(new URL(`models/${model}.sql`, example), 'utf8')).toBe(await readFile(shipped, 'utf8'))
  },
)

describe.skipIf(data === undefined)(
  'the rankings of a public catalogue (needs ../shared/data/netflix_titles_credits)',
  () => {
    let directory: Awaited<ReturnType<typeof temporaryDirectory>>
    const state = () => ['--state', `${directory.path}/state`, '--json']
    const done = async (args: readonly string[]): Promise<string> => {
      const { exitCode, out, notes } = await cinelake([...args, ...state()], { NETFLIX_DATA: data ?? '' })
      if (exitCode !== 0) throw new Error(`cinelake ${args[0]} ended with ${exitCode}: ${notes}${out}`)
      return out
    }
    const query = async (sql: string) => (JSON.parse(await done(['query', sql])) as { rows: unknown[] }).rows
    beforeAll(async () => {
      directory = await temporaryDirectory()
      await done(['run', fileURLToPath(example), '--window', '2026-03-01'])
    })
    afterAll(async () => await directory[Symbol.asyncDispose]())

    test('one title has no name and is rejected; all others are there', async () => {
      expect(await query('SELECT count(*) AS n FROM mart.dim_title')).toEqual([{ n: 5_805 }])
      const out = await done(['rejects', 'titles'])
      expect(out).toContain('required(title)')
      expect(out).toContain('tm1063792')
    })

    test('388 films and 250 shows are among the best', async () => {
      expect(await query('SELECT type, count(*) AS n FROM mart.best_titles GROUP BY type ORDER BY type')).toEqual([
        { type: 'MOVIE', n: 388 },
        { type: 'SHOW', n: 250 },
      ])
    })

    test('49 film years and 31 show years have a best title, each with the true top score', async () => {
      expect(
        await query('SELECT type, count(*) AS n FROM mart.best_titles_by_year GROUP BY type ORDER BY type'),
      ).toEqual([
        { type: 'MOVIE', n: 49 },
        { type: 'SHOW', n: 31 },
      ])
      const scores = await query(
        "SELECT type || ',' || release_year || ',' || imdb_score AS line FROM mart.best_titles_by_year ORDER BY type, release_year",
      )
      expect(scores).toEqual(await topScores(`${data}/raw_titles.csv`, directory.path))
    })
  },
)

/** The best score of each type and year, from the file itself and by nothing but the engine. */
async function topScores(file: string, scratchDirectory: string): Promise<{ line: string }[]> {
  await using engine = await createDuckDbEngine({
    memoryBytes: 256e6,
    threads: 1,
    scratchDirectory,
    directories: [dirname(file)],
  })
  await using session = await engine.session()
  return await session.rows<{ line: string }>(`
    SELECT concat_ws(',', type, release_year, max(CAST(imdb_score AS DECIMAL(3,1)))) AS line
    FROM read_csv(${literal(file)}, all_varchar = true)
    WHERE CAST(imdb_votes AS DOUBLE) > 25000
    GROUP BY type, release_year
    ORDER BY type, CAST(release_year AS INTEGER)`)
}
