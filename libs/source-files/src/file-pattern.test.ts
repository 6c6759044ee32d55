import { compilePattern, parseWindow } from '@cinelake/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { belongsTo, parseFilePattern } from './file-pattern.ts'
import { parseGlob, pathPattern } from './glob.ts'

/** What a glob without time parts takes, by trying everything. */
function isTaken(glob: string, name: string): boolean {
  const steps = glob.split('/')
  const folders = name.split('/')
  const follow = (at: number, from: number): boolean => {
    const step = steps[at]
    if (step === undefined) return from === folders.length
    const folder = folders[from]
    if (folder === undefined) return false
    const isVisible = folder !== '' && !folder.startsWith('.')
    const isLast = at === steps.length - 1
    if (step === '**' && isLast) return isVisible && (from === folders.length - 1 || follow(at, from + 1))
    if (step === '**') return follow(at + 1, from) || (isVisible && from < folders.length - 1 && follow(at, from + 1))
    return !(/^[*?[]/.test(step) && folder.startsWith('.')) && takes(step, folder) && follow(at + 1, from + 1)
  }
  return follow(0, 0)
}

function takes(step: string, folder: string): boolean {
  if (step === '') return folder === ''
  const [token = ''] = /^(?:\*|\[[^\]]+\]|\{[^}]+\}|.)/.exec(step) ?? []
  const rest = step.slice(token.length)
  const [first] = folder
  if (token === '*') return takes(rest, folder) || (first !== undefined && takes(step, folder.slice(1)))
  if (token.startsWith('{'))
    return ['a', 'b.'].some((text) => folder.startsWith(text) && takes(rest, folder.slice(text.length)))
  const isOne =
    token === '?' ||
    (token === '[ab]' ? 'ab'.includes(first ?? '-') : token === '[!a]' ? first !== 'a' : first === token)
  return first !== undefined && isOne && takes(rest, folder.slice(1))
}

const BERLIN = 'Europe/Berlin'
const day = (label: string) => parseWindow({ every: 'day', timeZone: BERLIN }, label)!
const isIn = (pattern: string, name: string, window = day('2026-03-01')) =>
  belongsTo(parseFilePattern(pattern).judge(name, BERLIN), window)

describe('a name and a pattern', () => {
  test.each([
    ['titles_{yyyy}{MM}{dd}.csv', 'titles_20260301.csv', true],
    ['titles_{yyyy}{MM}{dd}.csv', 'titles_20260302.csv', false],
    ['titles_{yyyy}{MM}{dd}*.csv', 'titles_20260301 (final) übersicht.csv', true],
    ['titles_{yyyy}{MM}{dd}.csv', 'xtitles_20260301.csv', false],
    ['titles_{yyyy}{MM}{dd}.csv', 'titles_20260301xcsv', false],
    ['{yyyy}/{MM}/{dd}/*.csv', '2026/03/01/a.csv', true],
    ['{yyyy}/{MM}/{dd}/*.csv', '2026/03/02/a.csv', false],
    ['{yyyy}-{MM}/x_{yyyy}{MM}{dd}.csv', '2026-03/x_20260301.csv', true],
    ['{dd}.{MM}.{yyyy}.csv', '01.03.2026.csv', true],
    ['**/t.csv', 't.csv', true],
    ['**/t.csv', 'a/b/t.csv', true],
    ['a/**', 'a/b/c.csv', true],
    ['**/t.csv', '.git/t.csv', false],
    ['*.csv', '.hidden.csv', false],
    ['*.csv', 'a/b.csv', false],
    ['[!.]*.csv', 'a.csv', true],
    ['t[0-9].csv', 't5.csv', true],
    ['t[!0-9].csv', 't5.csv', false],
    ['a[[]1].csv', 'a[1].csv', true],
    ['t?.csv', 't1.csv', true],
    ['t?.csv', 't😀.csv', true],
    ['t?.csv', 't12.csv', false],
    ['*.{csv,txt}', 'a.txt', true],
    ['*.{csv,txt}', 'a.tsv', false],
    ['a+b(c).csv', 'a+b(c).csv', true],
  ])('%s takes %s on 1 March: %s', (pattern, name, expected) => {
    expect(isIn(pattern, name)).toBe(expected)
  })

  test('a month or a year in the name belongs to the window in which it begins', () => {
    expect(isIn('t_{yyyy}{MM}.csv', 't_202603.csv')).toBe(true)
    expect(isIn('t_{yyyy}{MM}.csv', 't_202603.csv', day('2026-03-02'))).toBe(false)
    expect(isIn('t_{yyyy}.csv', 't_2026.csv', day('2026-01-01'))).toBe(true)
  })

  test('an hour belongs to its hour, and to its day in the time zone of the pipeline', () => {
    const fiveOClock = parseWindow({ every: 'hour', timeZone: BERLIN }, '2026-03-01T05')!

    expect(isIn('t_{yyyy}{MM}{dd}{HH}.csv', 't_2026030105.csv', fiveOClock)).toBe(true)
    expect(isIn('t_{yyyy}{MM}{dd}{HH}.csv', 't_2026030106.csv', fiveOClock)).toBe(false)
    // 23:30 UTC of the day before is 00:30 in Berlin: the name is in business time.
    expect(isIn('t_{yyyy}{MM}{dd}{HH}.csv', 't_2026030100.csv')).toBe(true)
    expect(isIn('t_{yyyy}{MM}{dd}{HH}.csv', 't_2026022823.csv')).toBe(false)
  })

  test.each([
    ['t_{yyyy}{MM}{dd}.csv', 't_20260230.csv', 'there is no day 2026-02-30'],
    ['t_{yyyy}{MM}{dd}{HH}.csv', 't_2026030125.csv', 'there is no hour 2026-03-01T25'],
    ['{yyyy}/t_{yyyy}{MM}{dd}.csv', '2025/t_20260301.csv', 'its name says 2025 and 2026 for {yyyy}'],
  ])('%s says of %s why it is no time', (pattern, name, problem) => {
    expect(parseFilePattern(pattern).judge(name, BERLIN)).toEqual({ kind: 'impossible', problem })
  })

  test.each([
    ['', 'got an empty text'],
    ['/a.csv', 'got an empty step'],
    ['a//b.csv', 'got an empty step'],
    ['../a.csv', 'got `..`'],
    ['t_{MM}{dd}.csv', 'a time from the year on'],
    ['t_{yyyy}{dd}.csv', 'a time from the year on'],
    ['t_{yyy}.csv', 'expected one of {yyyy}'],
    ['t_{yyyy.csv', 'expected `}` after `{`'],
    ['t[a.csv', 'expected `]` after `['],
    ['t[z-a].csv', 'ranges from low to high'],
  ])('the pattern %j is refused: %s', (pattern, problem) => {
    expect(() => parseFilePattern(pattern)).toThrow(problem)
  })

  test('any glob takes the names that a naive reading of it takes', () => {
    const letters = fc.constantFrom('a', 'b', '.', '/', '_')
    const tokens = fc.constantFrom('*', '?', 'a', 'b', '.', '/', '_', '[ab]', '[!a]', '{a,b.}', '**/')
    fc.assert(
      fc.property(fc.array(tokens, { maxLength: 7 }), fc.string({ unit: letters, maxLength: 8 }), (glob, name) => {
        const pattern = glob.join('')
        fc.pre(pattern.split('/').every((step) => !['', '.', '..'].includes(step)))
        expect(parseFilePattern(pattern).judge(name, 'UTC').kind === 'timeless').toBe(isTaken(pattern, name))
      }),
      { numRuns: 3000 },
    )
  })

  test('a pattern of many wildcards is compared with a long name in no more steps than both are long together', () => {
    const segments = parseGlob(`${'*a'.repeat(8)}b.csv`)
    const matcher = compilePattern(pathPattern(segments))
    const stepsFor = (length: number) => {
      let steps = 0
      matcher.match('a'.repeat(length), () => (steps += 1))
      return steps
    }

    expect(stepsFor(200)).toBeLessThan(200 * 60)
    expect(stepsFor(2000)).toBeLessThan(11 * stepsFor(200))
  })

  test('every day is in exactly one window, in every zone and over clock changes', () => {
    const zones = fc.constantFrom('Europe/Berlin', 'America/Sao_Paulo', 'Pacific/Apia', 'Asia/Kathmandu', 'UTC')
    fc.assert(
      fc.property(zones, fc.integer({ min: 0, max: 800 }), (timeZone, offset) => {
        const label = new Date(Date.UTC(2025, 0, 1) + offset * 86_400_000).toISOString().slice(0, 10)
        const verdict = parseFilePattern('t_{yyyy}{MM}{dd}.csv').judge(`t_${label.replaceAll('-', '')}.csv`, timeZone)
        const days = [-1, 0, 1].map((by) => new Date(Date.parse(label) + by * 86_400_000).toISOString().slice(0, 10))
        expect(days.map((other) => belongsTo(verdict, parseWindow({ every: 'day', timeZone }, other)!))).toEqual([
          false,
          true,
          false,
        ])
      }),
      { numRuns: 200 },
    )
  })
})

describe('names of a range of times', () => {
  const within = {
    start: Date.parse('2026-02-27T12:00:00Z'),
    end: Date.parse('2026-03-01T23:00:00Z'),
    timeZone: 'Europe/Berlin',
  }

  test.each([
    ['titles.csv', ['titles.csv']],
    ['{a,b}.{csv,txt}', ['a.csv', 'a.txt', 'b.csv', 'b.txt']],
    ['{yyyy}/{MM}/x_{dd}.csv', ['2026/02/x_27.csv', '2026/02/x_28.csv', '2026/03/x_01.csv']],
    ['{yyyy}-{MM}.csv', ['2026-02.csv', '2026-03.csv']],
    ['{yyyy}.csv', ['2026.csv']],
    ['*.csv', undefined],
  ])('%s are %j', (files, names) => {
    expect(parseFilePattern(files).namesWithin(within)).toEqual(names)
  })

  test('are those that the pattern takes', () => {
    const pattern = parseFilePattern('{yyyy}{MM}{dd}T{HH}.{csv,txt}')
    const names = pattern.namesWithin(within) ?? []

    expect(names).toHaveLength(2 * 59)
    expect(names.every((name) => pattern.takes(name))).toBe(true)
  })
})

test.each([
  ['a/b/*.csv', 'a/b/', ['a', 'a/b'], ['b', 'a/c', 'a/b/c']],
  ['*/{yyyy}/x.csv', '', ['a', 'a/2026'], ['.a', 'a/b', 'a/2026/c']],
  ['in/**/x.csv', 'in/', ['in', 'in/a', 'in/a/b/c'], ['on', 'in/.a']],
  ['**', '', ['a', 'a/b'], ['.a']],
])('%s has files in %s, on the way there %j and not %j', (files, prefix, opened, closed) => {
  const pattern = parseFilePattern(files)

  expect(pattern.prefix).toBe(prefix)
  expect(opened.filter((folder) => !pattern.opens(folder))).toEqual([])
  expect(closed.filter((folder) => pattern.opens(folder))).toEqual([])
})
