import { recordingLog, until } from '@cinelake/testkit'
import { startProxy } from '@cinelake/testkit/proxy'
import { findRedis } from '@cinelake/testkit/redis'
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { randomUUID } from 'node:crypto'
import { afterAll, describe, expect, test } from 'vitest'
import { timersContract } from '../contract/timers-contract.ts'
import type { Timer, TimerOf } from '../timers.ts'
import { createBullmqTimers } from './timers.ts'

const { server, missing } = await findRedis()
afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
})
const url = server?.url ?? ''
const because = missing === undefined ? '' : ` (${missing})`

function about(attempt: number): TimerOf<'task'> {
  return { kind: 'task', run: 'shop@2026-03-01', task: 'refine orders', generation: 1, attempt }
}

function inMs(ms: number): Date {
  return new Date(Date.now() + ms)
}

/** Timers under a prefix of their own; several of them are the replicas of one platform. */
function given(address = url, lockMs = 10_000) {
  const stack = new AsyncDisposableStack()
  const prefix = `test-${randomUUID()}`
  const log = recordingLog()
  const open = () => stack.use(createBullmqTimers({ url: address, prefix }, { log, lockMs }))
  return { open, log, prefix, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

describe.skipIf(server === undefined)(`timers contract: bullmq${because}`, () => {
  timersContract(async () => given())
})

describe.skipIf(server === undefined)(`timers of several replicas${because}`, () => {
  test('are handled by one of them each', async () => {
    await using it = given()
    const attempts = Array.from({ length: 60 }, (_, index) => index + 1)
    // Two that decide the same set the same.
    for (const setter of [it.open(), it.open()]) {
      for (const attempt of attempts) await setter.set(`key ${attempt}`, inMs(0), about(attempt))
      // Closing writes what is not written yet.
      await setter[Symbol.asyncDispose]()
    }
    const rung: number[] = []
    const replicas = [it.open(), it.open(), it.open()]
    for (const replica of replicas) await replica.consume('task', async ({ attempt }) => void rung.push(attempt))
    await until('all went off', () => rung.length >= attempts.length)
    await replicas[0]?.set('last', inMs(300), about(99))
    await until('the last one went off', () => rung.includes(99))

    expect(rung.toSorted((a, b) => a - b)).toEqual([...attempts, 99])
  })

  test('that one of them left half done go to another', async () => {
    await using it = given(url, 500)
    const never = new Promise<void>(() => {})
    await using proxy = await startProxy({ host: server!.host, port: server!.port })
    const address = url.replace(`:${server!.port}`, `:${proxy.port}`)
    const dying = createBullmqTimers({ url: address, prefix: it.prefix }, { log: it.log, lockMs: 500, closingMs: 200 })
    let isTaken = false
    await dying.consume('task', async () => {
      isTaken = true
      await never
    })
    await dying.set('a', inMs(0), about(1))
    await until('it is taken', () => isTaken)

    // For the others, a replica that is not heard of any more is a dead one.
    proxy.hold()
    const rung: Timer[] = []
    await it.open().consume('task', async (timer) => void rung.push(timer))
    await until('the other one handles it', () => rung.length === 1)

    expect(rung).toEqual([about(1)])
    expect(it.log.lines.some(({ message }) => message.includes('left by a process that is gone'))).toBe(true)
    proxy.refuse()
    await dying[Symbol.asyncDispose]()
  })

  test('leave nothing behind in Redis once they are handled', async () => {
    await using it = given()
    let calls = 0
    const timers = it.open()
    await timers.consume('task', async () => {
      calls += 1
      if (calls === 1) throw new Error('not yet')
    })
    await timers.set('a', inMs(0), about(1))
    await until('it was handled', () => calls === 2)

    await using queue = inspect(it.prefix)
    await until('nothing is left', async () => {
      const counts = await queue.getJobCounts('wait', 'active', 'delayed', 'completed', 'failed')
      return Object.values(counts).every((count) => count === 0)
    })
    expect(calls).toBe(2)
  })

  test('that another version wrote and this one cannot read are dropped, and said so', async () => {
    await using it = given()
    await using queue = inspect(it.prefix)
    await queue.add('future', { key: 'a', alarm: { kind: 'task', shape: 'of tomorrow' } })
    const rung: Timer[] = []
    const timers = it.open()
    await timers.consume('task', async (timer) => void rung.push(timer))
    await timers.set('b', inMs(50), about(1))

    await until('the other one went off', () => rung.length === 1)
    expect(rung).toEqual([about(1)])
    await until('it is said', () => it.log.lines.some(({ message }) => message.includes('cannot be read')))
  })
})

describe.skipIf(server === undefined)(`a Redis that lost its scripts${because}`, () => {
  test('takes timers all the same', async () => {
    await using it = given()
    const timers = it.open()
    const fired: number[] = []
    await timers.consume('task', async ({ attempt }) => void fired.push(attempt))
    await timers.set('first', inMs(0), about(1))
    await until('the first one fired', () => fired.includes(1))

    using redis = await connected()
    await redis.script('FLUSH')
    for (const attempt of [2, 3]) await timers.set(`key ${attempt}`, inMs(0), about(attempt))

    await until('the others fired', () => fired.length === 3)
    expect(fired.toSorted((a, b) => a - b)).toEqual([1, 2, 3])
  })

  test.skipIf(server?.process === undefined)(
    'for it was out of memory, takes timers when there is room again',
    async () => {
      await using it = given()
      const timers = it.open()
      using redis = await connected()
      const [, before = '0'] = await redis.config('GET', 'maxmemory')
      // As a new server: others have not sent it the script yet.
      await redis.script('FLUSH')
      await redis.config('SET', 'maxmemory', '1')
      try {
        await timers.set('dropped', inMs(60_000), about(1))
        await until('the timer was refused', () => JSON.stringify(it.log.lines).includes('timer was not taken'))
      } finally {
        await redis.config('SET', 'maxmemory', before)
      }
      const fired: number[] = []
      await timers.consume('task', async ({ attempt }) => void fired.push(attempt))

      await timers.set('taken', inMs(0), about(2))

      await until('it fired', () => fired.includes(2))
      expect(fired).toEqual([2])
    },
  )
})

/** A connection of the test's own. */
async function connected() {
  const redis = new Redis(url)
  await redis.ping()
  return Object.assign(redis, { [Symbol.dispose]: () => redis.disconnect() })
}

describe.skipIf(server === undefined)(`Redis behind a network that fails${because}`, () => {
  test('what is set while it is away is written when it is back, and setting holds nobody up', async () => {
    await using proxy = await startProxy({ host: server!.host, port: server!.port })
    await using it = given(url.replace(`:${server!.port}`, `:${proxy.port}`))
    proxy.refuse()
    const timers = it.open()
    const rung: Timer[] = []
    await timers.consume('task', async (timer) => void rung.push(timer))
    await timers.set('a', inMs(0), about(1))
    await timers.set('b', inMs(0), about(2))
    await timers.set('b', inMs(0), about(3))
    await timers.clear('task', 'a')
    await until('it is said', () => it.log.lines.some(({ message }) => message.startsWith('Redis is away')))

    proxy.restore()
    await until('it goes off', () => rung.length > 0)

    expect(rung).toEqual([about(3)])
    expect(it.log.lines.filter(({ message }) => message.startsWith('Redis is away'))).toHaveLength(1)
    expect(it.log.lines.filter(({ message }) => message === 'Redis is back')).toHaveLength(1)
  })

  test('one that is set again while it is being handled goes off once more, however slow the network is', async () => {
    await using proxy = await startProxy({ host: server!.host, port: server!.port })
    await using it = given(url.replace(`:${server!.port}`, `:${proxy.port}`))
    const timers = it.open()
    const rung: number[] = []
    await timers.consume('task', async ({ attempt }) => {
      rung.push(attempt)
      if (attempt < 3) await timers.set('a', inMs(0), about(attempt + 1))
    })
    // The write and the end of the handler are under way together, and several answers apart.
    proxy.delay(40)
    await timers.set('a', inMs(0), about(1))
    await until('it went off three times', () => rung.includes(3))
    await timers.set('last', inMs(200), about(99))
    await until('the last one went off', () => rung.includes(99))

    expect(rung).toEqual([1, 2, 3, 99])
  })

  test('connections that are cut while timers go off lose none', async () => {
    await using proxy = await startProxy({ host: server!.host, port: server!.port })
    await using it = given(url.replace(`:${server!.port}`, `:${proxy.port}`))
    const rung = new Set<number>()
    const timers = it.open()
    await timers.consume('task', async ({ attempt }) => void rung.add(attempt))
    for (let attempt = 1; attempt <= 40; attempt += 1) {
      await timers.set(`key ${attempt}`, inMs(attempt * 20), about(attempt))
      if (attempt % 10 === 0) await until('some went off', () => rung.size >= attempt / 4)
      if (attempt % 10 === 0) proxy.cut()
    }
    await until('all went off', () => rung.size >= 40)
    expect(rung.size).toBe(40)
  })

  test('closing does not wait for one that does not answer', async () => {
    await using proxy = await startProxy({ host: server!.host, port: server!.port })
    const timers = createBullmqTimers(
      { url: url.replace(`:${server!.port}`, `:${proxy.port}`), prefix: randomUUID() },
      { log: recordingLog(), closingMs: 200 },
    )
    await timers.consume('task', async () => {})
    await timers.set('a', inMs(0), about(1))
    proxy.refuse()
    await expect(timers[Symbol.asyncDispose]()).resolves.toBeUndefined()
  })
})

describe.skipIf(server?.process === undefined)(`a Redis that is killed${because}`, () => {
  test.each(['kept', 'lost'] as const)('is used again when it is back, with its data %s', async (data) => {
    await using it = given()
    const timers = it.open()
    const rung: number[] = []
    await timers.consume('task', async ({ attempt }) => void rung.push(attempt))
    await timers.set('first', inMs(0), about(1))
    await until('one went off', () => rung.length === 1)
    await timers.set('before', inMs(3_600_000), about(2))
    await using queue = inspect(it.prefix)
    await until('it is kept', async () => (await queue.getDelayedCount()) === 1)

    await server!.process!.kill()
    await timers.set('meanwhile', inMs(0), about(3))
    await server!.process!.start(data)
    await until('what was set meanwhile went off', () => rung.includes(3))
    // Its time comes.
    for (const job of await queue.getDelayed()) await job.promote()
    await timers.set('after', inMs(200), about(4))
    await until('what was set after went off', () => rung.includes(4))

    expect(rung.toSorted((a, b) => a - b)).toEqual(data === 'kept' ? [1, 2, 3, 4] : [1, 3, 4])
  })
})

function inspect(prefix: string): Queue & AsyncDisposable {
  const { hostname: host, port, password } = new URL(url)
  const connection = { host, port: Number(port), password: decodeURIComponent(password) }
  const queue = new Queue('alarms-task', { connection, prefix })
  queue.on('error', () => {})
  return Object.assign(queue, { [Symbol.asyncDispose]: async () => await queue.close() })
}
