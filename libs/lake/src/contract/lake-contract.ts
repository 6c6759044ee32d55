import { TransientError } from '@cinelake/core'
import { temporaryDirectory } from '@cinelake/testkit'
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Lake, LakeObject } from '../lake.ts'

/** An empty lake. */
export type LakeUnderTest = AsyncDisposable & { readonly lake: Lake }

class SourceAway extends TransientError {
  readonly code = 'TEST_SOURCE_AWAY'
}

async function* blocks(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text)
}

async function contentText(content: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of content) parts.push(part)
  return Buffer.concat(parts).toString()
}

async function pathsOf(objects: AsyncIterable<LakeObject>): Promise<string[]> {
  const paths: string[] = []
  for await (const { path } of objects) paths.push(path)
  return paths
}

/** The contract test suite of every lake. */
export function lakeContract(name: string, open: () => Promise<LakeUnderTest>): void {
  describe(`lake contract: ${name}`, () => {
    test('what was put is read back, as text and as bytes', async () => {
      await using given = await open()
      const { lake } = given

      await lake.put('a/b/ünïcode name (1).json', '{"é":1}')

      expect(await lake.readText('a/b/ünïcode name (1).json')).toBe('{"é":1}')
      expect(await contentText(lake.read('a/b/ünïcode name (1).json'))).toBe('{"é":1}')
      expect(await lake.stat('a/b/ünïcode name (1).json')).toMatchObject({
        path: 'a/b/ünïcode name (1).json',
        sizeBytes: 8,
      })
    })

    test('of many who put what is absent, one creates it and all others learn so', async () => {
      await using given = await open()
      const { lake } = given
      const contents = Array.from({ length: 12 }, (_, index) => `writer ${index}`)

      const outcomes = await Promise.all(contents.map((content) => lake.putIfAbsent('log/1.json', content)))

      expect(outcomes.filter((outcome) => outcome === 'created')).toHaveLength(1)
      expect(await lake.readText('log/1.json')).toBe(contents[outcomes.indexOf('created')])
      expect(await lake.putIfAbsent('log/1.json', 'late')).toBe('exists')
    })

    test('a stream is written whole, with its size and digest', async () => {
      await using given = await open()
      const { lake } = given
      const block = 'x'.repeat(100_000)

      const written = await lake.write('raw/big.csv', blocks(block, '', block, 'end'))

      const sha256 = createHash('sha256').update(`${block}${block}end`).digest('hex')
      expect(written).toEqual({ sizeBytes: 200_003, sha256 })
      expect(await contentText(lake.read('raw/big.csv'))).toBe(`${block}${block}end`)
    })

    test('no reader sees a stream before it has ended, nor one that broke off', async () => {
      await using given = await open()
      const { lake } = given
      const during: unknown[] = []
      const broken = async function* () {
        yield Buffer.from('half')
        during.push(await lake.stat('raw/x.csv'), await pathsOf(lake.list('raw')))
        throw new SourceAway('the source went away', {})
      }

      await expect(lake.write('raw/x.csv', broken())).rejects.toThrow('the source went away')

      expect(during).toEqual([undefined, []])
      expect(await lake.stat('raw/x.csv')).toBeUndefined()
    })

    test('a broken stream leaves what was there', async () => {
      await using given = await open()
      const { lake } = given
      await lake.write('raw/x.csv', blocks('old'))
      const broken = async function* () {
        yield Buffer.from('new')
        throw new SourceAway('the source went away', {})
      }

      await expect(lake.write('raw/x.csv', broken())).rejects.toBeInstanceOf(SourceAway)

      expect(await lake.readText('raw/x.csv')).toBe('old')
    })

    test('of many who write what is absent, one creates it and all learn what they brought', async () => {
      await using given = await open()
      const { lake } = given

      const written = await Promise.all(['a', 'bb', 'ccc'].map((text) => lake.writeIfAbsent('raw/x.csv', blocks(text))))

      expect(written.map(({ sizeBytes }) => sizeBytes)).toEqual([1, 2, 3])
      expect(written.filter(({ outcome }) => outcome === 'created')).toHaveLength(1)
      const kept = written.findIndex(({ outcome }) => outcome === 'created')
      expect(await lake.readText('raw/x.csv')).toBe(['a', 'bb', 'ccc'][kept])
    })

    test.each([
      [{}, '0123456789'],
      [{ start: 3 }, '3456789'],
      [{ end: 4 }, '0123'],
      [{ start: 2, end: 5 }, '234'],
      [{ start: 5, end: 5 }, ''],
      [{ start: 10 }, ''],
      [{ start: 8, end: 99 }, '89'],
    ])('the range %j of ten bytes is %j', async (range, expected) => {
      await using given = await open()
      await given.lake.put('x', '0123456789')

      expect(await contentText(given.lake.read('x', range))).toBe(expected)
    })

    test('what is not there is undefined, false or an error that names it', async () => {
      await using given = await open()
      const { lake } = given
      await lake.put('a/b', 'x')

      for (const path of ['nothing', 'a', 'a/b/c']) {
        expect(await lake.stat(path)).toBeUndefined()
        expect(await lake.readText(path)).toBeUndefined()
        expect(await lake.delete(path)).toBe(false)
        await expect(contentText(lake.read(path))).rejects.toMatchObject({
          code: 'LAKE_OBJECT_MISSING',
          context: { path },
        })
        await expect(lake.download(path)).rejects.toMatchObject({ code: 'LAKE_OBJECT_MISSING' })
      }
      expect(await pathsOf(lake.list('nothing'))).toEqual([])
    })

    test('an object is deleted once', async () => {
      await using given = await open()
      const { lake } = given
      await lake.put('a/b', 'x')

      expect([await lake.delete('a/b'), await lake.delete('a/b')]).toEqual([true, false])
      expect(await lake.stat('a/b')).toBeUndefined()
      expect(await lake.putIfAbsent('a/b', 'again')).toBe('created')
    })

    test('objects are listed in order of path, from any point on, through all folders', async () => {
      await using given = await open()
      const { lake } = given
      const paths = ['t/a.json', 't/a/2', 't/a/10', 't/a-b', 't/b/c/d', 't/b/c.d', 't/z', 'u/x'].sort()
      for (const path of paths.toReversed()) await lake.put(path, path)
      const below = paths.filter((path) => path.startsWith('t/'))

      expect(await pathsOf(lake.list('t'))).toEqual(below)
      expect(await pathsOf(lake.list(''))).toEqual(paths)
      for (const startAfter of ['', 't/a', ...below, 't/b/c/zzz', 't/zzz']) {
        expect(await pathsOf(lake.list('t', { startAfter }))).toEqual(below.filter((path) => path > startAfter))
      }
    })

    test('names are kept as they are, whatever their characters mean elsewhere', async () => {
      await using given = await open()
      const { lake } = given
      const names = [
        'a b',
        'c%20d',
        'e%',
        'f?g=1&h',
        'i#j',
        'k+l',
        "m'n",
        '"o"',
        '[p]',
        '{q}',
        'r:s',
        '*',
        '日本',
        'é',
        '~=_',
      ]
      const paths = names.map((name) => `t/${name}/${name}`).sort()
      for (const path of paths) await lake.put(path, path)

      expect(await pathsOf(lake.list('t'))).toEqual(paths)
      for (const path of paths) {
        expect(await lake.readText(path)).toBe(path)
        expect(await pathsOf(lake.list(path.split('/', 2).join('/')))).toEqual([path])
        await using local = await lake.download(path)
        expect(await readFile(local.file, 'utf8')).toBe(path)
        expect(await lake.delete(path)).toBe(true)
      }
    })

    test('of several who write at once one remains, whole', async () => {
      await using given = await open()
      const { lake } = given
      const contents = ['a', 'b', 'c'].map((letter) => letter.repeat(300_000))

      await Promise.all(contents.map((content) => lake.write('x', blocks(content, content))))

      expect(contents.map((content) => content + content)).toContain(await lake.readText('x'))
    })

    test('a local file is brought in and taken out again', async () => {
      await using given = await open()
      const { lake } = given
      await using scratch = await lake.scratch()
      await writeFile(join(scratch.directory, 'part.parquet'), 'bytes')

      await lake.upload(join(scratch.directory, 'part.parquet'), 'refined/t/part.parquet')
      await using local = await lake.download('refined/t/part.parquet')

      expect(await readFile(local.file, 'utf8')).toBe('bytes')
    })

    test('several objects are had at once, in the order in which they were asked for', async () => {
      await using given = await open()
      const { lake } = given
      for (const path of ['t/day=2/part', 't/day=1/part']) await lake.put(path, path)

      await using local = await lake.downloadAll(['t/day=2/part', 't/day=1/part', 't/day=2/part'])
      await using none = await lake.downloadAll([])

      expect(await Promise.all(local.files.map((file) => readFile(file, 'utf8')))).toEqual([
        't/day=2/part',
        't/day=1/part',
        't/day=2/part',
      ])
      expect(local.files[0]).toMatch(/t\/day=2\/part$/)
      expect(none.files).toEqual([])
      await expect(lake.downloadAll(['t/day=1/part', 't/day=3/part'])).rejects.toMatchObject({
        code: 'LAKE_OBJECT_MISSING',
        context: { path: 't/day=3/part' },
      })
    })

    test('a file from elsewhere replaces what is there', async () => {
      await using given = await open()
      const { lake } = given
      await using elsewhere = await temporaryDirectory()
      await lake.put('x', 'old')
      await writeFile(join(elsewhere.path, 'x'), 'new')

      await lake.upload(join(elsewhere.path, 'x'), 'x')

      expect(await lake.readText('x')).toBe('new')
    })

    test('scratch directories are apart from each other, from the lake, and gone when they are disposed', async () => {
      await using given = await open()
      const { lake } = given
      const [one, two] = [await lake.scratch(), await lake.scratch()]
      await writeFile(join(one.directory, 'x'), 'x')

      expect(one.directory).not.toBe(two.directory)
      expect(await pathsOf(lake.list(''))).toEqual([])
      await one[Symbol.asyncDispose]()
      await expect(readFile(join(one.directory, 'x'))).rejects.toThrow('ENOENT')
      await two[Symbol.asyncDispose]()
    })

    test.each([
      '',
      '/a',
      'a/',
      'a//b',
      '.',
      '..',
      'a/../b',
      '../a',
      './a',
      'a\\b',
      'a\0b',
      'a\nb',
      '.scratch/x',
      'x'.repeat(256),
    ])('the path %j is refused everywhere', async (path) => {
      await using given = await open()
      const { lake } = given
      const refusal = { code: 'LAKE_PATH_INVALID', retryable: false }

      await expect(lake.put(path, 'x')).rejects.toMatchObject(refusal)
      await expect(lake.putIfAbsent(path, 'x')).rejects.toMatchObject(refusal)
      await expect(lake.write(path, blocks('x'))).rejects.toMatchObject(refusal)
      await expect(lake.stat(path)).rejects.toMatchObject(refusal)
      await expect(contentText(lake.read(path))).rejects.toMatchObject(refusal)
      await expect(lake.delete(path)).rejects.toMatchObject(refusal)
    })

    test.each(['/a', 'a/', '..', '.scratch'])('the folder %j is refused', async (folder) => {
      await using given = await open()

      await expect(pathsOf(given.lake.list(folder))).rejects.toMatchObject({ code: 'LAKE_PATH_INVALID' })
    })

    test('what is stopped before it begins or on the way says so and writes nothing', async () => {
      await using given = await open()
      const { lake } = given
      const stopped = { code: 'WORK_CANCELLED', retryable: true }
      const signal = AbortSignal.abort()
      const onTheWay = new AbortController()
      const content = async function* () {
        yield Buffer.from('one')
        onTheWay.abort()
        yield Buffer.from('two')
      }
      await lake.put('there', 'x')

      await expect(lake.put('a', 'x', { signal })).rejects.toMatchObject(stopped)
      await expect(lake.putIfAbsent('a', 'x', { signal })).rejects.toMatchObject(stopped)
      await expect(lake.write('a', content(), { signal: onTheWay.signal })).rejects.toMatchObject(stopped)
      await expect(contentText(lake.read('there', { signal }))).rejects.toMatchObject(stopped)
      await expect(pathsOf(lake.list('', { signal }))).rejects.toMatchObject(stopped)

      expect(await lake.stat('a')).toBeUndefined()
    })

    test('an object that is read while it is replaced is the old one or the new one', async () => {
      await using given = await open()
      const { lake } = given
      const versions = ['a'.repeat(600_000), 'b'.repeat(600_000)]
      await lake.put('x', versions[0] ?? '')

      const readers = Array.from({ length: 8 }, async () => {
        const text = await contentText(lake.read('x'))
        expect(versions).toContain(text)
      })
      const writers = Array.from({ length: 8 }, (_, index) => lake.put('x', versions[index % 2] ?? ''))

      await Promise.all([...readers, ...writers])
    })
  })
}
