// @module-tag slow: kills processes
import { ServiceBusClient } from '@azure/service-bus'
import type { Event } from '@cinelake/contracts'
import { silentLog, systemClock, TerminalError, TransientError } from '@cinelake/core'
import { recordingLog, until } from '@cinelake/testkit'
import { trace } from '@opentelemetry/api'
import { startProxy } from '@cinelake/testkit/proxy'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import type { Delivery, MessageBus } from '../bus.ts'
import { aLoad, aStart } from '../contract/bus-contract.ts'
import { recordSpans } from '../contract/recorded-spans.fixture.ts'
import { createServiceBus } from './bus.ts'
import { givenBroker, QUICK } from './service-bus.fixture.ts'
import { runTaskWorker } from '../tasks/task-worker.ts'

class Refused extends TerminalError {
  readonly code = 'TEST_REFUSED'
}

/** A handler that is held until it is let go, and tells what happened. */
function heldHandler() {
  const gate = Promise.withResolvers<void>()
  const log: string[] = []
  return {
    log,
    letGo: gate.resolve,
    handler: async (_command: unknown, { deliveryCount, signal }: Delivery) => {
      log.push(`begun ${deliveryCount}`)
      await gate.promise
      log.push(`ended ${deliveryCount}${signal.aborted ? ` after ${(signal.reason as { code: string }).code}` : ''}`)
    },
  }
}

/** Makes so many dead letters in the queue of the loader. */
async function deadLetters(bus: MessageBus, count: number) {
  const consumer = await bus.consume(
    'loader',
    async (command) => {
      throw new Refused(`refused ${command.task}`, {})
    },
    { concurrency: 16 },
  )
  await Promise.all(Array.from({ length: count }, (_, index) => bus.send('loader', aLoad(`t${index}`))))
  await until('all are dead', async () => (await bus.deadLetters('loader')).length === count)
  await consumer[Symbol.asyncDispose]()
  return bus.deadLetters('loader')
}

/** Of a bus whose broker answers, however busy the machine is: what is sent again after a timeout would be there twice. */
const PATIENT = { timeoutInMs: 60_000 }

/** Sends a command to a broker that comes back, as a scheduler does: again while it is unavailable. */
async function sentAtLast(bus: MessageBus, command: ReturnType<typeof aLoad>): Promise<void> {
  const send = async () => {
    try {
      await bus.send('loader', command)
      return true
    } catch (error) {
      if (error instanceof TransientError) return false
      throw error
    }
  }
  await until('it is sent', send)
}

describe('a message on the wire', () => {
  test('says contract, kind and trace, and has an id that no other send has', async () => {
    await using given = await givenBroker()
    const bus = given.bus()
    const client = new ServiceBusClient(given.broker().connectionString)
    const command = aLoad()
    await using _ = recordSpans()

    await bus.send('loader', command)
    const traceparent = await trace.getTracer('test').startActiveSpan('sender', async (span) => {
      await bus.send('loader', command)
      return `00-${span.spanContext().traceId}-${span.spanContext().spanId}-01`
    })
    const [one, two] = await client.createReceiver('loader').peekMessages(2)
    await client.close()

    expect(one).toMatchObject({
      contentType: 'application/json',
      subject: 'load',
      correlationId: command.run,
      body: command,
      applicationProperties: {
        contract: 1,
        kind: 'load',
        traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/) as string,
      },
    })
    expect(two?.applicationProperties).toMatchObject({ traceparent, 'Diagnostic-Id': traceparent })
    expect(new Set([one?.messageId, two?.messageId, command.id]).size).toBe(3)
  })

  test('belongs to the trace of its run when nobody gave it one', async () => {
    await using given = await givenBroker()
    const bus = given.bus()
    const client = new ServiceBusClient(given.broker().connectionString)

    await bus.send('loader', aLoad('a'))
    await bus.send('loader', aLoad('b'))
    const messages = await client.createReceiver('loader').peekMessages(2)
    await client.close()

    const traces = messages.map(({ applicationProperties }) =>
      String(applicationProperties?.['traceparent']).split('-'),
    )
    expect(traces[0]?.[1]).toBe(traces[1]?.[1])
    expect(traces[0]?.[2]).not.toBe(traces[1]?.[2])
  })
})

describe('a lock', () => {
  // Locks last much longer than the broker says, so that none is lost because the machine stands still. keepLock's own
  // tests have the times.
  const givenLocks = async (lockMs: number) => {
    const given = await givenBroker({ lockMs })
    given.broker().faults.tellLocks('loader', 600)
    return given
  }

  test('is kept for a task twice as long: it runs once', async () => {
    await using given = await givenLocks(60_000)
    const bus = given.bus()
    const signals: boolean[] = []
    let begun = 0

    await using _ = await bus.consume('loader', async (_command, { signal }) => {
      begun += 1
      await until('it was renewed for twice its time', () => given.broker().renewalCount('loader') >= 3)
      signals.push(signal.aborted)
    })
    await bus.send('loader', aLoad())
    await until('it is done', () => given.broker().messageCount('loader') === 0)

    expect({ begun, signals }).toEqual({ begun: 1, signals: [false] })
  })

  test('is kept though a renewal fails now and then', async () => {
    await using given = await givenLocks(30_000)
    const bus = given.bus()
    const signals: boolean[] = []

    await using _ = await bus.consume('loader', async (_command, { signal }) => {
      given.broker().faults.refuseRenewals(1)
      await until('it was renewed', () => given.broker().renewalCount('loader') === 1)
      signals.push(signal.aborted)
    })
    await bus.send('loader', aLoad())
    await until('it is done', () => given.broker().messageCount('loader') === 0)

    expect(signals).toEqual([false])
  })

  test('that is lost stops the handler, another one goes on, and the late end is no error', async () => {
    await using given = await givenLocks(60_000)
    const log = recordingLog()
    const bus = given.bus({ log })
    const held = heldHandler()

    await using _ = await bus.consume('loader', held.handler, { concurrency: 2 })
    await bus.send('loader', aLoad())
    await until('it has begun', () => held.log.length === 1)
    expect(given.broker().faults.expireLocks('loader')).toBe(1)
    await until('another has it', () => held.log.length === 2)
    await until('the first was told', () => log.lines.some(({ message }) => message.startsWith('lock was lost')))
    held.letGo()
    await until('it is done', () => given.broker().messageCount('loader') === 0)

    expect(held.log.toSorted()).toEqual(['begun 1', 'begun 2', 'ended 1 after BUS_LOCK_LOST', 'ended 2'])
    await until('the late end was told', () => log.lines.some(({ message }) => message.includes('after its lock')))
    expect(log.lines.filter(({ level }) => level === 'error')).toEqual([])
    expect(await bus.deadLetters('loader')).toEqual([])
  })

  test('that cannot be renewed since the broker is away counts as lost when it must have run out', async () => {
    await using given = await givenBroker({ lockMs: 1000 })
    const bus = given.bus()
    const reasons: unknown[] = []
    const begun = Promise.withResolvers<void>()
    const told = Promise.withResolvers<void>()

    await using _ = await bus.consume('loader', async (_command, { signal }) => {
      begun.resolve()
      if (reasons.length > 0) return
      if (!signal.aborted) await once(signal, 'abort')
      reasons.push((signal.reason as { code: string }).code)
      told.resolve()
    })
    await bus.send('loader', aLoad())
    await begun.promise
    await given.restart(() => told.promise)
    await until('it is done', () => given.broker().messageCount('loader') === 0)

    expect(reasons).toEqual(['BUS_LOCK_LOST'])
  })
})

describe('a broker that fails', () => {
  test('by dropping the connection in the middle of the work loses nothing, and the work is not done again', async () => {
    await using given = await givenBroker()
    const bus = given.bus()
    const held = heldHandler()

    await using _ = await bus.consume('loader', held.handler)
    await bus.send('loader', aLoad())
    await until('it has begun', () => held.log.length === 1)
    given.broker().faults.dropConnections()
    held.letGo()
    await until('it is done', () => given.broker().messageCount('loader') === 0)
    await bus.send('loader', aLoad())
    await until('the consumer is back', () => held.log.length === 4)

    expect(held.log).toEqual(['begun 1', 'ended 1', 'begun 1', 'ended 1'])
  })

  test('again and again never leaves more at work than was agreed', async () => {
    // What was locked as the connection dropped comes again when that lock ends.
    await using given = await givenBroker({ lockMs: 3000 })
    const bus = given.bus()
    let [begun, now, most] = [0, 0, 0]
    const done = new Set<string>()
    const commands = Array.from({ length: 60 }, (_, index) => aLoad(`t${index}`))
    for (const command of commands) await bus.send('loader', command)
    let gate = Promise.withResolvers<void>()

    await using _ = await bus.consume(
      'loader',
      async ({ id }) => {
        begun += 1
        most = Math.max(most, ++now)
        await gate.promise
        now -= 1
        done.add(id)
      },
      { concurrency: 3 },
    )
    for (const round of [1, 2, 3]) {
      await until(`as many as may are at work in round ${round}`, () => now === 3 && begun >= 3 * round)
      given.broker().faults.dropConnections()
      const ended = gate
      gate = Promise.withResolvers()
      ended.resolve()
    }
    await until('they are at work again', () => now === 3 && begun >= 12)
    gate.resolve()
    await until('all are settled', () => given.broker().messageCount('loader') === 0)

    expect(most).toBe(3)
    expect(done).toEqual(new Set(commands.map(({ id }) => id)))
  })

  test('and comes back finds its consumers back, with what was sent before', async () => {
    await using given = await givenBroker()
    const bus = given.bus({ sendTimeoutMs: 2500 })
    const seen = new Set<string>()
    const [before, after] = [aLoad('before'), aLoad('after')]

    await using _ = await bus.consume('loader', async ({ task }) => void seen.add(task))
    await using other = given.bus()
    await other.send('transformer', before)
    await given.restart(async () => {
      await expect(bus.send('loader', after)).rejects.toMatchObject({ code: 'BUS_UNAVAILABLE', retryable: true })
    })
    await sentAtLast(bus, after)
    await until('the consumer is back', () => seen.size === 1)

    expect(seen).toEqual(new Set(['load after']))
    expect(given.broker().messageCount('transformer')).toBe(1)
  })

  test('several times while nobody uses it still finds its consumers back', async () => {
    await using given = await givenBroker()
    const bus = given.bus({ sendTimeoutMs: 2500 })
    const seen = new Set<string>()

    await using _ = await bus.consume('loader', async ({ task }) => void seen.add(task))
    for (const round of [1, 2, 3]) {
      await given.restart(() => pause(300))
      await sentAtLast(bus, aLoad(`t${round}`))
      await until(`the consumer is back after outage ${round}`, () => seen.has(`load t${round}`))
    }
    await until('all are settled', () => given.broker().messageCount('loader') === 0)

    expect(await bus.deadLetters('loader')).toEqual([])
  })

  test('by losing the answer to a settlement has the work done once, and nobody waits for ever', async () => {
    await using given = await givenBroker()
    const log = recordingLog()
    const bus = given.bus({ log })
    const seen: string[] = []
    given.broker().faults.loseSettlementAnswers()

    await using _ = await bus.consume('loader', async ({ task }) => void seen.push(task))
    await bus.send('loader', aLoad('a'))
    await bus.send('loader', aLoad('b'))
    await until('both are done', () => seen.length === 2)
    await until('the first was settled', () => log.lines.some(({ message }) => message.includes('after its lock')))

    expect(seen).toEqual(['load a', 'load b'])
    await until('nothing is left', () => given.broker().messageCount('loader') === 0)
    expect(log.lines.filter(({ level }) => level === 'error')).toEqual([])
  })

  test('by losing the answer to a send has the message twice, under one id of ours', async () => {
    await using given = await givenBroker()
    const bus = given.bus()
    const seen: string[] = []
    const command = aLoad()
    given.broker().faults.loseSendAnswers()

    await bus.send('loader', command)
    await using _ = await bus.consume('loader', async ({ id }) => void seen.push(id))
    await until('both came', () => seen.length === 2)

    expect(seen).toEqual([command.id, command.id])
  })

  test('by being busy is tried again, and is unavailable when it stays so', async () => {
    await using given = await givenBroker()
    const bus = given.bus()

    given.broker().faults.refuseSends(2)
    await bus.send('loader', aLoad())
    given.broker().faults.refuseSends(50)
    const refused = bus.publish(aStart())

    await expect(refused).rejects.toMatchObject({
      code: 'BUS_UNAVAILABLE',
      retryable: true,
      context: { reason: 'ServiceBusy' },
    })
    expect(given.broker().messageCount('loader')).toBe(1)
  })

  test('by being away does not keep a bus from being closed', async () => {
    await using given = await givenBroker()
    const bus = given.bus()
    await bus.consume('loader', async () => {})

    await given.restart(async () => await bus[Symbol.asyncDispose]())

    await expect(bus.send('loader', aLoad())).rejects.toMatchObject({ context: { reason: 'CLOSED' } })
  })
})

describe('what a person has to mend', () => {
  test('an entity that is missing says which command makes it', async () => {
    await using given = await givenBroker()
    const bus = given.bus()

    const problem = { code: 'BUS_ENTITY_MISSING', message: expect.stringContaining('cinelake bus create') as string }
    await expect(bus.send('ingest-files.nowhere', aLoad())).rejects.toMatchObject(problem)
    await expect(bus.consume('ingest-files.nowhere', async () => {})).rejects.toMatchObject(problem)
    await expect(bus.subscribe('nobody', async () => {})).rejects.toMatchObject(problem)
    await expect(bus.deadLetters('events/nobody')).rejects.toMatchObject(problem)
  })

  test('a refused identity says which role is missing', async () => {
    await using given = await givenBroker()
    const bus = given.bus()
    given.broker().faults.refuseTokens(true)

    await expect(bus.send('loader', aLoad())).rejects.toMatchObject({
      code: 'BUS_FORBIDDEN',
      context: { role: 'Azure Service Bus Data Sender' },
    })
    await expect(bus.consume('loader', async () => {})).rejects.toMatchObject({
      code: 'BUS_FORBIDDEN',
      context: { role: 'Azure Service Bus Data Receiver' },
    })
  })

  test('a wrong key is refused, and is in no message', async () => {
    await using given = await givenBroker()
    const connectionString = given.broker().connectionString.replace(/SharedAccessKey=[^;]*/, 'SharedAccessKey=hunter2')
    await using bus = createServiceBus({ entrance: { connectionString }, retry: QUICK })

    const refused: unknown = await bus.send('loader', aLoad()).catch((error: unknown) => error)

    expect(refused).toMatchObject({ code: 'BUS_FORBIDDEN' })
    expect(JSON.stringify(refused) + String(refused)).not.toContain('hunter2')
  })

  test('a connection string of another shape is refused without being shown', () => {
    expect(() => createServiceBus({ entrance: { connectionString: 'hunter2' } })).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.not.stringContaining('hunter2') as string }),
    )
  })
})

describe('stopping', () => {
  test('waits for what is under way, gives back what was not begun, and loses nothing', async () => {
    await using given = await givenBroker()
    const bus = given.bus()
    const held = heldHandler()
    const commands = Array.from({ length: 8 }, (_, index) => aLoad(`t${index}`))
    const consumer = await bus.consume('loader', held.handler, { concurrency: 3 })
    for (const command of commands) await bus.send('loader', command)
    await until('three have begun', () => held.log.length === 3)

    const stopped = consumer[Symbol.asyncDispose]()
    held.letGo()
    await stopped

    expect(held.log.filter((line) => line.startsWith('ended'))).toHaveLength(3)
    expect(given.broker().messageCount('loader')).toBe(5)
    const seen: number[] = []
    await using _ = await bus.consume('loader', async (_command, { deliveryCount }) => void seen.push(deliveryCount))
    await until('the rest is done', () => given.broker().messageCount('loader') === 0)
    expect(seen).toHaveLength(5)
  })

  test('while the connection is lost still settles what was under way, once', async () => {
    await using given = await givenBroker()
    const bus = given.bus()
    const held = heldHandler()
    const consumer = await bus.consume('loader', held.handler, { concurrency: 3 })
    for (const name of ['a', 'b', 'c']) await bus.send('loader', aLoad(name))
    await until('three have begun', () => held.log.length === 3)

    const stopped = consumer[Symbol.asyncDispose]()
    given.broker().faults.dropConnections()
    held.letGo()
    await stopped

    expect(given.broker().messageCount('loader')).toBe(0)
    expect(held.log.filter((line) => line.startsWith('begun'))).toEqual(['begun 1', 'begun 1', 'begun 1'])
    expect(await bus.deadLetters('loader')).toEqual([])
  })

  test('does not wait for ever for a broker that is lost before it has answered', async () => {
    await using given = await givenBroker()
    await using proxy = await startProxy({ port: given.broker().port })
    const connectionString = given.broker().connectionString.replace(/:\d+;/, `:${proxy.port};`)
    await using bus = createServiceBus({ entrance: { connectionString }, retry: QUICK })
    const held = heldHandler()
    const consumer = await bus.consume('loader', held.handler, { concurrency: 2 })
    await bus.send('loader', aLoad())
    await until('it has begun', () => held.log.length === 1)
    proxy.delay(400)

    const stopped = consumer[Symbol.asyncDispose]()
    // By then the client library has waited for an answer as long as it does (200 ms), and is closing the link.
    const before = proxy.passed.toServer
    await until('the broker is told to stop', () => proxy.passed.toServer > before)
    proxy.cut()
    proxy.restore()
    held.letGo()
    await stopped

    expect(given.broker().messageCount('loader')).toBe(0)
    expect(held.log).toEqual(['begun 1', expect.stringContaining('ended 1')])
  })

  test('a bus that is closed lets its handlers tell how they ended', async () => {
    await using given = await givenBroker()
    const [bus, other] = [given.bus(), given.bus()]
    const heard: string[] = []
    await other.subscribe('scheduler', async ({ kind }) => void heard.push(kind))
    let hasBegun = false
    await bus.consume('loader', async (_command, { signal }) => {
      hasBegun = true
      await once(signal, 'abort')
      await bus.publish(aStart())
    })
    await bus.send('loader', aLoad())
    await until('it has begun', () => hasBegun)

    await bus[Symbol.asyncDispose]()

    await until('it was heard', () => heard.length === 1)
    expect(given.broker().messageCount('loader')).toBe(0)
  })
})

describe('dead letters', () => {
  test('are listed page by page, oldest first, without being touched', async () => {
    await using given = await givenBroker()
    const bus = given.bus(PATIENT)

    const letters = await deadLetters(bus, 250)

    expect(new Set(letters.map(({ id }) => id)).size).toBe(250)
    expect(letters.every(({ deliveryCount, reason }) => deliveryCount === 1 && reason === 'TEST_REFUSED')).toBe(true)
    expect(await bus.deadLetters('loader')).toEqual(letters)
  })

  test('one among many is sent again under a new id, and the others stay as they are', async () => {
    await using given = await givenBroker()
    const bus = given.bus(PATIENT)
    const letters = await deadLetters(bus, 12)
    const [wanted, ...others] = [letters[7]!, ...letters.toSpliced(7, 1)]
    const seen: unknown[] = []

    expect(await bus.resend('loader', wanted.id)).toBe(true)
    await using _ = await bus.consume('loader', async (command) => void seen.push(command))
    await until('it came', () => seen.length === 1)

    expect(seen).toEqual([wanted.body])
    expect(await bus.deadLetters('loader')).toEqual(others)
    expect(await bus.resend('loader', wanted.id)).toBe(false)
    expect(await bus.discard('loader', '123456789')).toBe(false)
  })

  test('whose words other programs sent as a text are sent again as they were', async () => {
    await using given = await givenBroker()
    const bus = given.bus(PATIENT)
    await using opening = new AsyncDisposableStack()
    const client = new ServiceBusClient(given.broker().connectionString)
    opening.defer(() => client.close())
    const command = aLoad()
    const foreign = { bodyType: 'value' as const, body: JSON.stringify(command) }
    await client.createSender('loader').sendMessages(foreign)
    const refusing = await bus.consume('loader', async () => Promise.reject(new Refused('refused', {})))
    await until('it is dead', async () => (await bus.deadLetters('loader')).length === 1)
    await refusing[Symbol.asyncDispose]()
    const seen: unknown[] = []

    expect(await bus.resendAll('loader')).toBe(1)
    await using _ = await bus.consume('loader', async (again) => void seen.push(again))
    await until('it came', () => seen.length === 1 || given.broker().messageCount('loader') === 0)

    expect(seen).toEqual([command])
  })

  test('that fail again while all are sent again are not sent again for ever', async () => {
    await using given = await givenBroker()
    const bus = given.bus(PATIENT)
    await deadLetters(bus, 130)

    await using _ = await bus.consume('loader', async () => {
      throw new Refused('still not', {})
    })
    expect(await bus.resendAll('loader')).toBe(130)
    await until('they are dead again', async () => (await bus.deadLetters('loader')).length === 130)

    expect(await bus.discardAll('loader')).toBe(130)
    expect(await bus.deadLetters('loader')).toEqual([])
  })

  test('that the broker made by itself have reasons of ours', async () => {
    await using given = await givenBroker({ timeToLiveMs: 300 })
    const bus = given.bus(PATIENT)

    await bus.send('loader', aLoad())
    await until('it has expired', async () => (await bus.deadLetters('loader')).length === 1)

    expect(await bus.deadLetters('loader')).toMatchObject([{ reason: 'MESSAGE_EXPIRED' }])
  })

  test('of workers that die again and again were delivered too often, by the count of the broker', async () => {
    await using given = await givenBroker({ maxDeliveryCount: 2 })
    const bus = given.bus(PATIENT)
    const client = new ServiceBusClient(given.broker().connectionString)
    const receiver = client.createReceiver('loader', { maxAutoLockRenewalDurationInMs: 0 })
    await bus.send('loader', aLoad())

    for (const _death of [1, 2]) {
      await receiver.receiveMessages(1)
      given.broker().faults.expireLocks('loader')
    }
    await client.close()

    await until('it is dead', async () => (await bus.deadLetters('loader')).length === 1)
    expect(await bus.deadLetters('loader')).toMatchObject([{ reason: 'DELIVERED_TOO_OFTEN', deliveryCount: 2 }])
  })
})

test('the task of a worker that is killed is done by another, and told as one that succeeded', async () => {
  await using given = await givenBroker()
  const bus = given.bus(PATIENT)
  const events: Event[] = []
  await using _1 = await bus.subscribe('scheduler', async (event) => void events.push(event))
  const killed = spawn(process.execPath, [
    '--conditions=@cinelake/source',
    fileURLToPath(new URL('killed-worker.fixture.ts', import.meta.url)),
    given.broker().connectionString,
  ])
  const command = aLoad()
  await bus.send('loader', command)
  await until('the first worker has begun', () => events.length === 1)

  const isDead = once(killed, 'exit')
  killed.kill('SIGKILL')
  await isDead
  // Instead of waiting for a lock that nobody renews any more.
  expect(given.broker().faults.expireLocks('loader')).toBe(1)
  await using _2 = await runTaskWorker({
    bus,
    queue: 'loader',
    worker: 'living:1',
    handlers: {
      load: async () => ({
        balance: { unit: 'rows', in: 1, out: 1, rejected: 0, duplicates: 0 },
        output: { kind: 'loaded', table: 'orders', version: 1, outcome: 'replaced', sentRowCount: 1 },
      }),
    },
    clock: systemClock,
    log: silentLog,
  })
  await until('it is done', () => given.broker().messageCount('loader') === 0)
  await until('all was heard', () => events.length === 3)

  expect(events.map(({ kind, worker }) => [kind, worker])).toEqual([
    ['task.started', 'killed:1'],
    ['task.started', 'living:1'],
    ['task.succeeded', 'living:1'],
  ])
})
