import { temporaryDirectory, until } from '@cinelake/testkit'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createFileCache, type Copy, type FileCache } from './file-cache.ts'

let stack: AsyncDisposableStack
let directory: string
let filled: string[]
beforeEach(async () => {
  stack = new AsyncDisposableStack()
  directory = stack.use(await temporaryDirectory()).path
  filled = []
})
afterEach(() => stack.disposeAsync())

const copiesOf = (limitBytes: number, waitMs = 60_000) =>
  stack.use(createFileCache({ limitBytes, waitMs, newDirectory: () => mkdtemp(join(directory, 'copy-')) }))
const aCopy = (key: string, sizeBytes: number, gate: Promise<unknown> = Promise.resolve()): Copy => ({
  key,
  path: `t/${key}`,
  sizeBytes,
  async fill(file, signal) {
    filled.push(key)
    await gate
    signal.throwIfAborted()
    await writeFile(file, 'x'.repeat(sizeBytes))
  },
})

/** One alone. */
async function take(copies: FileCache, copy: Copy, signal: AbortSignal | undefined) {
  const held = await copies.take([copy], signal)
  return { file: held.files[0] ?? '', [Symbol.asyncDispose]: () => held[Symbol.asyncDispose]() }
}

describe('local copies', () => {
  test('that nobody uses make room, the least recently used first', async () => {
    const copies = copiesOf(30)
    for (const key of ['a', 'b', 'c', 'a']) await (await take(copies, aCopy(key, 10), undefined))[Symbol.asyncDispose]()

    await using d = await take(copies, aCopy('d', 10), undefined)
    await (await take(copies, aCopy('a', 10), undefined))[Symbol.asyncDispose]()
    await (await take(copies, aCopy('b', 10), undefined))[Symbol.asyncDispose]()

    expect(filled).toEqual(['a', 'b', 'c', 'd', 'b'])
    expect(await readFile(d.file, 'utf8')).toBe('x'.repeat(10))
    expect(await readdir(directory)).toHaveLength(3)
  })

  test('that are in use stay; who finds no room waits until one is given back', async () => {
    const copies = copiesOf(20)
    const [a, b] = [await take(copies, aCopy('a', 10), undefined), await take(copies, aCopy('b', 10), undefined)]
    let isThere = false
    const waiting = take(copies, aCopy('c', 10), undefined).then((copy) => {
      isThere = true
      return copy
    })
    await take(copies, aCopy('a', 10), undefined).then((again) => again[Symbol.asyncDispose]())
    expect(isThere).toBe(false)

    await b[Symbol.asyncDispose]()
    await using c = await waiting

    expect([existsSync(a.file), existsSync(b.file), existsSync(c.file)]).toEqual([true, false, true])
    await a[Symbol.asyncDispose]()
  })

  test('that find no room in time are refused for now, with what to do', async () => {
    const copies = copiesOf(15, 1)
    await using _ = await take(copies, aCopy('a', 10), undefined)

    await expect(take(copies, aCopy('b', 10), undefined)).rejects.toMatchObject({
      code: 'LAKE_SCRATCH_FULL',
      retryable: true,
      message: expect.stringContaining('CINELAKE_SCRATCH_MIB'),
    })
    await using small = await take(copies, aCopy('c', 5), undefined)
    expect(small.file).toContain('/c')
  })

  test('larger than all the room are refused for good', async () => {
    await expect(take(copiesOf(5), aCopy('a', 6), undefined)).rejects.toMatchObject({
      code: 'LAKE_SCRATCH_TOO_SMALL',
      retryable: false,
    })
  })

  test('that fail leave nothing, fail for all who wait, and are tried again by the next', async () => {
    const copies = copiesOf(10)
    const failing = { ...aCopy('a', 10), fill: () => Promise.reject(new Error('cut')) }

    const results = await Promise.allSettled([take(copies, failing, undefined), take(copies, failing, undefined)])

    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(await readdir(directory)).toEqual([])
    await using again = await take(copies, aCopy('a', 10), undefined)
    expect(existsSync(again.file)).toBe(true)
  })

  test('go on while one of those who wait for them still does, and stop with the last', async () => {
    const copies = copiesOf(10)
    const { promise, resolve } = Promise.withResolvers<void>()
    const [one, other] = [new AbortController(), new AbortController()]
    const waiting = [take(copies, aCopy('a', 10, promise), one.signal), take(copies, aCopy('a', 10), other.signal)]

    one.abort(new Error('stopped'))
    await expect(waiting[0]).rejects.toThrow('stopped')
    resolve()
    const copy = await waiting[1]

    expect(filled).toEqual(['a'])
    expect(existsSync(copy?.file ?? '')).toBe(true)
    await copy?.[Symbol.asyncDispose]()

    const never = Promise.withResolvers<void>()
    const alone = new AbortController()
    const last = take(copies, aCopy('b', 10, never.promise), alone.signal)
    await until('it is being made', () => filled.includes('b'))
    alone.abort(new Error('stopped'))
    await expect(last).rejects.toThrow('stopped')
    never.resolve()
    await using next = await take(copies, aCopy('c', 10), undefined)
    expect(existsSync(next.file)).toBe(true)
  })

  test('that are finished although nobody wants them any more give their room back', async () => {
    const copies = copiesOf(10)
    const { promise, resolve } = Promise.withResolvers<void>()
    const stop = new AbortController()
    const deaf: Copy = {
      ...aCopy('a', 10),
      async fill(file) {
        filled.push('a')
        await promise
        await writeFile(file, 'x')
      },
    }
    const unwanted = take(copies, deaf, stop.signal)
    await until('it is being made', () => filled.includes('a'))

    stop.abort(new Error('stopped'))
    await expect(unwanted).rejects.toThrow('stopped')
    resolve()

    await until('its file is gone', async () => (await readdir(directory)).length === 0)
    await using next = await take(copies, aCopy('b', 10), undefined)
    expect(existsSync(next.file)).toBe(true)
  })

  test.each([
    ['removed', (file: string) => rm(dirname(file), { recursive: true })],
    ['cut short', (file: string) => truncate(file, 3)],
  ])('that somebody has %s while nobody used them are made again', async (_what, spoil) => {
    const copies = copiesOf(10)
    const before = await take(copies, aCopy('a', 10), undefined)
    await before[Symbol.asyncDispose]()
    await spoil(before.file)

    const [one, other] = await Promise.all([
      take(copies, aCopy('a', 10), undefined),
      take(copies, aCopy('a', 10), undefined),
    ])

    expect(filled).toEqual(['a', 'a'])
    expect(await readFile(one.file, 'utf8')).toBe('x'.repeat(10))
    expect(other.file).toBe(one.file)
    expect(await readdir(directory)).toHaveLength(1)
    for (const copy of [one, other]) await copy[Symbol.asyncDispose]()
    await using next = await take(copies, aCopy('b', 10), undefined)
    expect(existsSync(next.file)).toBe(true)
  })

  test('under way that nobody wants any more have ended when the copies are disposed', async () => {
    const copies = copiesOf(10)
    const { promise, resolve } = Promise.withResolvers<void>()
    const stop = new AbortController()
    const unwanted = take(copies, aCopy('a', 10, promise), stop.signal)
    await until('it is being made', () => filled.includes('a'))
    stop.abort(new Error('stopped'))
    await expect(unwanted).rejects.toThrow('stopped')

    const disposed = copies[Symbol.asyncDispose]()
    resolve()
    await disposed

    expect(await readdir(directory)).toEqual([])
  })

  test('who stops waiting for room makes way for the next', async () => {
    const copies = copiesOf(10)
    const a = await take(copies, aCopy('a', 10), undefined)
    const stop = new AbortController()
    const first = take(copies, aCopy('b', 10), stop.signal)
    const second = take(copies, aCopy('c', 10), undefined)

    stop.abort(new Error('stopped'))
    await expect(first).rejects.toThrow('stopped')
    await a[Symbol.asyncDispose]()

    await using c = await second
    expect(existsSync(c.file)).toBe(true)
  })

  test('that are wanted at once are had at once: two who want most of the room do not wait for each other', async () => {
    const copies = copiesOf(40)
    const set = (name: string) => ['1', '2', '3'].map((n) => aCopy(name + n, 10))

    const [first, second] = [copies.take(set('a'), undefined), copies.take(set('b'), undefined)]
    const held = await first
    expect(held.files.map((file) => file.slice(file.lastIndexOf('/') + 1))).toEqual(['a1', 'a2', 'a3'])
    expect(filled).not.toContain('b3')
    await held[Symbol.asyncDispose]()

    await using rest = await second
    expect(rest.files).toHaveLength(3)
  })

  test('that do not fit together are refused for good and at once, with what they need', async () => {
    await expect(copiesOf(15).take([aCopy('a', 9), aCopy('b', 8), aCopy('b', 8)], undefined)).rejects.toMatchObject({
      code: 'LAKE_SCRATCH_TOO_SMALL',
      context: { path: 't/a', objectCount: 2, sizeBytes: 17, limitBytes: 15 },
    })
    expect(filled).toEqual([])
  })

  test('of which one cannot be made are given back', async () => {
    const copies = copiesOf(20)
    const failing = { ...aCopy('b', 10), fill: () => Promise.reject(new Error('cut')) }

    await expect(copies.take([aCopy('a', 10), failing], undefined)).rejects.toThrow('cut')

    await using both = await copies.take([aCopy('c', 10), aCopy('d', 10)], undefined)
    expect(both.files).toHaveLength(2)
  })
})
