import { existsSync } from 'node:fs'
import { mkdtempDisposable, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeDirectory } from './make-directory.ts'

const someDirectory = () => mkdtempDisposable(join(tmpdir(), 'cinelake-make-directory-'))

test('all that are missing are made, and what is there stays', async () => {
  await using directory = await someDirectory()
  const target = join(directory.path, 'one', 'two', 'three')

  await makeDirectory(target)
  await writeFile(join(target, 'kept'), 'text')
  await makeDirectory(target)

  expect(existsSync(join(target, 'kept'))).toBe(true)
})

test('many at once make one directory', async () => {
  await using directory = await someDirectory()
  const target = join(directory.path, 'one', 'two')

  await Promise.all(Array.from({ length: 20 }, () => makeDirectory(target)))

  expect((await stat(target)).isDirectory()).toBe(true)
})

test('a file in the way is an error, above it as well', async () => {
  await using directory = await someDirectory()
  const file = join(directory.path, 'file')
  await writeFile(file, '')

  await expect(makeDirectory(file)).rejects.toMatchObject({ code: 'EEXIST' })
  await expect(makeDirectory(join(file, 'below'))).rejects.toMatchObject({ code: 'ENOTDIR' })
})

test.runIf(existsSync('/proc/self'))('where nothing can be made it ends, with the error of the system', async () => {
  await expect(makeDirectory('/proc/cinelake/state')).rejects.toMatchObject({ code: 'ENOENT' })
})
