import { parseWindow, type Window } from '@cinelake/core'
import type { TargetDataset, Schedule } from '@cinelake/source-kind'
import { expect, test } from 'vitest'
import { sinceOf } from './plan-reading.ts'

const schedule: Schedule = { every: 'day', timeZone: 'Europe/Berlin', start: '2026-03-01', delayMs: 0 }
const day = (label: string): Window => {
  const window = parseWindow(schedule, label)
  if (window === undefined) throw new Error(`no window ${label}`)
  return window
}

test.each<[string, TargetDataset['mode'], string, string | null, string | null]>([
  [
    'merged rows go on where the last window ended',
    'merge',
    '2026-03-04',
    '2026-03-01T23:00:00Z',
    '2026-03-01T23:00:00Z',
  ],
  [
    'appended rows are those of the window, though earlier windows failed',
    'append',
    '2026-03-04',
    '2026-03-01T23:00:00Z',
    day('2026-03-04').start,
  ],
  [
    'appended rows of a window that is done before any other are its own',
    'append',
    '2026-03-04',
    null,
    day('2026-03-04').start,
  ],
  ['appended rows of the first window are all before its end', 'append', '2026-03-01', null, null],
])('%s', (_, mode, label, since, expected) => {
  expect(
    sinceOf({ schedule, datasets: [aDataset(mode)] }, { source: 'shop', dataset: 'sales', since, window: day(label) }),
  ).toBe(expected)
})

function aDataset(mode: TargetDataset['mode']): TargetDataset {
  return { source: 'shop', sourceDataset: 'sales', mode, contract: { columns: [] } }
}
