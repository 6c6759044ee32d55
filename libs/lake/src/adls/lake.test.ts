import { until } from '@cinelake/testkit'
import { startAdlsEndpoint, type Fault, type Mishap, type SeenRequest, type Target } from '@cinelake/testkit/adls'
import { BlockBlobClient, StorageSharedKeyCredential } from '@azure/storage-blob'
import { createHash } from 'node:crypto'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MIB, openAdlsBench, SMALL, urlOf, type AdlsBench } from './adls.fixture.ts'
import type { Lake, LakeObject } from '../lake.ts'
import { landObject } from '../landing/landing.ts'

let bench: AdlsBench
let lake: Lake
beforeEach(async () => {
  bench = await openAdlsBench()
  lake = bench.lake
})
afterEach(() => bench[Symbol.asyncDispose]())

/** Text that differs everywhere, so that nothing can be taken for something else. */
const textOfSize = (bytes: number, seed = 'x') => {
  let text = ''
  for (let n = 0; text.length < bytes; n += 1) text += createHash('sha256').update(`${seed}${n}`).digest('hex')
  return text.slice(0, bytes)
}
async function* streamOf(text: string, pieceSize = 333): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < text.length; at += pieceSize) yield Buffer.from(text.slice(at, at + pieceSize))
}
const readAll = async (path: string, from: Lake = lake) => {
  const parts: Uint8Array[] = []
  for await (const part of from.read(path)) parts.push(part)
  return Buffer.concat(parts).toString()
}

const pathsIn = async (objects: AsyncIterable<LakeObject>) => {
  const paths: string[] = []
  for await (const { path } of objects) paths.push(path)
  return paths
}

const isPut = ({ method, query }: Target) => method === 'PUT' && !query.has('comp')
const isBlock = ({ method, query }: Target) => method === 'PUT' && query.get('comp') === 'block'
const isCommit = ({ query, method }: Target) => method === 'PUT' && query.get('comp') === 'blocklist'
const isGet = ({ method, query }: Target) => method === 'GET' && !query.has('comp') && !query.has('resource')
const isList = ({ query }: Target) => query.get('resource') === 'filesystem'
const befall = (when: Fault['when'], mishap: Mishap, times = 1) => bench.endpoint.faults.add({ when, mishap, times })
const blocksIn = (requests: readonly SeenRequest[]) => requests.filter(isBlock)
const bytesOf = (requests: readonly SeenRequest[]) => requests.reduce((sum, { bodyBytes }) => sum + bodyBytes, 0)

describe('an answer that is lost', () => {
  test('to a put of what is absent is recognised: it was us', async () => {
    const lost = befall(isPut, { kind: 'lose-answer' })

    expect(await lake.putIfAbsent('log/1.json', 'mine')).toBe('created')

    expect([lost.happened, await lake.readText('log/1.json')]).toEqual([1, 'mine'])
    expect(await lake.putIfAbsent('log/1.json', 'mine')).toBe('exists')
  })

  test('to each of many who put what is absent still leaves exactly one that created it', async () => {
    befall(isPut, { kind: 'lose-answer' }, 12)

    const outcomes = await Promise.all(
      Array.from({ length: 12 }, (_, index) => lake.putIfAbsent('log/1.json', `writer ${index}`)),
    )

    expect(outcomes.filter((outcome) => outcome === 'created')).toHaveLength(1)
    expect(await lake.readText('log/1.json')).toBe(`writer ${outcomes.indexOf('created')}`)
  })

  test('to the commit of a large write of what is absent is recognised too', async () => {
    const lost = befall(isCommit, { kind: 'lose-answer' })
    const text = textOfSize(5500)

    expect(await lake.writeIfAbsent('raw/x', streamOf(text))).toMatchObject({ outcome: 'created', sizeBytes: 5500 })

    expect([lost.happened, await readAll('raw/x')]).toEqual([1, text])
  })

  test('to the commit of a large write does not matter', async () => {
    const lost = befall(isCommit, { kind: 'lose-answer' })
    const text = textOfSize(5500)

    await lake.write('raw/x', streamOf(text))

    expect([lost.happened, await readAll('raw/x')]).toEqual([1, text])
  })

  test('to a deletion does not hide that something was deleted', async () => {
    await lake.put('x', 'x')
    const lost = befall(({ method }) => method === 'DELETE', { kind: 'lose-answer' })

    expect(await lake.delete('x')).toBe(true)
    expect([lost.happened, await lake.stat('x')]).toEqual([1, undefined])
  })
})

describe('a large write', () => {
  const text = textOfSize(10_500)

  test('is sent in blocks and stored with the checksum of the whole', async () => {
    const { sha256 } = await lake.write('raw/x', streamOf(text))

    expect(blocksIn(bench.requests)).toHaveLength(11)
    expect(sha256).toBe(createHash('sha256').update(text).digest('hex'))
    expect(await readAll('raw/x')).toBe(text)
    expect(await lake.stat('raw/x')).toMatchObject({ sizeBytes: 10_500 })
  })

  test.each([0, 1, 999, 1000, 1001, 2000, 2001])('of %d bytes is what was brought', async (size) => {
    const content = textOfSize(size)

    expect(await lake.write('x', streamOf(content, 77))).toMatchObject({ sizeBytes: size })

    expect(await readAll('x')).toBe(content)
    expect(await lake.readText('x')).toBe(content)
  })

  test('that has landed before is not fetched to see that it is the same', async () => {
    const land = async () => await landObject(lake, 'raw/x', () => streamOf(text))
    const first = await land()
    bench.requests.length = 0

    expect(await land()).toEqual(first)

    expect(bench.requests.filter(({ method, query }) => method === 'GET' && !query.has('comp'))).toEqual([])
    expect(blocksIn(bench.requests)).toEqual([])
    expect((await landObject(lake, 'raw/x', () => streamOf('other'))).path).toMatch(/^raw\/[0-9a-f]{16}\/x$/)
  })

  test('that no longer has the bytes that it was made of is told to be corrupt', async () => {
    await lake.write('raw/x', streamOf(text))
    const { account, url } = bench.endpoint
    const credential = new StorageSharedKeyCredential(account.name, account.key)
    const other = new BlockBlobClient(`${url}/lake/raw/x`, credential)
    const { metadata = {} } = await other.getProperties()
    await other.upload('x'.repeat(10), 10, { metadata })

    await expect(readAll('raw/x')).rejects.toMatchObject({ code: 'LAKE_OBJECT_CORRUPT' })
  })

  test('asks for blocks whose answer was lost, and does not send them again', async () => {
    const lost = befall(isBlock, { kind: 'lose-answer' }, 4)

    await lake.write('raw/x', streamOf(text))

    expect(lost.happened).toBe(4)
    expect(blocksIn(bench.requests)).toHaveLength(11)
    expect(await readAll('raw/x')).toBe(text)
  })

  test('whose connection is cut sends no more than one block again for each cut', async () => {
    const big = await bench.open({ tuning: { ...SMALL, blockBytes: 100_000, rangeBytes: MIB } })
    const content = textOfSize(1_000_000)
    const cut = befall(isBlock, { kind: 'cut-request', afterBytes: 60_000 }, 3)

    await big.write('raw/x', streamOf(content, 50_000))

    expect(await readAll('raw/x', big)).toBe(content)
    expect(cut.happened).toBe(3)
    const sentBytes = bytesOf(blocksIn(bench.requests))
    expect(sentBytes).toBeGreaterThan(1_000_000)
    expect(sentBytes).toBeLessThanOrEqual(1_000_000 + 3 * 100_000)
  })

  test('that failed is gone on with by the next attempt, of another process too: only what is missing is sent', async () => {
    const down = befall(isCommit, { kind: 'refuse', status: 503, code: 'ServerBusy' }, 6)
    const failing = befall(
      (target) =>
        isBlock(target) && Buffer.from(target.query.get('blockid') ?? '', 'base64').readBigUInt64BE() === 4000n,
      { kind: 'refuse', status: 403, code: 'AuthorizationFailure' },
    )
    await expect(lake.write('raw/x', streamOf(text))).rejects.toMatchObject({ code: 'LAKE_UNAVAILABLE' })
    const sentBefore = blocksIn(bench.requests).filter(({ bodyBytes }) => bodyBytes > 0).length
    expect(await lake.stat('raw/x')).toBeUndefined()
    await expect(lake.write('raw/x', streamOf(text))).rejects.toMatchObject({ context: { reason: 'ServerBusy' } })
    bench.requests.length = 0

    const another = await bench.open()
    await another.write('raw/x', streamOf(text))

    expect([down.happened, failing.happened]).toEqual([6, 1])
    expect(sentBefore).toBeGreaterThan(0)
    expect(blocksIn(bench.requests)).toEqual([])
    expect(await readAll('raw/x')).toBe(text)
  })

  test('goes on after the storage itself was started again', async () => {
    const { endpoint, directory } = bench
    befall(isCommit, { kind: 'refuse', status: 403, code: 'AuthorizationFailure' })
    await expect(lake.write('raw/x', streamOf(text))).rejects.toMatchObject({ code: 'LAKE_UNAVAILABLE' })
    await endpoint[Symbol.asyncDispose]()
    const requests: SeenRequest[] = []
    await using again = await startAdlsEndpoint({
      directory: join(directory, 'account'),
      onRequest: (request) => requests.push(request),
    })

    await using sameLake = await bench.open({ url: urlOf(again), connectionString: again.connectionString })
    await sameLake.write('raw/x', streamOf(text))

    expect(blocksIn(requests)).toEqual([])
    expect(await readAll('raw/x', sameLake)).toBe(text)
  })

  test('sends a block again that arrived damaged', async () => {
    const damaged = befall(isBlock, { kind: 'corrupt-request', atByte: 500 }, 2)
    const damagedWhole = befall(isPut, { kind: 'corrupt-request', atByte: 1 })

    await lake.write('large', streamOf(text))
    await lake.put('small', 'hello')

    expect([damaged.happened, damagedWhole.happened]).toEqual([2, 1])
    expect([await readAll('large'), await readAll('small')]).toEqual([text, 'hello'])
  })

  test('of what is there already sends nothing, and tells what was brought', async () => {
    await lake.put('x', 'first')

    const { outcome, sizeBytes } = await lake.writeIfAbsent('x', streamOf(text))

    expect([outcome, sizeBytes, blocksIn(bench.requests)]).toEqual(['exists', 10_500, []])
    expect(await lake.readText('x')).toBe('first')
  })

  test('of which there are two at once ends as one of them', async () => {
    const contents = [textOfSize(8000, 'a'), textOfSize(9500, 'b'), textOfSize(7000, 'c')]

    const written = await Promise.all(contents.map((content) => lake.write('x', streamOf(content))))

    expect(written.map(({ sizeBytes }) => sizeBytes)).toEqual([8000, 9500, 7000])
    expect(contents).toContain(await readAll('x'))
  })

  test('that another overtakes counts as done before it', async () => {
    const rival = async function* () {
      yield* streamOf(textOfSize(6000, 'mine'))
      await lake.write('x', streamOf(textOfSize(4000, 'theirs')))
      yield* streamOf(textOfSize(1500, 'more'))
    }

    const written = await lake.write('x', rival())

    expect(written.sizeBytes).toBe(7500)
    expect(await readAll('x')).toBe(textOfSize(4000, 'theirs'))
  })

  test('of what is absent, made by many at once, is made by one', async () => {
    const contents = ['a', 'b', 'c', 'd'].map((seed) => textOfSize(6000, seed))

    const written = await Promise.all(contents.map((content) => lake.writeIfAbsent('x', streamOf(content))))

    const winner = written.findIndex(({ outcome }) => outcome === 'created')
    expect(written.filter(({ outcome }) => outcome === 'created')).toHaveLength(1)
    expect(await readAll('x')).toBe(contents[winner])
  })

  test('keeps no more blocks in flight than it may', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const held = befall(isBlock, { kind: 'hold', until: promise }, 100)
    let taken = 0
    const content = async function* () {
      for await (const part of streamOf(text)) {
        taken += part.byteLength
        yield part
      }
    }
    const slow = await bench.open({ tuning: { ...SMALL, parallel: 2 } })

    const writing = slow.write('x', content())
    await until('three blocks are in flight', () => held.happened === 3)
    const takenMeanwhile = taken
    resolve()
    await writing

    // Three blocks on their way, one that waits, two with their digests, and the piece that shows that there is more.
    expect(takenMeanwhile).toBeLessThanOrEqual(6 * 1000 + 333)
    expect(await readAll('x')).toBe(text)
  })

  test('stops at once when it is told to', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const held = befall(isBlock, { kind: 'hold', until: promise }, 100)
    const stop = new AbortController()

    const writing = lake.write('x', streamOf(text), { signal: stop.signal })
    await until('a block is in flight', () => held.happened > 0)
    stop.abort()

    await expect(writing).rejects.toMatchObject({ code: 'WORK_CANCELLED' })
    resolve()
    expect(await lake.stat('x')).toBeUndefined()
  })
})

describe('a read', () => {
  const text = textOfSize(9000)

  test('asks again for a range that arrived damaged or cut off', async () => {
    await lake.put('x', text)
    const damaged = befall(isGet, { kind: 'corrupt-answer', atByte: 99 }, 2)
    const cut = befall(isGet, { kind: 'cut-answer', afterBytes: 300 }, 2)

    expect(await readAll('x')).toBe(text)
    expect([damaged.happened, cut.happened]).toEqual([2, 2])
  })

  test('of bytes that stay damaged says so', async () => {
    await lake.put('x', text)
    befall(isGet, { kind: 'corrupt-answer', atByte: 1 }, 100)

    await expect(readAll('x')).rejects.toMatchObject({ code: 'LAKE_OBJECT_CORRUPT', retryable: true })
  })

  test('of bytes that never arrive says that the storage is away', async () => {
    await lake.put('x', text)
    befall(isGet, { kind: 'cut-answer', afterBytes: 10 }, 100)

    await expect(readAll('x')).rejects.toMatchObject({ code: 'LAKE_UNAVAILABLE', retryable: true })
  })

  test('of an object that was damaged in the storage is noticed by the checksum of the whole', async () => {
    await lake.put('x', text)
    const blocks = join(bench.directory, 'account/blocks')
    const [name = ''] = await readdir(blocks)
    const bytes = await readFile(join(blocks, name))
    bytes[7777] = (bytes[7777] ?? 0) ^ 1
    await writeFile(join(blocks, name), bytes)

    await expect(readAll('x')).rejects.toMatchObject({ code: 'LAKE_OBJECT_CORRUPT' })
    await expect(lake.download('x')).rejects.toMatchObject({ code: 'LAKE_OBJECT_CORRUPT' })
  })

  test('never mixes two versions of an object that is replaced meanwhile', async () => {
    await lake.put('x', textOfSize(9000, 'old'))
    let got = ''

    const reading = (async () => {
      for await (const part of lake.read('x')) {
        if (got === '') await lake.put('x', textOfSize(9000, 'new'))
        got += Buffer.from(part).toString()
      }
    })()

    await expect(reading).rejects.toMatchObject({ code: 'LAKE_UNAVAILABLE', context: { reason: 'ConditionNotMet' } })
    expect(textOfSize(9000, 'old').startsWith(got)).toBe(true)
  })

  test('that stops early asks for no more than a few ranges', async () => {
    await lake.put('x', textOfSize(100_000))

    for await (const _ of lake.read('x')) break

    const asked = bench.requests.filter(isGet).length
    expect(asked).toBeLessThanOrEqual(6)
    expect(await readAll('x')).toHaveLength(100_000)
  })
})

describe('the storage', () => {
  test('that is busy is asked again, when it says', async () => {
    const refusals = [
      befall(isPut, { kind: 'refuse', status: 503, code: 'ServerBusy', retryAfterSeconds: 1 }, 2),
      befall(isPut, { kind: 'refuse', status: 429, code: 'TooManyRequests', retryAfterSeconds: 1 }, 2),
      befall(isList, { kind: 'refuse', status: 500, code: 'InternalError' }),
      befall(isList, { kind: 'cut-answer', afterBytes: 5 }),
      befall(isList, { kind: 'lose-answer' }),
    ]

    await lake.put('a/x', 'hello')

    expect(await pathsIn(lake.list(''))).toEqual(['a/x'])
    expect(refusals.map(({ happened }) => happened)).toEqual([2, 2, 1, 1, 1])
  })

  test('that stays busy is unavailable for now', async () => {
    befall(isPut, { kind: 'refuse', status: 503, code: 'ServerBusy' }, 100)

    await expect(lake.put('x', 'x')).rejects.toMatchObject({
      code: 'LAKE_UNAVAILABLE',
      retryable: true,
      message: expect.stringMatching(/reason=ServerBusy.*at its limit/),
    })
  })

  test('that hears but does not answer is given up on, and asked again', async () => {
    const impatient = await bench.open({ tuning: { ...SMALL, callTimeoutMs: 50, transferTimeoutMs: 50 } })
    const { promise, resolve } = Promise.withResolvers<void>()
    const held = befall(isPut, { kind: 'hold', until: promise })

    const heldLook = befall(({ method }) => method === 'HEAD', { kind: 'hold', until: promise })

    await impatient.put('x', 'hello')
    const found = await impatient.stat('x')
    resolve()

    expect([held.happened, heldLook.happened, found?.sizeBytes]).toEqual([1, 1, 5])
  })

  test('that cannot be reached is named, with what to do, and without the key', async () => {
    const { connectionString, account, port } = bench.endpoint
    await bench.endpoint[Symbol.asyncDispose]()

    const error: unknown = await lake.put('x', 'x').catch((reason: unknown) => reason)

    expect(error).toMatchObject({ code: 'LAKE_UNAVAILABLE', context: { reason: 'ECONNREFUSED' } })
    expect(String(error)).toContain(`abfs://lake@${account.name}.127.0.0.1:${port}`)
    expect(JSON.stringify(error)).not.toContain(account.key)
    expect(connectionString).toContain(account.key)
  })

  test.each([
    ['AuthorizationPermissionMismatch', 403, /Storage Blob Data Contributor/],
    ['AuthorizationFailure', 403, /firewall/],
    ['AuthenticationFailed', 403, /expired/],
    ['ContainerNotFound', 404, /create it/],
  ])('that answers %s tells what to do', async (code, status, words) => {
    befall(() => true, { kind: 'refuse', status, code }, 100)
    const unavailable = { code: 'LAKE_UNAVAILABLE', message: expect.stringMatching(words) }

    await expect(lake.put('x', 'x')).rejects.toMatchObject(unavailable)
    await expect(lake.stat('x')).rejects.toMatchObject(unavailable)
    await expect(readAll('x')).rejects.toMatchObject(unavailable)
    await expect(lake.download('x')).rejects.toMatchObject(unavailable)
    await expect(lake.delete('x')).rejects.toMatchObject(unavailable)
    await expect(pathsIn(lake.list(''))).rejects.toMatchObject(unavailable)
  })

  test('without the container is told apart from a lake without objects', async () => {
    const nowhere = await bench.open({ url: urlOf(bench.endpoint).replace('lake@', 'nowhere@') })

    const unavailable = { code: 'LAKE_UNAVAILABLE', message: expect.stringContaining('create it') }
    await expect(pathsIn(nowhere.list(''))).rejects.toMatchObject(unavailable)
    await expect(nowhere.putIfAbsent('x', 'x')).rejects.toMatchObject(unavailable)
    await expect(nowhere.stat('x')).rejects.toMatchObject({ code: 'LAKE_UNAVAILABLE' })
  })
})

describe('folders', () => {
  test('are in the way of objects as objects are in the way of folders', async () => {
    await lake.put('a/b', 'x')
    const refusal = { code: 'LAKE_PATH_INVALID', retryable: false }

    await expect(lake.put('a', 'x')).rejects.toMatchObject(refusal)
    await expect(lake.putIfAbsent('a', 'x')).rejects.toMatchObject(refusal)
    await expect(lake.writeIfAbsent('a', streamOf(textOfSize(3000)))).rejects.toMatchObject(refusal)
    await expect(lake.put('a/b/c', 'x')).rejects.toMatchObject(refusal)
    await expect(lake.write('a/b/c', streamOf(textOfSize(3000)))).rejects.toMatchObject(refusal)
  })

  test('that are empty are not listed, not read and not deleted', async () => {
    await lake.put('a/b/c', 'x')
    await lake.delete('a/b/c')

    expect(await pathsIn(lake.list(''))).toEqual([])
    expect([await lake.stat('a/b'), await lake.readText('a/b'), await lake.delete('a')]).toEqual([
      undefined,
      undefined,
      false,
    ])
    await lake.put('a/b/d', 'x')
    expect(await lake.readText('a/b/d')).toBe('x')
  })
})

describe('a lake in a folder of its container', () => {
  test('sees what is in that folder and nothing else', async () => {
    const [one, two] = [
      await bench.open({ url: urlOf(bench.endpoint, '/one') }),
      await bench.open({ url: urlOf(bench.endpoint, '/one two/three') }),
    ]
    await one.put('a/x', 'one')
    await two.put('a/x', 'two')

    const found = await Promise.all([one, two, lake].map((each) => pathsIn(each.list(''))))

    expect(found).toEqual([['a/x'], ['a/x'], ['one two/three/a/x', 'one/a/x']])
    expect([await one.readText('a/x'), await two.readText('a/x')]).toEqual(['one', 'two'])
    expect(one.location).toBe(urlOf(bench.endpoint, '/one'))
  })
})

describe('a download', () => {
  test('is shared by all who want it at once, kept for the next, and made anew for another version', async () => {
    await lake.put('t/part.parquet', textOfSize(5000, 'one'))

    const copies = await Promise.all(Array.from({ length: 5 }, () => lake.download('t/part.parquet')))
    for (const copy of copies) await copy[Symbol.asyncDispose]()
    await using later = await lake.download('t/part.parquet')
    await lake.put('t/part.parquet', textOfSize(400, 'two'))
    await using newer = await lake.download('t/part.parquet')

    expect(new Set(copies.map(({ file }) => file))).toEqual(new Set([later.file]))
    expect(later.file).toMatch(/\/part\.parquet$/)
    expect(bench.requests.filter(isGet)).toHaveLength(8 + 1)
    expect(await readFile(later.file, 'utf8')).toBe(textOfSize(5000, 'one'))
    expect(await readFile(newer.file, 'utf8')).toBe(textOfSize(400, 'two'))
  })

  test('of an object that is replaced in between is of one version', async () => {
    await lake.put('x', textOfSize(5000, 'old'))
    const { promise, resolve } = Promise.withResolvers<void>()
    const held = befall(isGet, { kind: 'hold', until: promise })

    const downloading = lake.download('x')
    await until('it is under way', () => held.happened === 1)
    await lake.put('x', textOfSize(5000, 'new'))
    resolve()

    await using copy = await downloading
    expect(await readFile(copy.file, 'utf8')).toBe(textOfSize(5000, 'new'))
  })

  test('notices a damaged byte and asks again', async () => {
    await lake.put('x', textOfSize(5000))
    const damaged = befall(isGet, { kind: 'corrupt-answer', atByte: 3 })

    await using copy = await lake.download('x')

    expect([damaged.happened, await readFile(copy.file, 'utf8')]).toEqual([1, textOfSize(5000)])
  })

  test('that fails for good names the object, of all that were asked for at once', async () => {
    await lake.put('t/one', 'one')
    await lake.put('t/two', 'two')
    const isTwo = (request: Target) => isGet(request) && request.path.endsWith('two')
    befall(isTwo, { kind: 'refuse', status: 403, code: 'AuthorizationPermissionMismatch' }, 100)

    await expect(lake.downloadAll(['t/one', 't/two'])).rejects.toMatchObject({
      code: 'LAKE_UNAVAILABLE',
      message: expect.stringContaining('download t/two'),
    })
  })

  test('waits for room within the bound, and never takes more', async () => {
    const directory = join(bench.directory, 'bounded')
    const bounded = await bench.open({ scratch: { directory, limitBytes: 10_000 } })
    for (let n = 0; n < 12; n += 1) await bounded.put(`x${n}`, textOfSize(3000, String(n)))
    const sizes: number[] = []

    await Promise.all(
      Array.from({ length: 12 }, async (_, n) => {
        await using copy = await bounded.download(`x${n}`)
        sizes.push(await bytesBelow(directory))
        expect(await readFile(copy.file, 'utf8')).toBe(textOfSize(3000, String(n)))
      }),
    )

    expect(Math.max(...sizes)).toBeLessThanOrEqual(10_000)
    await bounded[Symbol.asyncDispose]()
    expect(await bytesBelow(directory)).toBe(0)
  })
})

/** What is removed meanwhile does not count. */
async function bytesBelow(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined)
  if (found?.isDirectory() !== true) return found?.size ?? 0
  const names = await readdir(path).catch(() => [])
  const sizes = await Promise.all(names.map((name) => bytesBelow(join(path, name))))
  return sizes.reduce((sum, size) => sum + size, 0)
}

test('an upload of a file of several blocks is that file', async () => {
  const file = join(bench.directory, 'file')
  const big = await bench.open({ tuning: { ...SMALL, blockBytes: MIB, rangeBytes: MIB } })
  const content = textOfSize(3 * MIB + 5)
  await writeFile(file, content)

  await big.upload(file, 'x')

  expect(await readAll('x', big)).toBe(content)
  expect(await readFile(file, 'utf8')).toBe(content)
  await expect(big.upload(join(bench.directory, 'nothing'), 'x')).rejects.toThrow(/ENOENT.*nothing/)
})
