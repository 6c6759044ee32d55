import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '..')
const paths = globSync('{apps,libs}/*/src/**/*.ts', {
  cwd: ROOT,
  exclude: ['**/node_modules/**', '**/*.test.ts', '**/*.fixture.ts', 'libs/testkit/**'],
}).toSorted()

/** Codes as classes and tables define them. */
const codes = paths.flatMap((path) =>
  [
    ...readFileSync(join(ROOT, path), 'utf8').matchAll(
      /(?:^ +([A-Z][A-Z0-9_]*): (?:terminal|transient)\(|readonly code(?:: string)? = '([A-Z0-9_]+)')/gm,
    ),
  ].map(([, row, ofClass]) => ({ path, code: row ?? ofClass ?? '' })),
)

test('a code stands for one error, wherever it is raised', () => {
  const places = Map.groupBy(codes, ({ code }) => code)

  expect(codes.length).toBeGreaterThan(150)
  expect([...places.values()].filter((found) => found.length > 1)).toEqual([])
})

test('codes say the area and the reason', () => {
  expect(codes.filter(({ code }) => !/^[A-Z]+(?:_[A-Z0-9]+)+$/.test(code))).toEqual([])
})
