import { describe, expect, test } from 'vitest'
import { IngestFilesEnv } from '../config.ts'
import { readOperatingHours } from './work-in-hours.ts'

const includes = (text: string, instant: string, timeZone = 'Europe/Berlin') => {
  const hours = readOperatingHours(text, timeZone)
  if ('problem' in hours) throw new Error(hours.problem)
  return hours.includes(new Date(instant))
}

describe('hours of the day', () => {
  test.each([
    ['22:00-06:00', '2026-03-01T20:59:59Z', false],
    ['22:00-06:00', '2026-03-01T21:00:00Z', true],
    ['22:00-06:00', '2026-03-01T23:30:00Z', true],
    ['22:00-06:00', '2026-03-02T04:59:59Z', true],
    ['22:00-06:00', '2026-03-02T05:00:00Z', false],
    ['12:00-13:00, 18:00-24:00', '2026-03-01T11:30:00Z', true],
    ['12:00-13:00, 18:00-24:00', '2026-03-01T22:59:00Z', true],
    ['12:00-13:00, 18:00-24:00', '2026-03-01T23:00:00Z', false],
    // In summer the wall shows an hour more.
    ['22:00-06:00', '2026-07-01T20:00:00Z', true],
    // The clock is put back at 03:00: an hour that comes twice is within both times.
    ['02:00-03:00', '2026-10-25T00:30:00Z', true],
    ['02:00-03:00', '2026-10-25T01:30:00Z', true],
    ['02:00-03:00', '2026-10-25T02:30:00Z', false],
  ])('%s at %s in Berlin: %s', (text, instant, expected) => {
    expect(includes(text, instant)).toBe(expected)
  })

  test.each(['', '22:00', '22:00-22:00', '25:00-06:00', '22-6', '22:00-06:00-07:00', '24:00-06:00'])(
    '%j means nothing, and is told with the settings',
    (text) => {
      expect(readOperatingHours(text, 'UTC')).toHaveProperty('problem')
      expect(IngestFilesEnv.safeParse({ CINELAKE_AGENT_HOURS: text }).error?.issues).toMatchObject([
        { path: ['CINELAKE_AGENT_HOURS'], message: expect.stringContaining('22:00-06:00') },
      ])
    },
  )

  test('a zone that there is not is told', () => {
    expect(readOperatingHours('22:00-06:00', 'Europe/Nowhere')).toMatchObject({
      problem: expect.stringContaining('time zone'),
    })
  })
})

test('a line that is too slow for the lake is refused', () => {
  expect(IngestFilesEnv.safeParse({ CINELAKE_AGENT_MIB_PER_SECOND: '0.1' }).success).toBe(false)
  expect(IngestFilesEnv.parse({ CINELAKE_AGENT_MIB_PER_SECOND: '2.5' }).bytesPerSecond).toBe(2.5 * 1024 * 1024)
})
