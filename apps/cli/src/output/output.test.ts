import { describe, expect, test } from 'vitest'
import { cut, formatResult, formatTable, wrapped } from './format-table.ts'
import { formatBytes, formatCell, formatDuration, toJson } from './format-value.ts'
import { describeTask } from './run-tables.ts'
import { type Paint, openTerminal } from './terminal.ts'
import widthOf from 'string-width'

test.each([
  [0, '0 ms'],
  [99.4, '99 ms'],
  [1234, '1.2 s'],
  [59_940, '59.9 s'],
  [59_960, '1 m 00 s'],
  [125_000, '2 m 05 s'],
  [3_720_000, '1 h 02 m'],
])('%d milliseconds are %s', (milliseconds, text) => {
  expect(formatDuration(milliseconds)).toBe(text)
})

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1200, '1.2 kB'],
  [999_600, '1.0 MB'],
  [123_400_000, '123 MB'],
])('%d bytes are %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text)
})

test.each([
  ['views', 1234567, '1,234,567'],
  ['views', 12345678901234567890n, '12,345,678,901,234,567,890'],
  ['title_id', 80012345, '80012345'],
  ['release_year', 2024, '2024'],
  ['score', 8.75, '8.75'],
  ['name', 'two\nlines\u0007', 'two lines�'],
  ['genres', ['drama', 'crime'], 'drama, crime'],
  ['thing', { a: 1 }, '{"a":1}'],
  ['anything', null, ''],
])('a cell of the column %s reads as people read it (%#)', (column, value, text) => {
  expect(formatCell(column, value)).toBe(text)
})

test('JSON for machines keeps whole numbers of any size', () => {
  expect(toJson({ small: 7n, large: 12345678901234567890n, bytes: new Uint8Array([255]) }, 0)).toBe(
    '{"small":7,"large":"12345678901234567890","bytes":"ff"}',
  )
})

test('a table is aligned by what a terminal shows, whatever the characters are', () => {
  const text = formatTable(
    [{ title: 'title' }, { title: 'votes', align: 'right' }],
    [
      ['Amélie', '1,204'],
      ['七人の侍', '7'],
      ['🎬 Film', undefined],
    ],
  )

  expect(text).toBe('title     votes\nAmélie    1,204\n七人の侍      7\n🎬 Film\n')
})

test('colours do not move the columns', () => {
  const screen = { write: () => true, isTTY: true }
  const { paint: coloured } = openTerminal(screen, screen, {})
  expect(coloured('red', 'x')).toBe('\u001B[31mx\u001B[39m')
  const table = (paint?: Paint) => formatTable([{ title: 'a' }, { title: 'b' }], [[paint?.('red', 'x') ?? 'x', 'y']])

  expect(widthOf(table(coloured).split('\n')[1] ?? '')).toBe(widthOf(table().split('\n')[1] ?? ''))
})

test('a wide cell is cut, between characters', () => {
  expect(cut('七人の侍', 5)).toBe('七人…')
  expect(formatTable([{ title: 'x', maxWidth: 4 }], [['abcdef']])).toBe('x\nabc…\n')
})

test('numbers of a result stand at the right, also those that come as text', () => {
  const text = formatResult({
    columns: ['name', 'score'],
    rows: [
      { name: 'a', score: '10.00' },
      { name: '7', score: null },
      { name: 'c', score: '9.50' },
    ],
  })

  expect(text).toBe('name  score\na     10.00\n7\nc      9.50\n')
})

describe('what a task came to', () => {
  const facts = { state: 'succeeded', error: null, reason: null }
  const balance = { unit: 'rows' as const, in: 2100, out: 2000, rejected: 99, duplicates: 1 }
  const even = { ...balance, in: 2000, rejected: 0, duplicates: 0 }
  const table = { kind: 'table' as const, table: 'titles', version: 3 }
  const loaded = { kind: 'loaded' as const, table: 'titles', version: 3 }
  const landed = { kind: 'landed' as const, manifest: 'm', sizeBytes: 1_200_000 }

  test.each([
    [
      { ...facts, balance, output: { ...table, outcome: 'committed' as const } },
      '2,000 rows, 99 rejected, 1 duplicate',
    ],
    [{ ...facts, balance: even, output: { ...table, outcome: 'unchanged' as const } }, 'unchanged'],
    [
      { ...facts, balance: { ...balance, out: 5 }, output: { ...table, outcome: 'committed' as const } },
      'the balance is broken: 2,100 in ≠ 5 out + 99 rejected + 1 duplicates',
    ],
    [{ ...facts, balance: even, output: { ...landed, fileCount: 3 } }, '3 files, 1.2 MB'],
    [{ ...facts, balance: even, output: { ...landed, fileCount: 1, rowCount: 1 } }, '1 row, 1.2 MB'],
    [{ ...facts, balance: even, output: { ...landed, fileCount: 0 } }, 'nothing new'],
    [
      { ...facts, balance: even, output: { ...loaded, outcome: 'changed' as const, sentRowCount: 51 } },
      '2,000 rows, 51 sent',
    ],
    [
      { ...facts, balance: even, output: { ...loaded, outcome: 'already-loaded' as const, sentRowCount: 0 } },
      '2,000 rows, already loaded',
    ],
    [
      { ...facts, state: 'skipped', reason: 'refine titles failed', balance: null, output: null },
      'refine titles failed',
    ],
    [
      {
        ...facts,
        state: 'failed',
        error: { code: 'X_Y', message: 'it broke [a=b]: expected c, got d; do e', retryable: false, context: {} },
        balance: null,
        output: null,
      },
      'X_Y: it broke',
    ],
  ])('%#', (task, text) => {
    expect(describeTask(task)).toBe(text)
  })
})

describe('colours', () => {
  const screen = { write: () => true, isTTY: true }
  const file = { write: () => true }
  test.each([
    ['on a screen', screen, screen, {}, true],
    ['not where NO_COLOR is set', screen, screen, { NO_COLOR: '1' }, false],
    ['not on a dumb terminal', screen, screen, { TERM: 'dumb' }, false],
    ['not where the result goes to a file', file, screen, {}, false],
    ['not where messages go to a file', screen, file, {}, false],
  ])('%s', (_, stdout, stderr, settings, coloured) => {
    expect(openTerminal(stdout, stderr, settings as Record<string, string>).paint('red', 'x') !== 'x').toBe(coloured)
  })
})

test('a table that is wider than the screen is wrapped between words, numbers and states stay whole', () => {
  const text = formatTable(
    [{ title: 'task' }, { title: 'rows', align: 'right' }, { title: 'what became of it' }],
    [['refine watch_history', '200,013', 'rows were read, some of them rejected']],
    { width: 40 },
  )

  expect(text).toBe(
    [
      'task               rows  what became of',
      '                         it',
      'refine          200,013  rows were read,',
      'watch_history            some of them',
      '                         rejected',
      '',
    ].join('\n'),
  )
  expect(Math.max(...text.split('\n').map((line) => widthOf(line)))).toBeLessThanOrEqual(40)
})

test('where columns cannot be wrapped, and where it is asked for, each value has a line', () => {
  const columns = [
    { title: 'id', align: 'right' as const },
    { title: 'amount', align: 'right' as const },
  ]
  const lines = 'id      1\namount  1,000,000\n\nid      2\namount  7\n'
  const rows = [
    ['1', '1,000,000'],
    ['2', '7'],
  ]

  expect(formatTable(columns, rows, { width: 8 })).toBe(lines)
  expect(formatTable(columns, rows, { vertical: true })).toBe(lines)
  expect(formatTable(columns, rows)).toBe('id     amount\n 1  1,000,000\n 2          7\n')
})

test.each([
  ['a b c', 3, ['a b', 'c']],
  ['abcdef', 4, ['abcd', 'ef']],
  ['七人の侍', 4, ['七人', 'の侍']],
  ['', 4, ['']],
])('%j in lines of %i is %j', (text, width, lines) => {
  expect(wrapped(text, width)).toEqual(lines)
})
