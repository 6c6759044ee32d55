import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { lockDirectory } from './directory-lock.ts'

class InUse extends Error {}
const lock = async (directory: string) =>
  await lockDirectory(directory, ({ holder, lockFile: file }) => new InUse(`${holder}: delete ${file}`))

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'cinelake-lock-'))
})
afterEach(async () => {
  await rm(directory, { recursive: true, force: true })
})

const target = () => path.join(directory, 'taken')
const lockFile = () => `${target()}.lock`

test('a second holder is refused with the name of the first, until that one is done', async () => {
  const first = await lock(target())

  await expect(lock(target())).rejects.toThrow(`process ${process.pid} on ${hostname()}`)

  await first[Symbol.asyncDispose]()
  await using _second = await lock(target())
})

test('nothing is left when the lock is given back', async () => {
  await (await lock(target()))[Symbol.asyncDispose]()

  expect(await readdir(directory)).toEqual([])
})

test('the lock of a process that is gone is taken over', async () => {
  const gone = spawn(process.execPath, ['-e', ''])
  await once(gone, 'exit')
  await writeFile(lockFile(), JSON.stringify({ host: hostname(), pid: gone.pid, began: null, since: '', program: '' }))

  await using _lock = await lock(target())

  expect(JSON.parse(await readFile(lockFile(), 'utf8'))).toMatchObject({ pid: process.pid })
})

test.skipIf(process.platform !== 'linux')(
  'a later process with the number of the holder does not count as the holder',
  async () => {
    await writeFile(
      lockFile(),
      JSON.stringify({ host: hostname(), pid: process.pid, began: 'boot/1', since: '', program: '' }),
    )

    await using _lock = await lock(target())

    expect(JSON.parse(await readFile(lockFile(), 'utf8'))).not.toMatchObject({ began: 'boot/1' })
  },
)

test.each([
  [
    'the lock of a process on another machine',
    { host: 'elsewhere', pid: 1, began: null, since: '', program: 'x' },
    /process 1 on elsewhere/,
  ],
  ['a lock file that does not parse', 'nonsense', /unreadable lock file/],
])('%s is respected, and the message says which file to delete', async (_, content, message) => {
  await writeFile(lockFile(), JSON.stringify(content))

  await expect(lock(target())).rejects.toThrow(message)
  await expect(lock(target())).rejects.toThrow(`delete ${lockFile()}`)
})

test('of many that come at once, after a holder was killed, exactly one gets it', async () => {
  await writeFile(
    lockFile(),
    JSON.stringify({ host: hostname(), pid: 2 ** 22 + 1, began: null, since: '', program: '' }),
  )

  const results = await Promise.allSettled(Array.from({ length: 20 }, async () => await lock(target())))

  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  expect(await readdir(directory)).toEqual(['taken.lock'])
})
