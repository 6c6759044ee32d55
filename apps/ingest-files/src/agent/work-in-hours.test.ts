import { runTaskWorker, type TaskHandlers, type TaskOutcome } from '@cinelake/bus'
import { createMemoryBus } from '@cinelake/bus/memory'
import type { Command, Event } from '@cinelake/contracts'
import { aCommandHeader, fixedClock, recordingLog, temporaryDirectory, until } from '@cinelake/testkit'
import { expect, test } from 'vitest'
import { startHeartbeat } from './heartbeat.ts'
import { keepRunning } from './running-tasks.ts'
import { startWorkInHours } from './work-in-hours.ts'

const balance = { unit: 'rows', in: 0, out: 0, rejected: 0, duplicates: 0 } as const
const outcome: TaskOutcome = { balance, output: { kind: 'tables', tables: [] } }
const aDiscover = (task: string): Command => ({ kind: 'discover', ...aCommandHeader({ task }), source: 'billing' })

/** An agent over a bus in memory, whose hours are switched by the test. */
async function givenAgent(handlers: TaskHandlers) {
  const stack = new AsyncDisposableStack()
  const bus = stack.use(createMemoryBus())
  const events: Event[] = []
  stack.use(await bus.subscribe('test', async (event) => void events.push(event)))
  const stop = new AbortController()
  const tasks = keepRunning(handlers, stop.signal)
  const clock = fixedClock()
  const log = recordingLog()
  let isOpen = true
  const hours = { text: '', timeZone: 'UTC', includes: () => isOpen }
  const work = { bus, queue: 'ingest-files', worker: 'host:1', handlers: tasks.handlers, clock, log } as const
  const begin = () => runTaskWorker(work)
  const inHours = stack.use(await startWorkInHours({ hours, begin, clock, log, lookMs: 5 }))
  return {
    bus,
    events,
    tasks,
    inHours,
    log,
    stop,
    setOpen: (value: boolean) => void (isOpen = value),
    ended: () => events.flatMap((event) => (event.kind === 'task.succeeded' ? [event.task] : [])),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

test('outside of its hours an agent takes nothing, and what is under way goes on to its end', async () => {
  const gate = Promise.withResolvers<void>()
  const signals: AbortSignal[] = []
  await using agent = await givenAgent({
    async discover(_command, { signal }) {
      signals.push(signal)
      await gate.promise
      return outcome
    },
  })
  await agent.bus.send('ingest-files', aDiscover('first'))
  await until('it is under way', () => agent.tasks.count() === 1)

  agent.setOpen(false)
  await until('nothing more is taken', () => agent.log.lines.some(({ message }) => message.includes('no more work')))
  await agent.bus.send('ingest-files', aDiscover('second'))
  expect(agent.inHours.state()).toBe('outside-hours')
  expect(signals[0]?.aborted).toBe(false)
  gate.resolve()
  await until('the first has ended', () => agent.ended().length === 1)
  expect(agent.ended()).toEqual(['first'])

  agent.setOpen(true)
  await until('the second is done', () => agent.ended().length === 2)
  expect(agent.ended()).toEqual(['first', 'second'])
})

test('a service that stops tells what is under way, also after hours', async () => {
  let wasTold = false
  await using agent = await givenAgent({
    async discover(_command, { signal }) {
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
      wasTold = true
      return outcome
    },
  })
  await agent.bus.send('ingest-files', aDiscover('first'))
  await until('it is under way', () => agent.tasks.count() === 1)
  agent.setOpen(false)
  await until('nothing more is taken', () => agent.log.lines.some(({ message }) => message.includes('no more work')))

  agent.stop.abort()
  await until('it has ended', () => agent.tasks.count() === 0)

  expect(wasTold).toBe(true)
})

test('a heartbeat says who is there, how much room there is, and what is done', async () => {
  await using directory = await temporaryDirectory()
  await using bus = createMemoryBus()
  const events: Event[] = []
  await using _ = await bus.subscribe('test', async (event) => void events.push(event))
  const about = { worker: 'host:1', site: 'hq', node: 'one', version: '1.2.3', directory: directory.path }

  await using _heart = startHeartbeat(
    { ...about, runningTasks: () => 2, state: () => 'outside-hours' },
    { bus, clock: fixedClock('2026-03-02T03:00:00Z'), log: recordingLog(), everyMs: 5 },
  )
  await until('it beat twice', () => events.length >= 2)

  const { directory: _place, ...said } = about
  expect(events[0]).toMatchObject({
    kind: 'agent.heartbeat',
    ...said,
    at: '2026-03-02T03:00:00.000Z',
    runningTasks: 2,
    state: 'outside-hours',
  })
  expect(events[0]).toHaveProperty('freeDiskBytes', expect.any(Number))
  expect(events[0]?.id).not.toBe(events[1]?.id)
})

test('a heartbeat that cannot be sent does no harm, and the next one is tried', async () => {
  await using directory = await temporaryDirectory()
  const log = recordingLog()
  let tries = 0
  const bus = { publish: () => Promise.reject(new Error(`away ${(tries += 1)}`)) }
  const about = { worker: 'host:1', site: '', node: 'one', version: '1.2.3', directory: directory.path }

  await using _ = startHeartbeat(
    { ...about, runningTasks: () => 0, state: () => 'working' },
    { bus, clock: fixedClock(), log, everyMs: 5 },
  )
  await until('it was tried twice', () => tries >= 2)

  expect(log.lines[0]).toMatchObject({ level: 'warn' })
})
