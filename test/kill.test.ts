// @module-tag slow: kills processes
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
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
/** Milliseconds after a task is told to be done within which the next ones are under way. */
const MAX_DELAY_MS = isFull ? 1500 : 250

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

      const killed: DemoEnd[] = []
      let done = 0
      for (const { afterTasks, delayMs } of pointsOf(seed, taskCount)) {
        // Only the first is killed while it starts; the others do at least one task more.
        const further = Math.max(killed.length === 0 ? 0 : 1, afterTasks - done)
        const end = await runDemo(disturbed, { afterTasks: further, delayMs })
        killed.push(end)
        done += end.taskCount
      }
      const last = await runDemo(disturbed)

      // On a fast machine the last of them may be done before they are killed.
      for (const end of killed.slice(0, -2)) expect(inWords(end)).toMatch(/^killed/)
      for (const end of killed.slice(-2)) expect(inWords(end)).toMatch(/^(killed|code 0)/)
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

/** Points in order, spread at random over the whole of the work; the first is while nothing is done yet. */
function pointsOf(seed: number, taskCount: number): KillPoint[] {
  const random = randomOf(seed)
  const points = Array.from({ length: KILLS }, () => Math.floor(random() * taskCount * 0.9)).sort((a, b) => a - b)
  return points.map((afterTasks, index) => ({
    afterTasks: index === 0 ? 0 : afterTasks,
    delayMs: Math.round(random() * MAX_DELAY_MS),
  }))
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
