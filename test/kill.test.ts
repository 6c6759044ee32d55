// @module-tag slow: kills processes
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { sql } from 'kysely'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openPgliteDatabase } from '../libs/database/src/postgres/pglite.ts'
import { runDemo, type DemoEnd, type KillPoint } from './demo-process.ts'
import { contentOf } from './state-content.ts'

/**
 * `CINELAKE_TEST_KILL=full` kills a company of full size, in several series of points. What is always run is small: two
 * days of a company a twentieth of that, killed as often.
 */
const isFull = process.env['CINELAKE_TEST_KILL'] === 'full'
const SCALE = isFull ? 1 : 0.05
const COMPANY_SEED = 1
const SERIES = isFull ? [11, 12, 13] : [11]
const KILLS = 10
/** Changes of files after a task is told to be done within which the next ones are under way. */
const MAX_FILE_CHANGES = 30
/** Tasks that one process may do: those that it is killed after, and those that others of it end meanwhile. */
const TASKS_PER_KILL = 7

const root = await mkdtemp(path.join(tmpdir(), 'cinelake-kill-'))
afterAll(() => rm(root, { recursive: true, force: true }))

const undisturbed = { state: path.join(root, 'undisturbed'), scale: SCALE, seed: COMPANY_SEED }
/** Milliseconds for one series: a limit for one that hangs. Small ones took 75 to 230 s beside other work on two cores. */
const PATIENCE_MS = isFull ? 1_800_000 : 600_000

describe('a demo that is killed and started again', () => {
  let taskCount = 0
  beforeAll(async () => {
    const end = await runDemo(undisturbed)
    if (end.code !== 0) throw new Error(inWords(end))
    taskCount = end.taskCount
  }, PATIENCE_MS)

  test.each(SERIES)(
    `${KILLS} times at random points (series %i) ends with the tables and balances of one that was not`,
    async (seed) => {
      const disturbed = { ...undisturbed, state: path.join(root, `killed-${seed}`) }

      const random = randomOf(seed)
      for (let killsLeft = KILLS; killsLeft > 0; killsLeft -= 1) {
        const isFirst = killsLeft === KILLS
        // The first is killed while it starts.
        const spare = isFirst ? 0 : taskCount - (await doneIn(disturbed.state)) - killsLeft * TASKS_PER_KILL
        const point: KillPoint = {
          afterTasks: isFirst ? 0 : 1 + Math.floor((random() * 2 * Math.max(0, spare)) / killsLeft),
          fileChanges: 1 + Math.floor(random() * MAX_FILE_CHANGES),
        }
        expect(inWords(await runDemo(disturbed, point))).toMatch(/^killed/)
      }
      const last = await runDemo(disturbed)

      expect(inWords(last)).toMatch(/^code 0/)
      const [one, other] = [await contentOf(undisturbed.state), await contentOf(disturbed.state)]
      expect(Object.keys(one.refined).length).toBeGreaterThan(10)
      expect(Object.keys(one.mart).length).toBeGreaterThan(5)
      expect(other).toEqual(one)
    },
    PATIENCE_MS,
  )
})

/** How a process ended, with all that it said: what one wants to read when it did not end as it should. */
function inWords({ code, output }: DemoEnd): string {
  return `${code === null ? 'killed' : `code ${code}`}\n${output}`
}

/** Tasks that a state directory knows as done. */
async function doneIn(state: string): Promise<number> {
  if (!existsSync(path.join(state, 'warehouse/PG_VERSION'))) return 0
  await using database = await openPgliteDatabase<unknown>(path.join(state, 'warehouse'))
  const { rows } = await sql<{ there: boolean }>`SELECT to_regclass('ops.tasks') IS NOT NULL AS there`.execute(
    database.db,
  )
  if (rows[0]?.there !== true) return 0
  const done = await sql<{ count: number }>`
    SELECT count(*)::int AS count FROM ops.tasks WHERE state = 'succeeded'`.execute(database.db)
  return done.rows[0]?.count ?? 0
}

/** Numbers in [0, 1), the same ones for the same seed. mulberry32, by Tommy Ettinger, public domain. */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
