// @module-tag slow: starts programs
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { temporaryDirectory } from '@cinelake/testkit'
import { expect, test } from 'vitest'

/** Runs a script that ends itself with code 7. */
async function ended(before: string): Promise<unknown[]> {
  const script = `
    import { open } from 'node:fs/promises'
    import { endProcess } from ${JSON.stringify(join(import.meta.dirname, 'stop-signals.ts'))}
    ${before}
    setImmediate(() => endProcess(7))`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' })
  return await once(child, 'close')
}

test('a process ends with the code that it is to end with', async () => {
  expect(await ended('')).toEqual([7, null])
})

test('a process that waits for a file that is never opened ends all the same', async () => {
  await using directory = await temporaryDirectory()
  const pipe = join(directory.path, 'pipe')
  execFileSync('mkfifo', [pipe])

  expect(await ended(`void open(${JSON.stringify(pipe)}, 'r')`)).toEqual([null, 'SIGKILL'])
})
