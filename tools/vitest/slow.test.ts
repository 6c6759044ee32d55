import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { isSlow, slowFiles, TEST_FILES } from './slow.ts'

const ROOT = join(import.meta.dirname, '..', '..')

test.each([
  ['libs/a/src/a.test.ts', "import { test } from 'vitest'\n", false],
  ['libs/a/src/a.test.ts', "// @module-tag slow: kills processes\nimport { test } from 'vitest'\n", true],
  ['libs/a/src/a.test.ts', "import { test } from 'vitest'\n/* no // @module-tag slow */", false],
  ['libs/a/src/a.it.test.ts', "import { test } from 'vitest'\n", true],
])('%s with %j is slow: %s', (path, text, slow) => {
  expect(isSlow(path, text)).toBe(slow)
})

describe('the fast run', () => {
  const slow = new Set(slowFiles(ROOT))
  const fast = globSync(TEST_FILES, { cwd: ROOT }).filter((path) => !slow.has(path))

  /** What looks for a server or a container, or starts the platform as processes of their own. */
  const STARTS = /\bfind(?:Postgres|Redis|Mssql)\(|\/(?:demo-process|service-process|five-services)\.ts'/

  test('has no test file that starts a server, a container or the platform', () => {
    expect(fast.filter((path) => STARTS.test(readFileSync(join(ROOT, path), 'utf8')))).toEqual([])
  })

  test('has most test files', () => {
    expect(fast.length).toBeGreaterThan(2 * slow.size)
  })
})
