import { describe, expect, test } from 'vitest'
import { checkTestExports, type PublicPackage } from './test-exports.ts'

const packageIn = (name: string): PublicPackage => ({
  name: `@cinelake/${name}`,
  folder: `libs/${name}`,
  tags: [],
  dependencies: [],
  devDependencies: [],
  exports: { '.': 'src/index.ts', './directory': 'src/directory.ts' },
})
const packages = [packageIn('lake'), packageIn('bus')]

const check = (files: Readonly<Record<string, string>>, known: readonly string[] = []) =>
  checkTestExports(
    packages,
    Object.entries(files).map(([path, text]) => ({ path, text })),
    known,
  )
const found = (files: Readonly<Record<string, string>>) => check(files).map(({ where }) => where)

const A = 'libs/lake/src/a.ts'
const TEST = 'libs/lake/src/a.test.ts'

describe('an export that only tests import', () => {
  test('is told with its place and who imports it', () => {
    expect(check({ [A]: '\nexport const a = 1\n', [TEST]: "import { a } from './a.ts'" })).toEqual([
      {
        where: 'libs/lake/src/a.ts:2',
        message:
          'exports a for libs/lake/src/a.test.ts alone; test what uses it, or say in its comment what it is for tests',
      },
    ])
  })

  test.each([
    'export function a() {}',
    'export async function a() {}',
    'export function* a() {}',
    'export class a {}',
    'export abstract class a {}',
    '/** An a. */\nexport const a = 1',
  ])('is found as %j', (text) => {
    expect(found({ [A]: text, [TEST]: "import { type T, a as other } from './a.ts'" })).toHaveLength(1)
  })

  test.each([
    [
      'through an index',
      { 'libs/lake/src/index.ts': "export { a } from './a.ts'" },
      "import { a } from '@cinelake/lake'",
    ],
    [
      'under another name',
      { 'libs/lake/src/index.ts': "export { a as b } from './a.ts'" },
      "import { b } from '@cinelake/lake'",
    ],
    [
      'through a subpath',
      { 'libs/lake/src/directory.ts': "export * from './a.ts'" },
      "import { a } from '@cinelake/lake/directory'",
    ],
  ])('of another package is told %s', (_, files, text) => {
    expect(found({ [A]: 'export const a = 1', ...files, 'libs/bus/src/b.test.ts': text })).toEqual([`${A}:1`])
    expect(found({ [A]: 'export const a = 1', ...files, 'libs/bus/src/b.ts': text })).toEqual([])
  })

  test.each([
    ['another file', "import { a } from './a.ts'"],
    ['another file, with others', "import x, { b, a } from './a.ts'"],
    ['another file, all of it', "import * as all from './a.ts'"],
    ['another file while it runs', "const { a } = await import('./a.ts')"],
  ])('is none when %s needs it', (_, text) => {
    expect(
      found({ [A]: 'export const a = 1', [TEST]: "import { a } from './a.ts'", 'libs/lake/src/b.ts': text }),
    ).toEqual([])
  })

  test('is none when it says why', () => {
    const text = '/** The next number. Exported for tests of its order. */\nexport const a = 1'

    expect(found({ [A]: text, [TEST]: "import { a } from './a.ts'" })).toEqual([])
  })

  test('is no affair of what is for tests itself, nor one that nobody imports: knip finds that', () => {
    const fixture = 'libs/lake/src/a.fixture.ts'

    expect(found({ [fixture]: 'export const a = 1', [TEST]: "import { a } from './a.fixture.ts'" })).toEqual([])
    expect(found({ [A]: 'export const a = 1' })).toEqual([])
  })

  test('may be known, until it is gone', () => {
    const files = { [A]: 'export const a = 1', [TEST]: "import { a } from './a.ts'" }

    expect(check(files, ['a'])).toEqual([])
    expect(check({}, ['a'])).toEqual([{ where: 'tools/test-exports.ts', message: expect.stringContaining('a is not') }])
  })
})
