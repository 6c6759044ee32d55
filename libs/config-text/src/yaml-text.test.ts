import { expect, test } from 'vitest'
import { Problems } from './problem.ts'
import { readYaml } from './yaml-text.ts'

function problemsOf(text: string) {
  const problems = new Problems()
  const { value } = readYaml('pipeline.yaml', text, problems)
  return { value, messages: problems.sorted().map(({ message }) => message) }
}

const bomb = (line: (own: number) => string) =>
  ['a0: &a0 [x]', ...Array.from({ length: 30 }, (_, n) => line(n + 1))].join('\n')

test.each([
  ['lists in each other', `a: ${'['.repeat(100_000)}`],
  ['mappings in each other', `a: ${'{a: '.repeat(20_000)}${'}'.repeat(20_000)}`],
  ['blocks in each other', `${'- '.repeat(50_000)}a`],
])('%s without end are told, and no overflow', (_, text) => {
  const { value, messages } = problemsOf(text)

  expect(value).toBeUndefined()
  expect(messages).toContainEqual('YAML cannot be read: its values are nested too deep')
})

test.each([
  ['aliases of aliases', bomb((n) => `a${n}: &a${n} [*a${n - 1}, *a${n - 1}, *a${n - 1}]`)],
  ['an alias of what it stands in', 'a: &a [*a]'],
])('%s are told, and not written out', (_, text) => {
  const { value, messages } = problemsOf(text)

  expect(value).toBeUndefined()
  expect(messages).toEqual([expect.stringContaining('YAML cannot be read')])
})

test('a key that is there twice is told where it is again, however many there are', () => {
  const keys = Array.from({ length: 5000 }, (_, n) => `k${n}: { a: 1 }`)
  keys[4000] = 'k17: { b: 1, b: 2 }'
  const problems = new Problems()

  readYaml('pipeline.yaml', keys.join('\n'), problems)

  expect(problems.sorted().map(({ line, column, message }) => [line, column, message])).toEqual([
    [4001, 1, 'YAML cannot be read: Map keys must be unique'],
  ])
})
