// @module-tag slow: needs a server or a container
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findPostgres } from '../libs/testkit/src/postgres.ts'
import { findRedis } from '../libs/testkit/src/redis.ts'
import { until } from '../libs/testkit/src/index.ts'
import { runDemo } from './demo-process.ts'
import { startFiveServices, type FiveServices } from './five-services.ts'
import type { ServiceName } from './service-process.ts'
import { contentIn, contentOf } from './state-content.ts'

const SCALE = 0.05
const SEED = 1
const ALL: readonly ServiceName[] = ['ingest-files', 'ingest-api', 'transformer', 'loader', 'scheduler']
/** Milliseconds: a limit for what hangs. */
const PATIENCE_MS = 600_000

const postgres = await findPostgres()
const redis = await findRedis()
const missing = postgres.missing ?? redis.missing
const reason = missing === undefined ? '' : ` (skipped: ${missing})`
const root = await mkdtemp(path.join(tmpdir(), 'cinelake-services-'))

afterAll(async () => {
  await postgres.server?.[Symbol.asyncDispose]()
  await redis.server?.[Symbol.asyncDispose]()
  await rm(root, { recursive: true, force: true })
})

describe.skipIf(missing !== undefined)(`five services, each a process of its own${reason}`, () => {
  const embedded = { state: path.join(root, 'embedded'), scale: SCALE, seed: SEED }
  beforeAll(async () => {
    const { code, output } = await runDemo(embedded)
    if (code !== 0) throw new Error(output)
  }, PATIENCE_MS)

  test(
    'make the tables that one process makes, though each of them is killed and redeployed in the middle of a run',
    async () => {
      await using services = await start()

      await runDay(services, '2026-03-01', async (name) => {
        await services.latestOf(name).kill()
        await services.start(name)
      })
      // As Kubernetes does: the new one first, then the old one is told to stop.
      const old = new Map(ALL.map((name) => [name, services.latestOf(name)]))
      await Promise.all(ALL.filter((name) => name !== 'scheduler').map((name) => services.start(name)))
      await runDay(services, '2026-03-02', async (name) => {
        expect(await old.get(name)?.stop()).toBe(0)
        if (name === 'scheduler') await services.start(name)
      })

      expect(await contentIn(services.lake, services.database.db)).toEqual(await contentOf(embedded.state))
      for (const queue of ['ingest-files', 'ingest-api', 'transformer', 'loader', 'events/scheduler'])
        expect([queue, await services.bus.deadLetters(queue)]).toEqual([queue, []])
    },
    PATIENCE_MS,
  )

  async function start(): Promise<FiveServices> {
    if (postgres.server === undefined || redis.server === undefined) throw new Error(missing)
    return await startFiveServices({
      directory: path.join(root, 'services'),
      postgres: postgres.server,
      redis: redis.server,
      scale: SCALE,
      seed: SEED,
    })
  }
})

/**
 * Runs a window, and disturbs each service once while it is at work in that run: those that land first, and the API says
 * nothing until they were, so that the run cannot be over before their turn.
 */
async function runDay(services: FiveServices, window: string, disturb: (name: ServiceName) => Promise<void>) {
  await services.company.advanceTo(window)
  services.toApi.hold()
  const run = await services.request(window)
  const isOver = (state: string) => !['waiting', 'running'].includes(state)
  const disturbed: Promise<void>[] = []
  for (const name of ALL) {
    await until(
      `${name} is at work`,
      async () => {
        const { state, busy } = await services.progressOf(run)
        if (isOver(state)) throw new Error(`the run of ${window} was over before ${name} had its turn`)
        return busy.has(name)
      },
      PATIENCE_MS / 4,
    )
    disturbed.push(disturb(name))
    if (name === 'ingest-api') services.toApi.restore()
  }
  await Promise.all(disturbed)
  await until('the run is done', async () => isOver((await services.progressOf(run)).state), PATIENCE_MS / 2)
  expect(await services.progressOf(run)).toMatchObject({ state: 'succeeded', problems: [] })
}
