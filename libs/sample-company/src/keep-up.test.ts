import { fixedClock, recordingLog, until } from '@cinelake/testkit'
import { expect, test } from 'vitest'
import { lastDueDay, lastEndedDay, untilDayEnds } from './company-days.ts'
import { keepUp } from './keep-up.ts'

const DAY_MS = 86_400_000

test.each([
  // The company is in Berlin: UTC+1 in winter, UTC+2 in summer.
  ['2026-03-02T22:59:59Z', '2026-03-01', '2026-03-01'],
  ['2026-03-02T23:00:00Z', '2026-03-02', '2026-03-01'],
  ['2026-03-03T02:00:00Z', '2026-03-02', '2026-03-02'],
  ['2026-07-01T21:59:59Z', '2026-06-30', '2026-06-30'],
  ['2026-07-01T22:00:00Z', '2026-07-01', '2026-06-30'],
])('at %s the last day that has ended is %s, and the last one that is due %s', (now, ended, due) => {
  expect([lastEndedDay(new Date(now)), lastDueDay(new Date(now))]).toEqual([ended, due])
})

test('the day on which the clocks go forward ends after 23 hours', () => {
  expect(untilDayEnds(new Date('2026-03-28T23:00:00Z'))).toBe(23 * 3_600_000)
})

test('the company lives each day when it has ended', async () => {
  const clock = fixedClock('2026-03-02T22:59:59.980Z')
  const lived: string[] = []
  const company = { advanceTo: async (date: string) => void lived.push(date) }

  await using _living = await keepUp({ company, clock, log: recordingLog() })
  expect(lived).toEqual(['2026-03-01'])
  clock.advance(DAY_MS)
  await until('the day that has ended meanwhile is lived', () => lived.length === 2)
  clock.advance(20)
  await until('the next one as well', () => lived.length === 3)

  expect(lived).toEqual(['2026-03-01', '2026-03-02', '2026-03-03'])
})

test('a day that cannot be lived is told, and the company stays open', async () => {
  const clock = fixedClock('2026-03-02T22:59:59.980Z')
  const log = recordingLog()
  const company = {
    async advanceTo(date: string) {
      if (date !== '2026-03-01') throw new Error('the disk is full')
    },
  }

  await using _living = await keepUp({ company, clock, log })
  clock.advance(20)
  await until('the failure is in the log', () => log.lines.some(({ level }) => level === 'warn'))

  expect(log.lines.at(-1)?.message).toBe('a day could not be lived; it is tried again')
})
