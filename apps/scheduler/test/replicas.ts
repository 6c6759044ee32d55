import { createMemoryBus } from '@cinelake/bus/memory'
import type { Command } from '@cinelake/contracts'
import { TransientError } from '@cinelake/core'
import type { OpsSchema, RunRecord } from '@cinelake/run-store'
import { recordingLog } from '@cinelake/testkit'
import type { PostgresServer } from '@cinelake/testkit/postgres'
import { startProxy } from '@cinelake/testkit/proxy'
import type { RedisServer } from '@cinelake/testkit/redis'
import type { Database } from '@cinelake/database'
import { openDatabase } from '@cinelake/database/open'
import { randomUUID } from 'node:crypto'
import { createScheduler, type Scheduler, type SchedulerDeps } from '../src/scheduler.ts'
import { createBullmqTimers } from '../src/timers/bullmq/timers.ts'
import { aLake, startFakeWorkers, type GivenOptions } from './given.ts'

/** A scheduler with its own connections to PostgreSQL and Redis, on the shared bus. */
export type Replica = {
  readonly scheduler: Scheduler
  readonly timers: SchedulerDeps['timers']
  /** Simulates its death: its connections are reset, and nothing it does takes effect any more. */
  readonly kill: () => void
}

class Killed extends TransientError {
  readonly code = 'TEST_KILLED'
}

const SWEEP_MS = 250

/** Schedulers over one PostgreSQL, one Redis and one bus, with workers that only report success. */
export async function givenReplicas(postgres: PostgresServer, redis: RedisServer, options: GivenOptions = {}) {
  const stack = new AsyncDisposableStack()
  const { url } = stack.use(await postgres.createDatabase())
  const database = stack.use(await open(url))
  const bus = stack.use(createMemoryBus({ maxDeliveryCount: 100, ...options.bus }))
  const [lake, done, log, prefix] = [aLake(), [] as Command[], recordingLog(), `test-${randomUUID()}`]
  stack.use(await startFakeWorkers(bus, done, options))

  const start = async (more: Partial<SchedulerDeps> = {}): Promise<Replica> => {
    const [sql, queue] = [stack.use(await startProxy(postgres)), stack.use(await startProxy(redis))]
    const own = stack.use(await open(through(url, postgres.port, sql.port)))
    const address = through(redis.url, redis.port, queue.port)
    const timers = stack.use(createBullmqTimers({ url: address, prefix }, { log, lockMs: 500, closingMs: 200 }))
    let isDead = false
    const alive = () => {
      if (isDead) throw new Killed('the process is gone', {})
    }
    const line: SchedulerDeps['bus'] = {
      async send(...message) {
        alive()
        await bus.send(...message)
      },
      subscribe: async (name, handler, how) =>
        await bus.subscribe(
          name,
          async (...event) => {
            alive()
            await handler(...event)
          },
          how,
        ),
      deadLetters: async (entity) => (isDead ? [] : await bus.deadLetters(entity)),
      discard: async (...letter) => (isDead ? false : await bus.discard(...letter)),
    }
    const settings = { sweepMs: options.sweepMs ?? SWEEP_MS, log, lake, timers, database: own, bus: line, ...more }
    const scheduler = stack.use(await createScheduler(settings))
    const kill = () => {
      isDead = true
      sql.refuse()
      queue.refuse()
    }
    return { scheduler, timers, kill }
  }
  return { start, bus, done, log, database, url, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

async function open(url: string): Promise<Database<OpsSchema>> {
  const credential = () => Promise.reject(new Error('there is a password'))
  return await openDatabase<OpsSchema>({ url }, { credential, log: recordingLog() })
}

function through(url: string, port: number, proxied: number): string {
  return url.replace(`:${port}`, `:${proxied}`)
}

/** Successes in the history by task: the attempts table has one row for each attempt that ended. */
export async function successes(database: Database<OpsSchema>): Promise<Record<string, number>> {
  const rows = await database.db
    .withSchema('ops')
    .selectFrom('attempts')
    .select(['run', 'task'])
    .where('outcome', '=', 'succeeded')
    .execute()
  const byTask = Map.groupBy(rows, ({ run, task }) => `${run} ${task}`)
  return Object.fromEntries([...byTask].map(([task, tries]) => [task, tries.length]))
}

/** The value of `successes` when every task of these runs was done once. */
export function onceEach(records: readonly RunRecord[]): Record<string, number> {
  return Object.fromEntries(records.flatMap(({ id, tasks }) => tasks.map(({ name }) => [`${id} ${name}`, 1])))
}
