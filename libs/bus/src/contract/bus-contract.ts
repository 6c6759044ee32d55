import { CONTRACT_VERSION, type Command, type Event, type Queue } from '@cinelake/contracts'
import { TerminalError, TransientError } from '@cinelake/core'
import { aCommandHeader, until } from '@cinelake/testkit'
import { randomUUID } from 'node:crypto'
import { SpanStatusCode, trace } from '@opentelemetry/api'
import { describe, expect, test } from 'vitest'
import type { MessageBus } from '../bus.ts'
import { recordSpans } from './recorded-spans.fixture.ts'

/** A bus under test, with empty entities that no other test uses. */
export type BusUnderTest = AsyncDisposable & {
  readonly bus: MessageBus
  readonly queue: Queue
  readonly otherQueue: Queue
  /** Two subscriptions of the events topic. */
  readonly subscriptions: readonly [string, string]
  readonly maxDeliveryCount: number
  /** Puts a body into the queue that none of our senders would produce. */
  inject(body: string): Promise<void>
}

class Refused extends TerminalError {
  readonly code = 'TEST_REFUSED'
}
class Away extends TransientError {
  readonly code = 'TEST_AWAY'
}

export function aLoad(table = 'orders'): Command {
  return { kind: 'load', ...aCommandHeader({ task: `load ${table}` }), table, version: 1 }
}

export function aStart(task = 'load orders'): Event {
  const { contract, run, generation, attempt } = aCommandHeader()
  return {
    contract,
    id: randomUUID(),
    run,
    task,
    generation,
    attempt,
    kind: 'task.started',
    at: '2026-03-02T03:00:00Z',
    worker: 'test',
  }
}

/** The contract test suite of every message bus. */
export function busContract(name: string, open: () => Promise<BusUnderTest>): void {
  describe(`message bus contract: ${name}`, () => {
    test('each command is worked on and then gone', async () => {
      await using given = await open()
      const commands = Array.from({ length: 20 }, (_, index) => aLoad(`t${index}`))
      const seen: string[] = []
      for (const command of commands) await given.bus.send(given.queue, command)

      await using _ = await given.bus.consume(given.queue, async ({ id }) => void seen.push(id), { concurrency: 3 })
      await until('all were seen', () => seen.length >= 20)

      expect(seen.sort()).toEqual(commands.map(({ id }) => id).sort())
      expect(await given.bus.deadLetters(given.queue)).toEqual([])
    })

    test('a command reaches the handler as it was sent, and is not shared with the sender', async () => {
      await using given = await open()
      const command = aLoad()
      const seen: Command[] = []

      await using _ = await given.bus.consume(given.queue, async (received) => void seen.push(received))
      await given.bus.send(given.queue, command)
      await until('it was seen', () => seen.length === 1)

      expect(seen[0]).toEqual(command)
      expect(seen[0]).not.toBe(command)
    })

    test('a message takes the trace of its sender along, through a dead letter as well', async () => {
      await using given = await open()
      await using recorded = recordSpans()
      const [subscription] = given.subscriptions
      const seen: string[] = []
      const command = aLoad()
      await using _1 = await given.bus.subscribe(subscription, async ({ kind }) => void seen.push(kind))
      await using _2 = await given.bus.consume(given.queue, async () => {
        seen.push('load')
        if (seen.length === 1) throw new Refused('no', {})
        await given.bus.publish(aStart())
      })

      await trace.getTracer('test').startActiveSpan('sender', async (span) => {
        await given.bus.send(given.queue, command)
        span.end()
      })
      await until('it is dead', async () => (await given.bus.deadLetters(given.queue)).length === 1)
      await given.bus.resendAll(given.queue)
      await until('all were handled', () => recorded.spans().length === 4)

      const one = (name: string, status = SpanStatusCode.UNSET) =>
        recorded.spans().find((span) => span.name === name && span.status.code === status)
      const [sender, event] = [one('sender'), one('task.started')]
      const [first, again] = [one('load', SpanStatusCode.ERROR), one('load')]
      const parents = [first, again, event].map((span) => span?.parentSpanContext?.spanId)
      expect(parents).toEqual([sender, sender, again].map((span) => span?.spanContext().spanId))
      expect(new Set(recorded.spans().map((span) => span.spanContext().traceId)).size).toBe(1)
      expect(first?.attributes).toEqual({
        'cinelake.run': command.run,
        'cinelake.task': command.task,
        'cinelake.generation': 1,
        'cinelake.attempt': 1,
        'cinelake.pipeline': command.pipeline.name,
        'cinelake.delivery': 1,
        'messaging.destination.name': given.queue,
        'messaging.operation.type': 'process',
        'error.type': 'TEST_REFUSED',
      })
    })

    test('a command goes to one consumer of its queue and to no other queue', async () => {
      await using given = await open()
      const [first, second, other]: string[][] = [[], [], []]

      await using _1 = await given.bus.consume(given.queue, async ({ id }) => void first?.push(id))
      await using _2 = await given.bus.consume(given.queue, async ({ id }) => void second?.push(id))
      await using _3 = await given.bus.consume(given.otherQueue, async ({ id }) => void other?.push(id))
      for (let sent = 0; sent < 10; sent++) await given.bus.send(given.queue, aLoad())
      await until('all were seen', () => (first?.length ?? 0) + (second?.length ?? 0) >= 10)

      expect(new Set([...(first ?? []), ...(second ?? [])]).size).toBe(10)
      expect(other).toEqual([])
    })

    test('an event goes to every subscription, and to one member of each', async () => {
      await using given = await open()
      const [one, two] = given.subscriptions
      const seen: string[] = []
      const event = aStart()

      await using _1 = await given.bus.subscribe(one, async () => void seen.push('one'))
      await using _2 = await given.bus.subscribe(one, async () => void seen.push('one'))
      await using _3 = await given.bus.subscribe(two, async () => void seen.push('two'))
      await given.bus.publish(event)
      await until('both heard', () => seen.length >= 2)

      expect(seen.sort()).toEqual(['one', 'two'])
    })

    test('what a handler throws for now is handed out again, with a higher delivery count', async () => {
      await using given = await open()
      const counts: number[] = []

      await using _ = await given.bus.consume(given.queue, async (_command, { deliveryCount }) => {
        counts.push(deliveryCount)
        if (deliveryCount === 1) throw new Away('the server is away', {})
      })
      await given.bus.send(given.queue, aLoad())
      await until('it came twice', () => counts.length >= 2)

      expect(counts).toEqual([1, 2])
      expect(await given.bus.deadLetters(given.queue)).toEqual([])
    })

    test('what a handler throws for good goes to the dead letters at once, with code and words', async () => {
      await using given = await open()
      const command = aLoad()
      let calls = 0

      await using _ = await given.bus.consume(given.queue, async () => {
        calls += 1
        throw new Refused('cannot be done: expected a, got b', {})
      })
      await given.bus.send(given.queue, command)
      await until('it is dead', async () => (await given.bus.deadLetters(given.queue)).length === 1)

      const [letter] = await given.bus.deadLetters(given.queue)
      expect(letter).toMatchObject({
        reason: 'TEST_REFUSED',
        description: 'cannot be done: expected a, got b',
        deliveryCount: 1,
        body: command,
      })
      expect(calls).toBe(1)
    })

    test('a message handed out too often goes to the dead letters with the last error', async () => {
      await using given = await open()
      let calls = 0

      await using _ = await given.bus.consume(given.queue, async () => {
        calls += 1
        throw new Away('the server is away', {})
      })
      await given.bus.send(given.queue, aLoad())
      await until('it is dead', async () => (await given.bus.deadLetters(given.queue)).length === 1)

      const [letter] = await given.bus.deadLetters(given.queue)
      expect(letter).toMatchObject({ reason: 'DELIVERED_TOO_OFTEN', deliveryCount: given.maxDeliveryCount })
      expect(letter?.description).toContain('TEST_AWAY')
      expect(calls).toBe(given.maxDeliveryCount)
    })

    test.each([
      ['no JSON', 'hello'],
      ['another shape', '{"hello":"world"}'],
      ['a version of later', JSON.stringify({ ...aLoad(), contract: CONTRACT_VERSION + 1 })],
    ])('a body that is %s goes to the dead letters unseen, and the next message is worked on', async (_what, body) => {
      await using given = await open()
      const seen: string[] = []
      const after = aLoad()

      await using _ = await given.bus.consume(given.queue, async ({ id }) => void seen.push(id))
      await given.inject(body)
      await given.bus.send(given.queue, after)
      await until('the next was seen', () => seen.length === 1)
      await until('it is dead', async () => (await given.bus.deadLetters(given.queue)).length === 1)

      const [letter] = await given.bus.deadLetters(given.queue)
      expect(letter).toMatchObject({ reason: 'MESSAGE_INVALID', deliveryCount: 1 })
      expect(seen).toEqual([after.id])
    })

    test('a message that breaks its contract is not sent', async () => {
      await using given = await open()

      const sent = given.bus.send(given.queue, { ...aLoad(), id: 'no uuid' })

      await expect(sent).rejects.toMatchObject({ code: 'MESSAGE_INVALID', message: expect.stringContaining('id: ') })
    })

    test('a message that carries data instead of naming it is not sent', async () => {
      await using given = await open()

      const sent = given.bus.send(given.queue, aLoad('x'.repeat(300_000)))

      await expect(sent).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' })
    })

    test('a dead letter that is sent again is worked on as new', async () => {
      await using given = await open()
      const counts: number[] = []
      let isRepaired = false

      await using _ = await given.bus.consume(given.queue, async (_command, { deliveryCount }) => {
        if (!isRepaired) throw new Refused('not yet', {})
        counts.push(deliveryCount)
      })
      await given.bus.send(given.queue, aLoad())
      await until('it is dead', async () => (await given.bus.deadLetters(given.queue)).length === 1)
      isRepaired = true
      const [letter] = await given.bus.deadLetters(given.queue)

      expect(await given.bus.resend(given.queue, letter?.id ?? '')).toBe(true)
      await until('it was worked on', () => counts.length === 1)
      expect(counts).toEqual([1])
      expect(await given.bus.deadLetters(given.queue)).toEqual([])
      expect(await given.bus.resend(given.queue, letter?.id ?? '')).toBe(false)
    })

    test('a dead letter of a subscription that is discarded is gone', async () => {
      await using given = await open()
      const [subscription] = given.subscriptions
      const entity = `events/${subscription}`

      await using _ = await given.bus.subscribe(subscription, async () => {
        throw new Refused('no', {})
      })
      await given.bus.publish(aStart())
      await until('it is dead', async () => (await given.bus.deadLetters(entity)).length === 1)
      const [letter] = await given.bus.deadLetters(entity)

      expect(await given.bus.discard(entity, letter?.id ?? '')).toBe(true)
      expect(await given.bus.discard(entity, letter?.id ?? '')).toBe(false)
      expect(await given.bus.deadLetters(entity)).toEqual([])
    })

    test('no more than the agreed number of messages are worked on at once', async () => {
      await using given = await open()
      let [now, most, done] = [0, 0, 0]
      for (let sent = 0; sent < 9; sent++) await given.bus.send(given.queue, aLoad())

      await using _ = await given.bus.consume(
        given.queue,
        async () => {
          most = Math.max(most, ++now)
          await new Promise((resolve) => setImmediate(resolve))
          now -= 1
          done += 1
        },
        { concurrency: 3 },
      )
      await until('all are done', () => done === 9)

      expect(most).toBe(3)
    })

    test('stopping tells the handler, waits for it, and settles what it finished', async () => {
      await using given = await open()
      const log: string[] = []
      const consumer = await given.bus.consume(given.queue, async (_command, { signal }) => {
        log.push('started')
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
        log.push('told')
        await new Promise((resolve) => setTimeout(resolve, 20))
        log.push('finished')
      })
      await given.bus.send(given.queue, aLoad())
      await until('it has started', () => log.length === 1)

      await consumer[Symbol.asyncDispose]()
      await using _ = await given.bus.consume(given.queue, async () => void log.push('again'))
      await given.bus.send(given.queue, aLoad())
      await until('the other consumer works', () => log.includes('again'))

      expect(log).toEqual(['started', 'told', 'finished', 'again'])
    })

    test('a message that a stopped handler gave up is worked on by another', async () => {
      await using given = await open()
      const command = aLoad()
      const seen: [string, number][] = []
      let hasStarted = false
      const first = await given.bus.consume(given.queue, async (_command, { signal }) => {
        hasStarted = true
        await new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(new Away('stopped', {})), { once: true }),
        )
      })
      await given.bus.send(given.queue, command)
      await until('it has started', () => hasStarted)

      await first[Symbol.asyncDispose]()
      await using _ = await given.bus.consume(
        given.queue,
        async ({ id }, { deliveryCount }) => void seen.push([id, deliveryCount]),
      )
      await until('it was worked on', () => seen.length === 1)

      expect(seen).toEqual([[command.id, 2]])
    })
  })
}
