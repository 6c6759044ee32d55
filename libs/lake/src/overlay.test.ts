import { temporaryDirectory } from '@cinelake/testkit'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createDirectoryLake } from './directory/lake.ts'
import { lakeContract } from './contract/lake-contract.ts'
import type { Lake } from './lake.ts'
import { createOverlayLake } from './overlay.ts'

async function anOverlay(objects: Readonly<Record<string, string>> = {}) {
  await using opening = new AsyncDisposableStack()
  const directory = opening.use(await temporaryDirectory())
  const lower = opening.use(await createDirectoryLake(join(directory.path, 'lower')))
  for (const [path, text] of Object.entries(objects)) await lower.put(path, text)
  const upper = await createDirectoryLake(join(directory.path, 'upper'))
  const lake = opening.use(createOverlayLake(lower, upper))
  const opened = opening.move()
  return { lake, lower, directory: directory.path, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

async function pathsIn(lake: Lake, folder = ''): Promise<string[]> {
  const paths: string[] = []
  for await (const { path } of lake.list(folder)) paths.push(path)
  return paths
}

async function* bytes(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}

lakeContract('overlay', async () => await anOverlay())

test('what is below is read where it is, and stays as it is whatever is done above', async () => {
  await using given = await anOverlay({ 'a/1': 'one', 'a/2': 'two', 'a/3': 'three', 'b/1': 'other' })
  const { lake, lower, directory } = given

  await using local = await lake.download('a/1')
  await lake.put('a/2', 'changed')
  await lake.write('a/4', bytes('four'))
  expect([await lake.delete('a/3'), await lake.delete('a/3')]).toEqual([true, false])

  expect(local.file).toBe(join(directory, 'lower/a/1'))
  expect(await pathsIn(lake, 'a')).toEqual(['a/1', 'a/2', 'a/4'])
  expect(await lake.readText('a/2')).toBe('changed')
  expect(await lake.readText('a/3')).toBeUndefined()
  await using several = await lake.downloadAll(['a/4', 'a/1', 'a/2'])
  expect(await Promise.all(several.files.map((file) => readFile(file, 'utf8')))).toEqual(['four', 'one', 'changed'])
  expect(await pathsIn(lower)).toEqual(['a/1', 'a/2', 'a/3', 'b/1'])
  expect(await lower.readText('a/2')).toBe('two')
  expect(await readdir(join(directory, 'lower/a'))).toEqual(['1', '2', '3'])
})

test('what is hidden below is not there, and may be written above', async () => {
  await using given = await anOverlay({ 'log/1': 'one', 'log/2': 'two' })
  await using upper = await createDirectoryLake(join(given.directory, 'other'))
  const lake = createOverlayLake(given.lower, upper, (path) => path > 'log/1')

  expect([await pathsIn(lake), await lake.stat('log/2')]).toEqual([['log/1'], undefined])
  expect(await lake.delete('log/2')).toBe(false)
  expect(await lake.putIfAbsent('log/2', 'mine')).toBe('created')
  expect([await pathsIn(lake), await lake.readText('log/2')]).toEqual([['log/1', 'log/2'], 'mine'])
})

test('what is below is there for who writes what is absent, until it is deleted', async () => {
  await using given = await anOverlay({ log: 'first' })
  const { lake } = given

  expect(await lake.putIfAbsent('log', 'second')).toBe('exists')
  expect(await lake.writeIfAbsent('log', bytes('second'))).toMatchObject({ outcome: 'exists', sizeBytes: 6 })
  expect(await lake.readText('log')).toBe('first')
  await lake.delete('log')
  expect(await lake.putIfAbsent('log', 'second')).toBe('created')
  expect(await lake.readText('log')).toBe('second')
  expect(await pathsIn(lake)).toEqual(['log'])
})
