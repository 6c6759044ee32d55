// @module-tag slow: starts programs
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'

const SCRIPT = join(import.meta.dirname, '..', '.ci', 'run')

let root: string
beforeEach(() => void (root = mkdtempSync(join(tmpdir(), 'cinelake-test-'))))
afterEach(() => rmSync(root, { recursive: true }))

/** Runs `.ci/run` in a tree of its own, where `pnpm test` and `pnpm check` are these shell lines. */
function runCi(commands: { readonly test: string; readonly check: string }) {
  const executable = (path: string, lines: string) => {
    mkdirSync(join(root, path, '..'), { recursive: true })
    writeFileSync(join(root, path), `#!/bin/sh\n${lines}\n`, { mode: 0o755 })
  }
  cpSync(SCRIPT, join(root, 'tree/.ci/run'))
  executable('bin/npx', `case "$3" in test) ${commands.test};; check) ${commands.check};; esac`)
  // Whatever the script looks for is there already and does nothing, so that nothing is installed or fetched.
  executable('bin/python3', 'if [ "$2" = venv ]; then mkdir -p "$3/bin" && cp "$0" "$3/bin/python"; fi')
  for (const name of ['java', 'dpkg-query', 'apt-get', 'kubectl']) executable(`bin/${name}`, 'true')
  // Nor are containers started.
  executable('bin/docker', 'exit 1')
  const { stdout, status } = spawnSync(join(root, 'tree/.ci/run'), {
    encoding: 'utf8',
    env: {
      ...process.env,
      PATH: `${join(root, 'bin')}:${process.env['PATH'] ?? ''}`,
      CINELAKE_CI_CACHE: join(root, 'cache'),
    },
  })
  return { lines: stdout.trimEnd().split('\n'), lastLine: stdout.trimEnd().split('\n').at(-1), status }
}

const summary = (text: string) => `echo '${text}'`

test.each([
  ['all is well', summary('12 passed, 0 failed, 3 skipped'), 'true', '12 passed, 0 failed, 4 skipped', 0],
  ['tests fail', `${summary('11 passed, 1 failed, 0 skipped')}; exit 1`, 'true', '11 passed, 1 failed, 1 skipped', 1],
  ['a check fails', summary('12 passed, 0 failed, 0 skipped'), 'exit 2', '12 passed, 1 failed, 1 skipped', 1],
  [
    'tests break off',
    `${summary('4 passed, 0 failed, 0 skipped')}; exit 137`,
    'true',
    '4 passed, 1 failed, 1 skipped',
    1,
  ],
  ['nothing was tested', 'true', 'true', '0 passed, 1 failed, 1 skipped', 1],
])('the last line and the exit code tell when %s', (_what, tests, check, lastLine, status) => {
  expect(runCi({ test: tests, check })).toMatchObject({ lastLine, status })
})

test('what failed is said again before the last line', () => {
  const failed = 'failed: libs/bus/src/memory/bus.test.ts > a message comes once: expected 1, got 2'
  const { lines } = runCi({
    test: `${summary(failed)}; ${summary('11 passed, 1 failed, 0 skipped')}; exit 1`,
    check: summary('checked'),
  })
  expect(lines.slice(-3)).toEqual(['checked', failed, '11 passed, 1 failed, 1 skipped'])
})
