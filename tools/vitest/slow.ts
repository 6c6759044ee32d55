import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Where tests are, from the root of the repository. */
export const TEST_FILES = [
  'apps/*/src/**/*.test.ts',
  'libs/*/src/**/*.test.ts',
  'test/**/*.test.ts',
  'tools/**/*.test.ts',
]

/** What a test file says of itself that is no part of the fast run. Vitest knows it as a tag of all its tests. */
const MARK = /^\/\/ @module-tag slow\b/m

/**
 * Whether a test file is left out of the fast run: it needs a server or a container (`*.it.test.ts`), or says
 * `// @module-tag slow` and why.
 */
export function isSlow(path: string, text: string): boolean {
  return path.endsWith('.it.test.ts') || MARK.test(text)
}

/** The test files that are left out of the fast run. */
export function slowFiles(root: string): string[] {
  return globSync(TEST_FILES, { cwd: root })
    .filter((path) => isSlow(path, readFileSync(join(root, path), 'utf8')))
    .toSorted()
}
