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

/** A schedule whose next tick is then. */
function beatAt(at: Date): Rhythm {
  const hourMs = 3_600_000
  return { ...HOURLY, delayMs: at.getTime() % hourMs }
}

/**
 * Runs a case in which timers must not be due before the case has replaced or cleared them: again with twice the time
 * until it was quick enough, however slow the machine is.
 * @param run gets the instant before which it has to be ready, and how to end early once that has passed
 */
async function inTime(run: (due: Date, replaced: () => void) => Promise<void>): Promise<void> {
  const tooLate = Symbol('too late')
  for (let leadMs = 500; ; leadMs *= 2) {
    const due = inMs(leadMs)
    const replaced = () => {
      if (Date.now() >= due.getTime()) throw tooLate
    }
    try {
      return await run(due, replaced)
    } catch (error) {
      if (error !== tooLate) throw error
    }
  }
}

function after(at: Date, ms: number): Date {
  return new Date(at.getTime() + ms)
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

  /**
   * Adapters may write asynchronously, several writes at a time. Once a timer has fired, the writes that it was among
   * have begun; once one that was set after that has fired, they are done.
   */
  const written = async (timers: Timers, kind: TimerKind = 'schedule') => {
    let fired = 0
    const consumer = await timers.consume(kind, async () => void (fired += 1))
    for (const count of [1, 2]) {
      const timer: Timer = kind === 'task' ? about(0) : { kind, pipeline: 'sync' }
      await timers.set(`sync ${count}`, new Date(0), timer)
      await until('what was set is there', () => fired === count)
    }
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
    await inTime(async (due, replaced) => {
      await using it = await opened()
      await it.timers.consume('task', async (timer) => void it.rung.push(timer))
      await it.timers.set('a', due, about(1))
      await it.timers.set('b', due, about(2))
      await it.timers.set('c', inMs(60_000), about(3))
      await written(it.timers)
      await it.timers.set('a', after(due, 100), about(4))
      await it.timers.clear('task', 'b')
      await it.timers.clear('task', 'there is none')
      await it.timers.set('c', inMs(0), about(5))
      await written(it.timers)
      await until('the one for now goes off', () => it.rung.length > 0)
      await it.timers.set('last', after(due, 300), about(6))
      replaced()

      await until('the last one goes off', () => it.attempts().includes(6))

      expect(it.attempts()).toEqual([5, 4, 6])
    })
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
    const keys = ['task shop:eu@2026-03-01T05+01:00 ingest a/b', '0', '0:1', '42', 'ü/%3A ', '::::12', "a'b\\{}*"]
    await inTime(async (due, replaced) => {
      await using it = await opened()
      await it.timers.consume('task', async (timer) => void it.rung.push(timer))
      for (const [index, key] of keys.entries()) await it.timers.set(key, due, about(index + 1))
      await written(it.timers)
      for (const key of keys.slice(3)) await it.timers.clear('task', key)
      await written(it.timers)
      await it.timers.set('last', after(due, 200), about(99))
      replaced()

      await until('the last one goes off', () => it.attempts().includes(99))
      expect(it.attempts().toSorted((a, b) => a - b)).toEqual([1, 2, 3, 99])
    })
  })

  test('one that repeats goes off with its rhythm, is replaced, and is cleared', async () => {
    await inTime(async (due, replaced) => {
      await using it = await opened()
      await it.timers.repeat('shop:eu', beatAt(due), { kind: 'schedule', pipeline: 'old' })
      await it.timers.repeat('gone', beatAt(due), { kind: 'schedule', pipeline: 'gone' })
      await written(it.timers, 'task')
      await it.timers.repeat('shop:eu', beatAt(after(due, 100)), { kind: 'schedule', pipeline: 'shop' })
      await it.timers.clear('schedule', 'gone')
      await it.timers.set('last', after(due, 300), { kind: 'schedule', pipeline: 'last' })
      await written(it.timers, 'task')
      replaced()
      await it.timers.consume('schedule', async (timer) => void it.rung.push(timer))

      await until('the last one goes off', () => it.rung.length >= 2)

      expect(it.rung).toEqual([
        { kind: 'schedule', pipeline: 'shop' },
        { kind: 'schedule', pipeline: 'last' },
      ])
    })
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
