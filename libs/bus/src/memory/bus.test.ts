import type { Queue } from '@cinelake/contracts'
import { until } from '@cinelake/testkit'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { aLoad, aStart, busContract } from '../contract/bus-contract.ts'
import { createMemoryBus } from './bus.ts'

busContract('memory', async () => {
  const bus = createMemoryBus({ maxDeliveryCount: 4 })
  return {
    bus,
    queue: 'loader',
    otherQueue: 'transformer',
    subscriptions: ['scheduler', 'console'],
    maxDeliveryCount: 4,
    inject: async (body) => bus.faults.inject('loader', body),
    [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose](),
  }
})

const queue: Queue = 'loader'

/** Timers whose time goes on only when it is told to. */
function manualTimers() {
  let now = 0
  let waiting: readonly { readonly at: number; readonly run: () => void }[] = []
  return {
    after(delayMs: number, run: () => void) {
      const timer = { at: now + delayMs, run }
      waiting = [...waiting, timer].toSorted((one, other) => one.at - other.at)
      return () => void (waiting = waiting.filter((other) => other !== timer))
    },
    advance(ms: number) {
      const end = now + ms
      for (let next = waiting[0]; next !== undefined && next.at <= end; next = waiting[0]) {
        waiting = waiting.slice(1)
        now = next.at
        next.run()
      }
      now = end
    },
  }
}

describe('locks', () => {
  test('a lock is renewed for as long as the handler works', async () => {
    const timers = manualTimers()
    await using bus = createMemoryBus({ lockMs: 20, timers })
    const signals: boolean[] = []
    const begun = Promise.withResolvers<void>()
    const end = Promise.withResolvers<void>()

    await using _ = await bus.consume(queue, async (_command, { signal }) => {
      begun.resolve()
      await end.promise
      signals.push(signal.aborted)
    })
    await bus.send(queue, aLoad())
    await begun.promise
    timers.advance(120)
    end.resolve()
    await bus.idle()

    expect(signals).toEqual([false])
  })

  test('a handler whose lock ran out is told, another one goes on, and the late end changes nothing', async () => {
    await using bus = createMemoryBus()
    const log: string[] = []
    const late = Promise.withResolvers<void>()

    await using _ = await bus.consume(
      queue,
      async (_command, { signal, deliveryCount }) => {
        log.push(`started ${deliveryCount}`)
        if (deliveryCount > 1) return
        await late.promise
        log.push(`ended late, ${(signal.reason as { code: string }).code}`)
      },
      { concurrency: 2 },
    )
    await bus.send(queue, aLoad())
    await until('it has started', () => log.length === 1)

    expect(bus.faults.expireLocks(queue)).toBe(1)
    await bus.idle()
    late.resolve()
    await until('the late one ended', () => log.length === 3)

    expect(log).toEqual(['started 1', 'started 2', 'ended late, BUS_LOCK_LOST'])
    expect(await bus.deadLetters(queue)).toEqual([])
  })

  test('a message whose lock runs out again and again ends in the dead letters', async () => {
    await using bus = createMemoryBus({ maxDeliveryCount: 2 })
    const gate = Promise.withResolvers<void>()
    let started = 0

    await using _ = await bus.consume(queue, () => (started++, gate.promise), { concurrency: 3 })
    await bus.send(queue, aLoad())
    await until('first', () => started === 1)
    bus.faults.expireLocks(queue)
    await until('second', () => started === 2)
    bus.faults.expireLocks(queue)
    gate.resolve()

    const [letter] = await bus.deadLetters(queue)
    expect(letter).toMatchObject({ reason: 'DELIVERED_TOO_OFTEN', deliveryCount: 2 })
    expect(letter?.description).toContain('BUS_LOCK_LOST')
  })
})

describe('faults on demand', () => {
  test('a duplicated message comes twice, as two deliveries', async () => {
    await using bus = createMemoryBus()
    const seen: string[] = []
    bus.faults.duplicateNext(queue)

    await bus.send(queue, aLoad('a'))
    await bus.send(queue, aLoad('b'))
    await using _ = await bus.consume(queue, async ({ task }) => void seen.push(task))
    await bus.idle()

    expect(seen).toEqual(['load a', 'load a', 'load b'])
  })

  test('a delayed message comes after those sent later', async () => {
    await using bus = createMemoryBus()
    const seen: string[] = []
    bus.faults.delayNext(queue, 15)

    await using _ = await bus.consume(queue, async ({ task }) => void seen.push(task))
    await bus.send(queue, aLoad('a'))
    await bus.send(queue, aLoad('b'))
    await bus.idle()

    expect(seen).toEqual(['load b', 'load a'])
  })

  test('a refused message is not taken, and the sender hears of it', async () => {
    await using bus = createMemoryBus()
    const seen: string[] = []
    bus.faults.refuseNext(2)

    await using _ = await bus.consume(queue, async ({ task }) => void seen.push(task))
    await expect(bus.send(queue, aLoad())).rejects.toMatchObject({ code: 'BUS_UNAVAILABLE', retryable: true })
    await expect(bus.publish(aStart())).rejects.toMatchObject({ code: 'BUS_UNAVAILABLE' })
    await bus.send(queue, aLoad('c'))
    await bus.idle()

    expect(seen).toEqual(['load c'])
  })
})

test('a subscription keeps what it was sent while nobody listened', async () => {
  await using bus = createMemoryBus()
  const seen: string[] = []
  const first = await bus.subscribe('scheduler', async () => {})
  await first[Symbol.asyncDispose]()

  await bus.publish(aStart('load a'))
  await using _ = await bus.subscribe('scheduler', async (event) => void seen.push('task' in event ? event.task : ''))
  await bus.idle()

  expect(seen).toEqual(['load a'])
})

test('a closed bus takes no messages', async () => {
  const bus = createMemoryBus()
  await bus[Symbol.asyncDispose]()

  await expect(bus.send(queue, aLoad())).rejects.toMatchObject({ code: 'BUS_UNAVAILABLE' })
  await expect(bus.consume(queue, async () => {})).rejects.toMatchObject({ code: 'BUS_UNAVAILABLE' })
})

test('whatever is duplicated, reordered, refused by handlers or has its lock taken away: nothing is lost, nothing stays', async () => {
  const hurt = fc.constantFrom('nothing', 'duplicate', 'throw', 'expire')
  await fc.assert(
    fc.asyncProperty(
      fc.array(hurt, { minLength: 1, maxLength: 30 }),
      fc.infiniteStream(fc.nat()),
      async (hurts, random) => {
        await using bus = createMemoryBus({ pick: (waitingCount) => (random.next().value ?? 0) % waitingCount })
        const plan = new Map<string, string>()
        const done = new Set<string>()

        await using _ = await bus.consume(
          queue,
          async ({ id }) => {
            const fault = plan.get(id)
            plan.set(id, 'nothing')
            await new Promise((resolve) => setImmediate(resolve))
            if (fault === 'throw') throw new Error('bad luck')
            if (fault === 'expire') bus.faults.expireLocks(queue)
            done.add(id)
          },
          { concurrency: 4 },
        )
        const commands = hurts.map((fault) => ({ ...aLoad(), fault }))
        for (const { fault, ...command } of commands) {
          plan.set(command.id, fault)
          if (fault === 'duplicate') bus.faults.duplicateNext(queue)
          await bus.send(queue, command)
        }
        await bus.idle()

        const dead = (await bus.deadLetters(queue)).map(({ id }) => id)
        for (const { id } of commands) expect(done.has(id) || dead.includes(id)).toBe(true)
      },
    ),
    { numRuns: 60 },
  )
})
