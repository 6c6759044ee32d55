import type { Command, Event, QualityResult } from '@cinelake/contracts'
import { silentLog, TerminalError, type Balance } from '@cinelake/core'
import { fixedClock, recordingLog, until } from '@cinelake/testkit'
import { describe, expect, test } from 'vitest'
import { aLoad } from '../contract/bus-contract.ts'
import { createMemoryBus, type MemoryBusOptions } from '../memory/bus.ts'
import { runTaskWorker, type TaskHandlers, type TaskOutcome, type TaskWorker } from './task-worker.ts'

const balanced: Balance = { unit: 'rows', in: 10, out: 7, rejected: 2, duplicates: 1 }

function anOutcome(fields: Partial<TaskOutcome> = {}): TaskOutcome {
  const output = { kind: 'loaded', table: 'orders', version: 1, outcome: 'replaced', sentRowCount: 7 } as const
  return { balance: balanced, rejects: { 'type(price)': 2 }, output, ...fields }
}

function aFinding(rule: string): QualityResult {
  return { rule, severity: 'fail', checked: 10, failed: 3, detail: 'x'.repeat(50) }
}

class RuleBroken extends TerminalError {
  readonly code = 'TEST_RULE_BROKEN'
  readonly quality: readonly QualityResult[] = [{ rule: 'price_positive', severity: 'fail', checked: 10, failed: 3 }]
}

/** A worker over a bus in memory, and the events that it publishes. */
async function given(handlers: TaskHandlers, fields: Partial<TaskWorker> = {}, options: MemoryBusOptions = {}) {
  const bus = createMemoryBus(options)
  const events: Event[] = []
  const clock = fixedClock()
  await bus.subscribe('test', async (event) => void events.push(event))
  const consumer = await runTaskWorker({
    bus,
    queue: 'loader',
    worker: 'host:1',
    handlers,
    clock,
    log: silentLog,
    ...fields,
  })
  return {
    bus,
    events,
    clock,
    consumer,
    kinds: () => events.map(({ kind }) => kind),
    send: (command: Command = aLoad()) => bus.send('loader', command),
    [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose](),
  }
}

describe('a task that goes well', () => {
  test('is reported as started and succeeded, with balance, rejects and output, about the command that it answers', async () => {
    await using worker = await given({ load: async () => (worker.clock.advance(1500), anOutcome()) })
    const command = { ...aLoad(), generation: 3, attempt: 2 }

    await worker.send(command)
    await worker.bus.idle()

    const about = {
      run: command.run,
      task: 'load orders',
      generation: 3,
      attempt: 2,
      worker: 'host:1',
    }
    expect(worker.events).toMatchObject([
      { kind: 'task.started', ...about },
      {
        kind: 'task.succeeded',
        ...about,
        durationMs: 1500,
        balance: balanced,
        rejects: { 'type(price)': 2 },
        quality: [],
      },
    ])
    expect(new Set([command.id, ...worker.events.map(({ id }) => id)]).size).toBe(3)
  })

  test('says how far it is, at most four times a second, and never after its end', async () => {
    await using worker = await given({
      load: async (_command, { progress }) => {
        for (let rowCount = 1; rowCount <= 100; rowCount++) {
          progress({ rowCount })
          worker.clock.advance(10)
        }
        return anOutcome()
      },
    })

    await worker.send()
    await worker.bus.idle()

    expect(worker.events.flatMap((event) => (event.kind === 'task.progressed' ? [event.rowCount] : []))).toEqual([
      1, 26, 51, 76,
    ])
    expect(worker.kinds().at(-1)).toBe('task.succeeded')
  })

  test('is heard by whoever counts', async () => {
    const observed: string[] = []
    await using worker = await given(
      { load: async () => anOutcome() },
      { observe: ({ kind }) => void observed.push(kind) },
    )

    await worker.send()
    await worker.bus.idle()

    expect(observed).toEqual(['task.started', 'task.succeeded'])
  })
})

describe('a task that fails', () => {
  test('is an event with code, words and what the rules had found; its command is done with', async () => {
    await using worker = await given({
      load: async () => {
        throw new RuleBroken('rule is broken [rule=price_positive]: expected 0 rows, got 3', { rule: 'price_positive' })
      },
    })

    await worker.send()
    await worker.bus.idle()

    expect(worker.events[1]).toMatchObject({
      kind: 'task.failed',
      error: { code: 'TEST_RULE_BROKEN', retryable: false, context: { rule: 'price_positive' } },
      quality: [{ rule: 'price_positive', failed: 3 }],
    })
    expect(await worker.bus.deadLetters('loader')).toEqual([])
  })

  test.each([
    ['a row was lost', { ...balanced, out: 6 }],
    ['a row was made up', { ...balanced, out: 8 }],
  ])('because %s says so and can not be tried again', async (_what, balance) => {
    await using worker = await given({ load: async () => anOutcome({ balance }) })

    await worker.send()
    await worker.bus.idle()

    expect(worker.events[1]).toMatchObject({ kind: 'task.failed', error: { code: 'BALANCE_BROKEN', retryable: false } })
  })

  test('because the command came to the wrong service names the kinds that it knows', async () => {
    await using worker = await given({ refine: async () => anOutcome() })

    await worker.send()
    await worker.bus.idle()

    expect(worker.events[1]).toMatchObject({
      kind: 'task.failed',
      error: { code: 'COMMAND_UNKNOWN', retryable: false, message: expect.stringContaining('expected one of refine') },
    })
  })

  test('by a mistake of ours may be tried again', async () => {
    await using worker = await given({
      load: async () => {
        throw new TypeError('x is not a function')
      },
    })

    await worker.send()
    await worker.bus.idle()

    expect(worker.events[1]).toMatchObject({
      error: { code: 'UNEXPECTED_ERROR', retryable: true, message: 'x is not a function' },
    })
  })

  test('is reported without secrets, and with no more words than a message can carry', async () => {
    const redact = (text: string) => text.replaceAll('hunter2', '[secret]')
    await using worker = await given(
      {
        load: async () => {
          throw new RuleBroken(`password hunter2 was refused ${'x'.repeat(400_000)}`, {
            url: 'postgres://me:hunter2@db',
          })
        },
      },
      { redact },
    )

    await worker.send()
    await worker.bus.idle()

    expect(worker.kinds()).toEqual(['task.started', 'task.failed'])
    expect(JSON.stringify(worker.events)).not.toContain('hunter2')
  })

  test('while it is being stopped leaves no secret with the broker', async () => {
    const log = recordingLog()
    const redact = (text: string) => text.replaceAll('hunter2', '[secret]')
    const load = async () => {
      worker.bus.faults.expireLocks('loader')
      throw new Error('password hunter2 was refused')
    }
    await using worker = await given({ load }, { redact }, { log, maxDeliveryCount: 1 })

    await worker.send()
    await until('it is given up', async () => (await worker.bus.deadLetters('loader')).length === 1)

    const letters = await worker.bus.deadLetters('loader')
    expect(JSON.stringify([letters, log.lines])).not.toContain('hunter2')
  })

  test.each([
    [
      'what its rules found is too much for any broker',
      Array.from({ length: 5000 }, (_, at) => aFinding(`rule ${at}`)),
      {},
    ],
    ['a fact of it has no form in a message', [], { limit: Infinity }],
  ])('is heard of, though %s', async (_what, quality, context) => {
    await using worker = await given({
      load: async () => {
        throw Object.assign(new RuleBroken('rule is broken', context), { quality })
      },
    })

    await worker.send()
    await worker.bus.idle()

    expect(worker.events[1]).toMatchObject({
      kind: 'task.failed',
      error: { code: 'TEST_RULE_BROKEN', message: 'rule is broken', retryable: false },
    })
    expect(await worker.bus.deadLetters('loader')).toEqual([])
  })

  test('when its outcome is too large for any broker', async () => {
    const rejects = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`rule number ${index}`, 1]))
    await using worker = await given({ load: async () => anOutcome({ rejects }) })

    await worker.send()
    await worker.bus.idle()

    expect(worker.events[1]).toMatchObject({ kind: 'task.failed', error: { code: 'MESSAGE_TOO_LARGE' } })
  })
})

describe('a task that is interrupted', () => {
  test('because the service stops is given back with nothing said about it', async () => {
    await using worker = await given({
      load: (_command, { signal }) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(new RuleBroken('half done', {}))),
        ),
    })
    await worker.send()
    await until('it has started', () => worker.events.length === 1)

    await worker.consumer[Symbol.asyncDispose]()
    await using _ = await runTaskWorker({
      bus: worker.bus,
      queue: 'loader',
      worker: 'host:2',
      handlers: { load: async () => anOutcome() },
      clock: worker.clock,
      log: silentLog,
    })
    await worker.bus.idle()

    expect(worker.events.map(({ kind, worker: by }) => [kind, by])).toEqual([
      ['task.started', 'host:1'],
      ['task.started', 'host:2'],
      ['task.succeeded', 'host:2'],
    ])
  })

  test('but gets done nevertheless says so before the bus is closed', async () => {
    const worker = await given({
      load: (_command, { signal }) =>
        new Promise((resolve) => signal.addEventListener('abort', () => setTimeout(() => resolve(anOutcome()), 10))),
    })
    await worker.send()
    await until('it has started', () => worker.events.length === 1)
    const heard: string[] = []
    await worker.bus.subscribe('other', async ({ kind }) => void heard.push(kind))

    await worker.consumer[Symbol.asyncDispose]()
    await until('others have heard', () => heard.length === 1)
    await worker.bus[Symbol.asyncDispose]()

    expect(heard).toEqual(['task.succeeded'])
  })

  test('because its lock was lost is done again by another, and fails for nobody', async () => {
    let calls = 0
    await using worker = await given(
      {
        load: (_command, { signal }) => {
          calls += 1
          if (calls > 1) return Promise.resolve(anOutcome())
          return new Promise((_resolve, reject) =>
            signal.addEventListener('abort', () => reject(new Error('torn away'))),
          )
        },
      },
      { options: { concurrency: 2 } },
    )
    await worker.send()
    await until('it has started', () => calls === 1)

    worker.bus.faults.expireLocks('loader')
    await worker.bus.idle()

    expect(worker.kinds()).toEqual(['task.started', 'task.started', 'task.succeeded'])
  })

  test('because the broker takes no events is done again until it can be told', async () => {
    let calls = 0
    await using worker = await given({
      load: async () => {
        calls += 1
        if (calls === 1) worker.bus.faults.refuseNext()
        return anOutcome()
      },
    })

    await worker.send()
    await worker.bus.idle()

    expect(calls).toBe(2)
    expect(worker.kinds()).toEqual(['task.started', 'task.started', 'task.succeeded'])
  })

  test('only in its signs of life goes on', async () => {
    await using worker = await given({
      load: async (_command, { progress }) => {
        worker.bus.faults.refuseNext()
        progress({ rowCount: 1 })
        return anOutcome()
      },
    })

    await worker.send()
    await worker.bus.idle()

    expect(worker.kinds()).toEqual(['task.started', 'task.succeeded'])
  })
})
