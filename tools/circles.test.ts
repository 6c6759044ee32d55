import { describe, expect, test } from 'vitest'
import type { Package, Source } from './boundaries.ts'
import { checkCircles } from './circles.ts'

const packageIn = (folder: string): Package => ({
  name: folder,
  folder,
  tags: [],
  dependencies: [],
  devDependencies: [],
})
const packages = [packageIn('libs/lake'), packageIn('libs/bus')]

/** Files of libs/lake/src, and the modules that each of them imports. */
function circlesOf(files: Readonly<Record<string, readonly string[]>>, known: readonly string[] = []) {
  const sources = Object.entries(files).map(([name, modules]): Source => {
    return { path: `libs/lake/src/${name}`, text: modules.map((module) => `import { x } from '${module}'\n`).join('') }
  })
  return checkCircles(packages, sources, known)
}

test('files that import downwards only are in no circle', () => {
  const files = {
    'a.ts': ['./b.ts', './adls/c.ts'],
    'b.ts': ['./adls/c.ts', 'node:fs'],
    'adls/c.ts': ['@cinelake/lake'],
  }

  expect(circlesOf(files)).toEqual([])
})

describe('a circle', () => {
  test('names its files, and the import that closes it', () => {
    const files = { 'a.ts': ['./adls/b.ts'], 'adls/b.ts': ['node:fs', './c.ts'], 'adls/c.ts': ['../a.ts'] }

    expect(circlesOf(files)).toEqual([
      {
        where: 'libs/lake/src/adls/c.ts:1',
        message:
          'imports libs/lake/src/a.ts, which closes a circle of files: src/a.ts → src/adls/b.ts → src/adls/c.ts → src/a.ts; ' +
          'move what both ends need into one of them, or into a file below both',
      },
    ])
  })

  test.each([
    ['a type alone', "import type { B } from './b.ts'"],
    ['a type among others', "import { type B } from './b.ts'"],
    ['an export', "export { b } from './b.ts'"],
    ['an import while it runs', "const { b } = await import('./b.ts')"],
    ['several lines', "import {\n  b,\n} from './b.ts'"],
  ])('is one by %s', (_, text) => {
    const sources = [
      { path: 'libs/bus/src/a.ts', text },
      { path: 'libs/bus/src/b.ts', text: "import { a } from './a.ts'" },
    ]

    expect(checkCircles(packages, sources, [])).toHaveLength(1)
  })

  test('of a file with itself is one', () => {
    expect(circlesOf({ 'a.ts': ['./a.ts'] })).toMatchObject([{ where: 'libs/lake/src/a.ts:1' }])
  })

  test('is told once, however many others share its files', () => {
    const files = { 'a.ts': ['./b.ts', './c.ts'], 'b.ts': ['./a.ts', './c.ts'], 'c.ts': ['./a.ts'] }

    expect(circlesOf(files).map(({ where }) => where)).toEqual(['libs/lake/src/b.ts:1', 'libs/lake/src/c.ts:1'])
  })

  test('is of one package: others are held apart by their own rule', () => {
    const sources = [
      { path: 'libs/bus/src/a.ts', text: "import { b } from '../../lake/src/b.ts'" },
      { path: 'libs/lake/src/b.ts', text: "import { a } from '../../bus/src/a.ts'" },
    ]

    expect(checkCircles(packages, sources, [])).toEqual([])
  })
})

describe('a circle that is known', () => {
  const files = { 'a.ts': ['./b.ts'], 'b.ts': ['./a.ts'] }

  test('is none as long as it is there', () => {
    expect(circlesOf(files, ['b.ts → a.ts'])).toEqual([])
  })

  test('is to be struck off the list when it is gone', () => {
    expect(circlesOf({}, ['b.ts → a.ts'])).toEqual([
      { where: 'tools/circles.ts', message: expect.stringContaining('b.ts → a.ts') },
    ])
  })
})
