import { describe, expect, test } from 'vitest'
import { fixedWidthsOf, isFilledUp } from './fixed-widths.ts'

const left = ['1   Anna   AB', '2   Bo     CD', '3   Carla  EF', '4   Dirk   GH']

describe('the widths of fields', () => {
  test.each([
    [
      'before values at the left, where those before are of many lengths',
      ['1 Anna     x ', '2 Bo       yy', '3 Carlotta z ', '4 Dirk     x '],
      [2, 9, 2],
    ],
    ['in the middle of the blanks between values of one length', left, [3, 8, 2]],
    [
      'behind values of one length, where those after end at the same place',
      ['AB   1', 'CD  22', 'EF 333', 'GH   4'],
      [2, 4],
    ],
    ['those that a header has names for', ['id name    ', '1  Miss A  ', '2  Miss Bo ', '3  Miss Cy '], [3, 8]],
    ['counted in characters, not in parts of them', left.map((line) => line.replace('A', '😀')), [3, 8, 2]],
  ])('are %s', (_, lines, widths) => {
    const found = fixedWidthsOf(lines)

    expect(found?.reduce((sum, width) => sum + width, 0)).toBe(Array.from(lines[0] ?? '').length)
    expect(found).toEqual(widths)
  })

  test.each([
    ['lines of other lengths', [...left, '5   Eve']],
    ['too few lines', left.slice(0, 3)],
    ['no blanks that all lines have', ['abcd', 'ef g', 'h jk', ' lmn']],
    ['values of one length, which nothing fills up', left.map((_, index) => `2026-03-0${index} 10:00:00`)],
    ['a delimiter in each line', left.map((line) => `${line};1`)],
    ['nothing at all', []],
  ])('are not told of %s', (_, lines) => {
    expect(fixedWidthsOf(lines)).toBeUndefined()
  })
})

test('lines that are filled up with blanks are told from prose', () => {
  expect(isFilledUp(left)).toBe(true)
  expect(isFilledUp(left.map(() => 'a line of words'))).toBe(false)
})
