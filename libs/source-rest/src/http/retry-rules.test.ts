import { describe, expect, test } from 'vitest'
import { actionFor, backoffMs, retryAfterMs } from './retry-rules.ts'

describe('repeating a request', () => {
  const now = new Date('2026-03-02T03:00:00Z')
  test.each([
    ['3', 3000],
    [' 120 ', 120_000],
    ['Mon, 02 Mar 2026 03:00:10 GMT', 10_000],
    ['Monday, 02-Mar-26 03:00:10 GMT', 10_000],
    ['Mon, 02 Mar 2026 02:00:00 GMT', 0],
    ['-1', undefined],
    ['1.5', undefined],
    ['soon', undefined],
    ['', undefined],
    [null, undefined],
  ])('Retry-After: %s means %s ms', (header, waitMs) => {
    expect(retryAfterMs(header, now)).toBe(waitMs)
  })

  test('waits longer each time, spread over half of the span, up to half a minute', () => {
    expect([0, 1, 2, 3].map((retry) => backoffMs(retry, 0))).toEqual([250, 500, 1000, 2000])
    expect(backoffMs(0, 0.999)).toBe(500)
    expect(backoffMs(50, 0.999)).toBeLessThanOrEqual(30_000)
  })

  test('is for what may pass', () => {
    expect([408, 425, 429, 500, 502, 503, 504].map((status) => actionFor(status, {}))).toEqual(Array(7).fill('retry'))
    expect([200, 400, 401, 403, 404].map((status) => actionFor(status, {}))).toEqual([
      'accept',
      'fail',
      'refresh',
      'fail',
      'fail',
    ])
  })

  test('is for what the text says, the status before its group', () => {
    const actions = { 404: 'ignore', '4xx': 'retry', 503: 'fail' } as const
    expect([404, 409, 503, 500].map((status) => actionFor(status, actions))).toEqual([
      'ignore',
      'retry',
      'fail',
      'retry',
    ])
  })
})
