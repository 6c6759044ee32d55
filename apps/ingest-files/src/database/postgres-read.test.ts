import { describe, expect, test } from 'vitest'
import { nextRowCount } from './postgres-read.ts'

const MIB = 1024 * 1024
const rowsOf = (rowCount: number, characters: number) =>
  Array.from({ length: rowCount }, () => ['x'.repeat(characters), null])

describe('how many rows to ask for next', () => {
  test.each([
    ['narrow rows: more, step by step', 64, rowsOf(64, 10), 512],
    ['narrow rows: never more than a few thousand', 10_000, rowsOf(10_000, 1), 10_000],
    ['rows of 100 KiB: about 4 MiB of them', 64, rowsOf(64, 102_400), 40],
    ['rows larger than a batch: one at a time', 64, rowsOf(2, 5 * MIB), 1],
    ['rows of nothing: more', 64, rowsOf(64, 0), 512],
  ])('%s', (_, asked, rows, next) => {
    expect(nextRowCount(asked, rows)).toBe(next)
  })
})
