import { windowsBetween, type Clock } from '@cinelake/core'
import { fixedClock, recordingLog, until } from '@cinelake/testkit'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { aPipeline } from '../../test/given.ts'
import { createMemoryTimers } from '../timers/memory/timers.ts'
import { followSchedule } from './follow-schedule.ts'
import { dueWindows, nextDueAt } from './schedule.ts'

const HOUR = 3_600_000
const daily = { every: 'day', timeZone: 'Europe/Berlin', start: '2026-03-27', delayMs: 3 * HOUR } as const
const labels = (now: string, known: string[] = []) =>
  dueWindows(daily, new Set(known), new Date(now)).map(({ label }) => label)

describe('a window is due', () => {
  test('when it has ended and the delay is over, not before', () => {
    expect(labels('2026-03-28T01:59:59Z')).toEqual([])
    expect(labels('2026-03-28T02:00:00Z')).toEqual(['2026-03-27'])
  })

  test('by local midnight, also on the day that the clock goes forward', () => {
    expect(labels('2026-03-30T00:59:59Z')).toEqual(['2026-03-27', '2026-03-28'])
    expect(labels('2026-03-30T01:00:00Z')).toEqual(['2026-03-27', '2026-03-28', '2026-03-29'])
  })

  test('once: those that were asked for are not, those that were missed are, oldest first', () => {
    expect(labels('2026-04-01T12:00:00Z', ['2026-03-28', '2026-03-30'])).toEqual([
      '2026-03-27',
      '2026-03-29',
      '2026-03-31',
    ])
  })

  test('never before the start of the schedule', () => {
    expect(labels('2026-03-01T12:00:00Z')).toEqual([])
  })
})

test('between now and the next due instant nothing becomes due, and at it something does', () => {
  const schedule = fc.record({
    every: fc.constantFrom('hour', 'day', 'month'),
    timeZone: fc.constantFrom('UTC', 'Europe/Berlin', 'America/Sao_Paulo', 'Asia/Kolkata'),
    delayMs: fc.nat({ max: 40 * HOUR }),
  })
  // Around the day on which Europe's clocks go back.
  const instant = fc.date({ min: new Date('2026-10-20'), max: new Date('2026-11-20'), noInvalidDate: true })
  fc.assert(
    fc.property(schedule, instant, (rule, now) => {
      const start = { hour: '2026-10-18T00', day: '2026-10-01', month: '2026-06' }[rule.every]
      const due = (at: Date) => dueWindows({ ...rule, start }, new Set(), at)
      const next = nextDueAt(rule, now)

      expect(next.getTime()).toBeGreaterThan(now.getTime())
      expect(due(new Date(next.getTime() - 1))).toEqual(due(now))
      expect(due(next).length).toBe(due(now).length + 1)
      const all = due(next)
      const labels = all.map(({ label }) => label)
      expect(all).toEqual(all.slice(0, 1).flatMap((first) => windowsBetween(rule, first, all.at(-1) ?? first)))
      expect(new Set(labels).size).toBe(labels.length)
    }),
    { numRuns: 40 },
  )
})

describe('a pipeline that is to begin with the latest window', () => {
  const latest = (now: string, known: string[] = []) =>
    dueWindows(daily, new Set(known), new Date(now), 'latest').map(({ label }) => label)

  test('begins with the newest that is due, whatever its schedule starts with', () => {
    expect(latest('2027-01-01T12:00:00Z')).toEqual(['2026-12-31'])
    expect(latest('2026-03-01T12:00:00Z')).toEqual([])
  })

  test('goes on from the newest that was asked for, with those that were missed', () => {
    expect(latest('2026-04-03T12:00:00Z', ['2026-03-28', '2026-03-31'])).toEqual(['2026-04-01', '2026-04-02'])
    expect(latest('2026-04-03T12:00:00Z', ['2026-04-02'])).toEqual([])
  })
})

describe('however long ago a schedule starts', () => {
  const ancient = { every: 'hour', timeZone: 'UTC', start: '0001-01-01T00', delayMs: 0 } as const
  const now = new Date('2026-03-03T12:00:00Z')

  test('no more are due at once than the limit', () => {
    const begun = process.threadCpuUsage()

    expect(dueWindows(ancient, new Set(), now, 'start', 3).map(({ label }) => label)).toEqual([
      '0001-01-01T00+00:00',
      '0001-01-01T01+00:00',
      '0001-01-01T02+00:00',
    ])
    expect(dueWindows(ancient, new Set(['2026-03-03T09+00:00']), now, 'latest', 3)).toHaveLength(2)
    expect(dueWindows(ancient, new Set(), now, 'latest', 3)).toHaveLength(1)

    expect(process.threadCpuUsage(begun).user).toBeLessThan(1_000_000)
  })

  test('part by part the same windows are due as all at once', () => {
    const schedule = fc.record({
      every: fc.constantFrom('hour', 'day', 'month'),
      timeZone: fc.constantFrom('UTC', 'Europe/Berlin', 'America/Sao_Paulo'),
    })
    fc.assert(
      fc.property(
        schedule,
        fc.constantFrom('start', 'latest'),
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.nat({ max: 60 })),
        (rule, first, limit, asked) => {
          const start = { hour: '2026-10-24T12', day: '2026-10-01', month: '2022-06' }[rule.every]
          const daily = { ...rule, start, delayMs: 0 }
          const until = new Date('2026-10-26T12:00:00Z')
          const all = dueWindows(daily, new Set(), until)
          const known = new Set(asked.flatMap((index) => all[index]?.label ?? []))
          const whole = dueWindows(daily, known, until, first).map(({ label }) => label)

          const parts: string[] = []
          for (;;) {
            const part = dueWindows(daily, new Set([...known, ...parts]), until, first, limit)
            if (part.length === 0) break
            parts.push(...part.map(({ label }) => label))
          }

          expect(parts).toEqual(whole)
        },
      ),
      { numRuns: 60 },
    )
  })

  test('what one look leaves over the next ones ask for, in order, and a stop ends it', async () => {
    const clock = fixedClock('2027-03-01T00:00:00Z')
    await using timers = createMemoryTimers({ clock })
    const { asked, scheduler } = aSchedulerThatListens()
    const stopping = new AbortController()
    await using following = await followSchedule({
      ...schedule(clock),
      scheduler,
      timers,
      lookMs: 5,
      stopping: stopping.signal,
    })
    expect(asked).toHaveLength(100)

    await until('the year was caught up on', () => asked.length === 365)

    expect(asked.at(-1)).toBe('2027-02-28')
    expect([...asked].sort()).toEqual(asked)
    stopping.abort()
    expect(following).toBeDefined()
  })
})

test('no more are asked for while so many wait already, and more when they have run', async () => {
  const clock = fixedClock('2027-03-01T00:00:00Z')
  await using timers = createMemoryTimers({ clock })
  let waiting = 98
  const { asked, scheduler } = aSchedulerThatListens(() => waiting)
  await using following = await followSchedule({ ...schedule(clock), scheduler, timers, lookMs: 5 })
  expect(asked).toEqual(['2026-03-01', '2026-03-02'])

  waiting = 97
  await until('three more are asked for', () => asked.length >= 5)

  expect([...asked].sort()).toEqual(asked)
  expect(following).toBeDefined()
})

describe('following a schedule', () => {
  test('catches up at the start, then asks for each window when it is due', async () => {
    const clock = fixedClock('2026-03-03T12:00:00Z')
    await using timers = createMemoryTimers({ clock })
    const { asked, scheduler } = aSchedulerThatListens()
    await using following = await followSchedule({ ...schedule(clock), scheduler, timers })
    expect(asked).toEqual(['2026-03-01', '2026-03-02'])

    clock.advance(12 * HOUR - 1)
    await timers.fireDue()
    expect(asked).toEqual(['2026-03-01', '2026-03-02'])

    clock.advance(1)
    await timers.fireDue()
    expect(asked).toEqual(['2026-03-01', '2026-03-02', '2026-03-03'])

    clock.advance(24 * HOUR)
    await timers.fireDue()
    expect(asked.at(-1)).toBe('2026-03-04')
    expect(following).toBeDefined()
  })

  test('a pipeline that cannot be asked for does not hold up the others, and is asked for again soon', async () => {
    const clock = fixedClock('2026-03-02T00:00:00Z')
    await using timers = createMemoryTimers({ clock })
    const { asked, scheduler } = aSchedulerThatListens()
    let isDown = true
    const requestRuns: typeof scheduler.requestRuns = (pipeline, windows) => {
      if (pipeline.name === 'ill' && isDown) throw new Error('the database is away')
      return scheduler.requestRuns(pipeline, windows)
    }
    const pipelines = [aPipeline({ name: 'ill' }), aPipeline()]
    const log = recordingLog()
    await using following = await followSchedule({
      ...schedule(clock),
      scheduler: { ...scheduler, requestRuns },
      timers,
      pipelines,
      lookMs: 10,
      log,
    })
    expect(asked).toEqual(['2026-03-01'])

    isDown = false
    await until('it is asked for', () => asked.length === 2)

    expect(asked).toEqual(['2026-03-01', '2026-03-01'])
    expect(log.lines.map(({ level }) => level)).toContain('warn')
    expect(following).toBeDefined()
  })

  test('asks for a window whose timer was lost', async () => {
    const clock = fixedClock('2026-03-02T00:00:00Z')
    await using timers = createMemoryTimers({ clock })
    const { asked, scheduler } = aSchedulerThatListens()
    await using following = await followSchedule({ ...schedule(clock), scheduler, timers, lookMs: 10 })
    await timers.clear('schedule', 'shop')

    clock.advance(24 * HOUR + 10)
    await until('it is asked for', () => asked.includes('2026-03-02'))

    // And the timer is set anew.
    clock.advance(24 * HOUR - 10)
    await timers.fireDue()
    expect(asked).toEqual(['2026-03-01', '2026-03-02', '2026-03-03'])
    expect(following).toBeDefined()
  })

  test('a timer for a pipeline that is not there any more does nothing, and does not come again', async () => {
    const clock = fixedClock('2026-03-02T00:00:00Z')
    await using timers = createMemoryTimers({ clock })
    const { asked, scheduler } = aSchedulerThatListens()
    const log = recordingLog()
    await using following = await followSchedule({ ...schedule(clock), scheduler, timers, log })
    await timers.repeat('gone', aPipeline().schedule, { kind: 'schedule', pipeline: 'gone' })
    for (let day = 0; day < 2; day += 1) {
      clock.advance(24 * HOUR)
      await timers.fireDue()
    }

    expect(asked).toEqual(['2026-03-01', '2026-03-02', '2026-03-03'])
    expect(log.lines.filter(({ facts }) => facts['pipeline'] === 'gone')).toHaveLength(1)
    expect(following).toBeDefined()
  })
})

/** One daily pipeline, whose lost timers nobody looks for. */
function schedule(clock: Clock) {
  return { pipelines: [aPipeline()], first: 'start', lookMs: HOUR, clock, log: recordingLog() } as const
}

/** @param waiting how many runs it has that did not begin */
function aSchedulerThatListens(waiting = () => 0) {
  const asked: string[] = []
  const known = new Map<string, Set<string>>()
  return {
    asked,
    scheduler: {
      runs: async () => Array.from({ length: waiting() }, (_, index) => ({ id: `shop@${index}` })) as never[],
      windows: async (pipeline: string) => known.get(pipeline) ?? new Set<string>(),
      async requestRuns({ name }: { readonly name: string }, windows: readonly { readonly label: string }[]) {
        asked.push(...windows.map(({ label }) => label))
        known.set(name, new Set([...(known.get(name) ?? []), ...windows.map(({ label }) => label)]))
        return []
      },
    },
  }
}
