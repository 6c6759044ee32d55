import { expect, test } from 'vitest'
import { findRefusedWords } from './words.ts'

const REFUSED = [
  { word: 'anew', say: 'again' },
  { word: 'goes on', say: 'continues' },
]
const placesIn = (path: string, text: string) => findRefusedWords(path, text, REFUSED).map(({ where }) => where)

test('refused words are found in comments, texts and templates, with the line', () => {
  const source = [
    '// Reads it anew.',
    'const name = `the run ${id}',
    ' goes on`',
    '/**',
    ' * The run goes',
    ' * on.',
    ' */',
    "log('begin Anew')",
  ].join('\n')

  expect(placesIn('a.ts', source)).toEqual(['a.ts:1', 'a.ts:3', 'a.ts:5', 'a.ts:8'])
})

test('names, and words that only contain a refused one, are not', () => {
  expect(placesIn('a.ts', "const anew = 'anew'\n// The window renewed: a-new, anewish.\n")).toEqual([])
})

test('of a page all but code is looked at', () => {
  const page = ['It goes on.', '```', 'it goes on', '```', 'Say `anew` in code, and not anew in prose.'].join('\n')

  expect(placesIn('docs/a.md', page)).toEqual(['docs/a.md:1', 'docs/a.md:5'])
})

test('what to say instead is told', () => {
  expect(findRefusedWords('a.md', 'anew', REFUSED)).toEqual([
    { where: 'a.md:1', message: '`anew` is refused: say again' },
  ])
})
