import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { asksForWindow, bindWindow, unboundOffset, unknownPlaceholders } from './bind-window.ts'
import { scanSql } from './sql/parse.ts'

const window = { start: '2026-02-28T23:00:00Z', end: '2026-03-01T23:00:00Z' }
const START = "TIMESTAMPTZ '2026-02-28T23:00:00Z'"
const END = "TIMESTAMPTZ '2026-03-01T23:00:00Z'"

describe('binding the window', () => {
  test.each([
    ['a >= :window_start AND a < :window_end', `a >= ${START} AND a < ${END}`],
    ['a>=:window_start', `a>=${START}`],
    ['(:window_end)', `(${END})`],
    [':window_start::DATE', `${START}::DATE`],
    ['a::window_start', 'a::window_start'],
    ["':window_start'", "':window_start'"],
    ["'it''s :window_start'", "'it''s :window_start'"],
    [String.raw`e'\' :window_start'`, String.raw`e'\' :window_start'`],
    ['":window_start"', '":window_start"'],
    ['"a"":window_start"', '"a"":window_start"'],
    ['$$ :window_start $$', '$$ :window_start $$'],
    ['$x$ $$ :window_start $x$ || :window_end', `$x$ $$ :window_start $x$ || ${END}`],
    ['-- :window_start\n:window_end', `-- :window_start\n${END}`],
    ['/* :window_start */ :window_end', `/* :window_start */ ${END}`],
    ['list[1:window_start]', 'list[1:window_start]'],
    ["{'k':window_start}", "{'k':window_start}"],
    [':window_starting', ':window_starting'],
    [':WINDOW_START', ':WINDOW_START'],
    ["date':window_start'", "date':window_start'"],
    ["'open :window_start", "'open :window_start"],
  ])('%s', (sql, bound) => {
    expect(bindWindow(sql, window)).toBe(bound)
  })

  test('a query asks for its window where a placeholder is code', () => {
    expect(asksForWindow('SELECT :window_end')).toBe(true)
    expect(asksForWindow("SELECT ':window_end' -- :window_start")).toBe(false)
  })

  test('other placeholders are found with their place', () => {
    expect(unknownPlaceholders('SELECT :window_start, :start')).toEqual([{ text: ':start', offset: 22 }])
  })

  test('a place behind a placeholder is found again in the text as written', () => {
    const sql = 'a > :window_start AND oops'

    expect(unboundOffset(sql, window, bindWindow(sql, window).indexOf('oops'))).toBe(sql.indexOf('oops'))
  })
})

describe('laws', () => {
  /** Text that is likely to open and close strings, names and comments. */
  const sqlLike = fc
    .array(
      fc.constantFrom(
        "'",
        '"',
        '--',
        '/*',
        '*/',
        '\n',
        ':',
        ':window_start',
        '$$',
        '::',
        'a',
        ' ',
        '(',
        'e',
        '\\',
        '[1',
        ']',
        '😀',
      ),
    )
    .map((parts) => parts.join(''))

  test('the pieces of a text are the text', () => {
    fc.assert(
      fc.property(sqlLike, (sql) => {
        expect([...scanSql(sql)].map(({ text }) => text).join('')).toBe(sql)
      }),
    )
  })

  test('a text without placeholders stays as it is', () => {
    const without = sqlLike.map((sql) => sql.replaceAll('window_start', 'x'))
    fc.assert(
      fc.property(without, (sql) => {
        expect(bindWindow(sql, window)).toBe(sql)
      }),
    )
  })

  test('binding twice is binding once', () => {
    fc.assert(
      fc.property(sqlLike, (sql) => {
        const bound = bindWindow(sql, window)
        expect(bindWindow(bound, window)).toBe(bound)
      }),
    )
  })
})
