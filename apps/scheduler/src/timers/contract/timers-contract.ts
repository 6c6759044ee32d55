import { until } from '@cinelake/testkit'
import { expect, test } from 'vitest'
import type { Timer, TimerKind, TimerOf, Rhythm, Timers } from '../timers.ts'

/**
 * Timers that share their storage, as those of several replicas do; an adapter for one process returns the same timers
 * each time.
 */
export type TimersBench = AsyncDisposable & { open(): Timers }

const HOURLY: Rhythm = { every: 'hour', timeZone: 'UTC', delayMs: 0 }

function about(attempt: number): TimerOf<'task'> {
  return { kind: 'task', run: 'shop@2026-03-01', task: 'refine orders', generation: 1, attempt }
}

function inMs(ms: number): Date {
  return new Date(Date.now() + ms)
}

/** A schedule whose next tick is so many milliseconds away. */
function beatIn(ms: number): Rhythm {
  const hourMs = 3_600_000
  return { ...HOURLY, delayMs: (Date.now() + ms) % hourMs }
}

/** The contract of every adapter of the timers, over the clock of this machine. */
export function timersContract(bench: () => Promise<TimersBench>): void {
  const opened = async () => {
    const stack = new AsyncDisposableStack()
    const timers = stack.use(await bench()).open()
    const rung: Timer[] = []
    const attempts = () => rung.map((timer) => (timer.kind === 'task' ? timer.attempt : 0))
    return { timers, rung, attempts, [Symbol.asyncDispose]: () => stack.disposeAsync() }
  }

  /** Adapters may write asynchronously: once a timer of another kind has fired, those set before it are there. */
  const written = async (timers: Timers, kind: TimerKind = 'schedule') => {
    let isThere = false
    const consumer = await timers.consume(kind, async () => void (isThere = true))
    await timers.set('sync', new Date(0), kind === 'task' ? about(0) : { kind, pipeline: 'sync' })
    await until('what was set is there', () => isThere)
    await consumer[Symbol.asyncDispose]()
  }

  test('a timer goes off once, when its time has come', async () => {
    await using it = await opened()
    const at = inMs(500)
    let wasEarly = false
    await it.timers.consume('task', async (timer) => {
      it.rung.push(timer)
      wasEarly ||= Date.now() < at.getTime()
    })
    await it.timers.set('a', at, about(1))
    await it.timers.set('later', inMs(1000), about(2))

    await until('both went off', () => it.rung.length >= 2)

    expect(it.rung).toEqual([about(1), about(2)])
    expect(wasEarly).toBe(false)
  })

  test('one set for the past goes off at once', async () => {
    await using it = await opened()
    await it.timers.consume('task', async (timer) => void it.rung.push(timer))
    await it.timers.set('a', new Date(0), about(1))
    await until('it goes off', () => it.rung.length > 0)
    expect(it.rung).toEqual([about(1)])
  })

  test('a new timer under a key takes the place of the old one, and a cleared one does not go off', async () => {
    await using it = await opened()
    await it.timers.consume('task', async (timer) => void it.rung.push(timer))
    await it.timers.set('a', inMs(3000), about(1))
    await it.timers.set('b', inMs(3000), about(2))
    await it.timers.set('c', inMs(60_000), about(3))
    await written(it.timers)
    await it.timers.set('a', inMs(3100), about(4))
    await it.timers.clear('task', 'b')
    await it.timers.clear('task', 'there is none')
    await it.timers.set('c', inMs(0), about(5))
    await it.timers.set('last', inMs(3300), about(6))

    await until('the last one goes off', () => it.attempts().includes(6))

    expect(it.attempts()).toEqual([5, 4, 6])
  })

  test('one that is due already, but has not been taken yet, is replaced and cleared as well', async () => {
    await using it = await opened()
    await it.timers.set('a', new Date(0), about(1))
    await it.timers.set('b', new Date(0), about(2))
    await written(it.timers)
    await it.timers.set('a', inMs(400), about(3))
    await it.timers.clear('task', 'b')
    await written(it.timers)
    await it.timers.consume('task', async (timer) => void it.rung.push(timer))
    await it.timers.set('last', inMs(600), about(4))

    await until('the last one goes off', () => it.attempts().includes(4))
    expect(it.attempts()).toEqual([3, 4])
  })

  test('one that is set again while it is being handled goes off again', async () => {
    await using it = await opened()
    await it.timers.consume('task', async (timer) => {
      it.rung.push(timer)
      if (timer.attempt < 3) await it.timers.set('a', inMs(50), about(timer.attempt + 1))
    })
    await it.timers.set('a', inMs(0), about(1))

    await until('it went off three times', () => it.rung.length === 3)
    expect(it.rung).toEqual([about(1), about(2), about(3)])
  })

  test('one that the handler fails on goes off again', async () => {
    await using it = await opened()
    await it.timers.consume('task', async (timer) => {
      it.rung.push(timer)
      if (it.rung.length === 1) throw new Error('the database is away')
    })
    await it.timers.set('a', inMs(0), about(1))

    await until('it goes off again', () => it.rung.length === 2)
    expect(it.rung).toEqual([about(1), about(1)])
  })

  test('one that goes off without a listener waits for a process that takes its kind', async () => {
    await using it = await opened()
    await it.timers.set('a', new Date(0), about(1))
    const scheduled: Timer[] = []
    const other = await it.timers.consume('schedule', async (timer) => void scheduled.push(timer))
    await other[Symbol.asyncDispose]()
    await it.timers.consume('task', async (timer) => void it.rung.push(timer))

    await until('it goes off', () => it.rung.length === 1)
    expect(scheduled).toEqual([])
  })

  test('keys are any text', async () => {
    await using it = await opened()
    const keys = ['task shop:eu@2026-03-01T05+01:00 ingest a/b', '0', '0:1', '42', 'ü/%3A ', '::::12', "a'b\\{}*"]
    await it.timers.consume('task', async (timer) => void it.rung.push(timer))
    for (const [index, key] of keys.entries()) await it.timers.set(key, inMs(3000), about(index + 1))
    await written(it.timers)
    for (const key of keys.slice(3)) await it.timers.clear('task', key)
    await it.timers.set('last', inMs(3200), about(99))

    await until('the last one goes off', () => it.attempts().includes(99))
    expect(it.attempts().toSorted((a, b) => a - b)).toEqual([1, 2, 3, 99])
  })

  test('one that repeats goes off with its rhythm, is replaced, and is cleared', async () => {
    await using it = await opened()
    await it.timers.repeat('shop:eu', beatIn(3000), { kind: 'schedule', pipeline: 'old' })
    await it.timers.repeat('gone', beatIn(3000), { kind: 'schedule', pipeline: 'gone' })
    await written(it.timers, 'task')
    await it.timers.consume('schedule', async (timer) => void it.rung.push(timer))
    await it.timers.repeat('shop:eu', beatIn(3100), { kind: 'schedule', pipeline: 'shop' })
    await it.timers.clear('schedule', 'gone')
    await it.timers.set('last', inMs(3300), { kind: 'schedule', pipeline: 'last' })

    await until('the last one goes off', () => it.rung.length >= 2)

    expect(it.rung).toEqual([
      { kind: 'schedule', pipeline: 'shop' },
      { kind: 'schedule', pipeline: 'last' },
    ])
  })

  test('one that is a year away does not go off at once', async () => {
    await using it = await opened()
    await it.timers.consume('task', async (timer) => void it.rung.push(timer))
    await it.timers.set('far', inMs(365 * 86_400_000), about(1))
    await it.timers.set('near', inMs(5), about(2))

    await until('the near one goes off', () => it.rung.length > 0)
    expect(it.rung).toEqual([about(2)])
  })

  test('a consumer that is disposed has finished what it was handling, and takes nothing more', async () => {
    await using it = await opened()
    const [begun, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    let isDone = false
    const consumer = await it.timers.consume('task', async () => {
      begun.resolve()
      await go.promise
      isDone = true
    })
    await it.timers.set('a', inMs(0), about(1))
    await begun.promise
    const disposed = consumer[Symbol.asyncDispose]()
    go.resolve()
    await disposed

    expect(isDone).toBe(true)
  })
}
