import type { CheckedPipeline } from '@cinelake/pipeline'
import { expect, test } from 'vitest'
import { chosenWindows } from './windows.ts'

const pipeline: CheckedPipeline = {
  format: 1,
  name: 'shop',
  schedule: { every: 'day', timeZone: 'Europe/Berlin', start: '2026-03-01', delayMs: 0 },
  retry: { maxAttempts: 1, backoffMs: 0, maxBackoffMs: 0 },
  sources: [],
  datasets: [],
  models: [],
  serve: [],
}
/** 2026-03-30 01:30 in Berlin: the day before was 23 hours long. */
const now = new Date('2026-03-29T23:30:00Z')
const labels = (choice: Parameters<typeof chosenWindows>[1]) => chosenWindows(pipeline, choice, now).map((w) => w.label)

test('without options it is the last complete window in the pipeline’s time zone', () => {
  expect(labels({})).toEqual(['2026-03-29'])
})

test('one window is that window', () => {
  expect(chosenWindows(pipeline, { window: '2026-03-29' }, now)).toEqual([
    { start: '2026-03-28T23:00:00Z', end: '2026-03-29T22:00:00Z', label: '2026-03-29' },
  ])
})

test('from and to are both run; without an end they go on to the last complete window', () => {
  expect(labels({ from: '2026-03-27', to: '2026-03-28' })).toEqual(['2026-03-27', '2026-03-28'])
  expect(labels({ from: '2026-03-27' })).toEqual(['2026-03-27', '2026-03-28', '2026-03-29'])
})

test.each([
  [{ window: 'yesterday' }, /--window is yesterday: expected a day .* written as 2026-03-01/],
  [{ window: '2026-02-30' }, /--window is 2026-02-30/],
  [{ window: '2026-03-01', from: '2026-03-01' }, /one or the other/],
  [{ to: '2026-03-01' }, /--to was given without --from/],
  [{ from: '2026-03-05', to: '2026-03-01' }, /--from 2026-03-05 is after --to 2026-03-01/],
  [{ from: 'x', to: 'y' }, /--from is x[\s\S]*--to is y/],
])('%j is refused with what would be right', (choice, message) => {
  expect(() => chosenWindows(pipeline, choice, now)).toThrow(message)
})
