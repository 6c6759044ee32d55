import { expect, test } from 'vitest'
import { RowBatches, rowDigest } from './row-batches.ts'
import { wallTime } from './sql-server/select.ts'

/** A driver that keeps sending until it is told to wait. */
function aDriver(rowCount: number, width: (row: number) => number) {
  let sent = 0
  const state = { isPaused: false }
  let most = 0
  let held = 0
  const send = () => {
    while (!state.isPaused && sent < rowCount) {
      const text = 'x'.repeat(width(sent))
      sent += 1
      held += text.length
      most = Math.max(most, held)
      rows.push([text])
    }
    if (sent === rowCount) rows.end()
  }
  const rows = new RowBatches({
    pause: () => void (state.isPaused = true),
    resume() {
      state.isPaused = false
      queueMicrotask(send)
    },
    abandon() {},
    timeoutMs: 60_000,
  })
  queueMicrotask(send)
  return { rows, taken: (characters: number) => void (held -= characters), most: () => most }
}

test('what is held is bounded by size, also when rows become a hundred thousand times wider', async () => {
  const driver = aDriver(20_300, (row) => (row < 20_000 ? 10 : 1_000_000))
  let count = 0

  for await (const batch of driver.rows.batches()) {
    count += batch.length
    driver.taken(batch.reduce((sum, [text]) => sum + (text?.length ?? 0), 0))
  }

  expect(count).toBe(20_300)
  expect(driver.most()).toBeLessThan(3_000_000)
})

test('a driver that fails is heard, and a reader that leaves ends the connection', async () => {
  let isEnded = false
  const flow = { pause() {}, resume() {}, abandon: () => void (isEnded = true), timeoutMs: 60_000 }
  const failing = new RowBatches(flow)
  failing.end(new Error('lost'))
  await expect(failing.batches().next()).rejects.toThrow('lost')
  expect(isEnded).toBe(false)

  const left = new RowBatches(flow)
  left.push(['x'.repeat(1_000_000)])
  for await (const batch of left.batches()) {
    expect(batch).toHaveLength(1)
    break
  }
  expect(isEnded).toBe(true)
})

test('a digest tells values apart that differ in where one ends, in NULL, and in half a character', () => {
  const rows = [
    ['ab', 'c'],
    ['a', 'bc'],
    ['a', null],
    ['a', '~'],
    ['a', ''],
    ['\uD800', ''],
    ['\uFFFD', ''],
  ]

  expect(new Set(rows.map((row) => rowDigest(row, 'utf16le'))).size).toBe(rows.length)
})

test.each([
  ['2026-03-01T23:00:00Z', 'Europe/Berlin', '2026-03-02T00:00:00'],
  ['2026-03-29T01:00:00Z', 'Europe/Berlin', '2026-03-29T03:00:00'],
  ['2026-03-01T00:00:00Z', 'America/St_Johns', '2026-02-28T20:30:00'],
])('%s is %s in the clocks of its zone', (instant, zone, expected) => {
  expect(wallTime(instant, zone)).toBe(expected)
})
