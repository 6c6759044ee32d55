import {
  BlobServiceClient,
  BlockBlobClient,
  ContainerSASPermissions,
  generateAccountSASQueryParameters,
  AccountSASPermissions,
  AccountSASResourceTypes,
  AccountSASServices,
  generateBlobSASQueryParameters,
  newPipeline,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import { DataLakeServiceClient, type DataLakeFileSystemClient } from '@azure/storage-file-datalake'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { appendFile, readdir } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../temporary-directory.ts'
import { until } from '../until.ts'
import {
  startAdlsEndpoint,
  type AdlsEndpoint,
  type AdlsEndpointOptions,
  type Mishap,
  type SeenRequest,
} from './endpoint.ts'

let stack: AsyncDisposableStack
let directory: string
beforeEach(async () => {
  stack = new AsyncDisposableStack()
  directory = stack.use(await temporaryDirectory()).path
})
afterEach(() => stack.disposeAsync())

const ONE_TRY = { retryOptions: { maxTries: 1 } }

const start = async (options: Partial<AdlsEndpointOptions> = {}) =>
  stack.use(await startAdlsEndpoint({ directory, containers: ['lake'], ...options }))
const keyOf = ({ account }: AdlsEndpoint) => new StorageSharedKeyCredential(account.name, account.key)
const blobsOf = (endpoint: AdlsEndpoint, options = ONE_TRY) =>
  new BlobServiceClient(endpoint.url, keyOf(endpoint), options).getContainerClient('lake')
const pathsOf = (endpoint: AdlsEndpoint) =>
  new DataLakeServiceClient(endpoint.url, keyOf(endpoint), ONE_TRY).getFileSystemClient('lake')

const idOf = (number: number) => Buffer.from(String(number).padStart(8, '0')).toString('base64')
const put = async (blob: BlockBlobClient, text: string, conditions = {}) =>
  await blob.upload(text, Buffer.byteLength(text), { conditions })
const textOf = async (blob: { downloadToBuffer(): Promise<Buffer> }) => (await blob.downloadToBuffer()).toString()
async function namesIn(lake: DataLakeFileSystemClient, options: Parameters<DataLakeFileSystemClient['listPaths']>[0]) {
  const names: string[] = []
  for await (const { name = '', isDirectory } of lake.listPaths(options)) names.push(isDirectory ? `${name}/` : name)
  return names
}

describe('SDK protocol tests against the loopback endpoint: the Data Lake API', () => {
  test('a file is created, appended to, flushed, read, described and deleted', async () => {
    const file = pathsOf(await start()).getFileClient('a/b/file 1.txt')

    await file.create({ metadata: { run: '42' }, pathHttpHeaders: { contentType: 'text/csv' } })
    await file.append('hello', 0, 5)
    await file.append(' world', 5, 6)
    expect((await file.getProperties()).contentLength).toBe(0)
    await file.flush(11)

    expect((await file.readToBuffer()).toString()).toBe('hello world')
    expect(await file.getProperties()).toMatchObject({
      contentLength: 11,
      contentType: 'text/csv',
      metadata: { run: '42' },
    })
    await file.setMetadata({ run: '43' })
    expect((await file.getProperties()).metadata).toEqual({ run: '43' })
    await file.delete()
    expect(await file.exists()).toBe(false)
    expect((await file.deleteIfExists()).succeeded).toBe(false)
  })

  test('a flush that leaves a gap is refused', async () => {
    const file = pathsOf(await start()).getFileClient('x')
    await file.create()
    await file.append('hello', 3, 5)

    await expect(file.flush(8)).rejects.toMatchObject({ statusCode: 400, code: 'InvalidFlushPosition' })
    await expect(file.flush(3)).rejects.toMatchObject({ code: 'InvalidFlushPosition' })
  })

  test('a large upload in parallel pieces is put together', async () => {
    const file = pathsOf(await start()).getFileClient('big.bin')
    const content = Buffer.alloc(3_000_000, 'cinelake ')

    await file.upload(content, { chunkSize: 200_000, maxConcurrency: 5, singleUploadThreshold: 200_000 })

    expect((await file.readToBuffer()).equals(content)).toBe(true)
  })

  test('a rename moves a file or a directory in one step, and overwrites only where that is allowed', async () => {
    const lake = pathsOf(await start())
    await lake.getFileClient('a/one.txt').upload(Buffer.from('one'))
    await lake.getFileClient('two.txt').upload(Buffer.from('two'))
    const ifNoneMatch = { destinationConditions: { ifNoneMatch: '*' } }

    await expect(lake.getFileClient('two.txt').move('a/one.txt', ifNoneMatch)).rejects.toMatchObject({
      statusCode: 409,
      code: 'PathAlreadyExists',
    })
    await lake.getFileClient('two.txt').move('a/one.txt')
    await lake.getDirectoryClient('a').move('b')

    expect(await namesIn(lake, { recursive: true })).toEqual(['b/', 'b/one.txt'])
    expect((await lake.getFileClient('b/one.txt').readToBuffer()).toString()).toBe('two')
    await expect(lake.getFileClient('two.txt').move('c')).rejects.toMatchObject({ code: 'SourcePathNotFound' })
  })

  test('paths are listed by segments, in pages, whole or by directory, from any point on', async () => {
    const endpoint = await start({ pageSize: 3 })
    const lake = pathsOf(endpoint)
    for (const path of ['A/dat1', 'A-B/dat2', 'A.C', 'AB/dat4', 'AB.txt', 'b']) await lake.getFileClient(path).create()

    // The order that accounts with a hierarchical namespace have, as reported in Azure/azure-sdk-for-go#24210.
    expect(await namesIn(lake, { recursive: true })).toEqual(
      'A/ A/dat1 A-B/ A-B/dat2 A.C AB/ AB/dat4 AB.txt b'.split(' '),
    )
    expect(await namesIn(lake, { recursive: false })).toEqual(['A/', 'A-B/', 'A.C', 'AB/', 'AB.txt', 'b'])
    expect(await namesIn(lake, { recursive: false, startFrom: 'A.C' })).toEqual(['A.C', 'AB/', 'AB.txt', 'b'])
    expect(await namesIn(lake, { path: 'A-B' })).toEqual(['A-B/dat2'])
    await expect(namesIn(lake, { path: 'nothing' })).rejects.toMatchObject({ code: 'PathNotFound', statusCode: 404 })
  })

  test('a directory is removed with what is in it only when that is asked for', async () => {
    const lake = pathsOf(await start())
    await lake.getFileClient('a/b/c').create()

    await expect(lake.getDirectoryClient('a').delete(false)).rejects.toMatchObject({ code: 'DirectoryNotEmpty' })
    await lake.getDirectoryClient('a').delete(true)

    expect(await namesIn(lake, { recursive: true })).toEqual([])
  })

  test('file systems are created, listed and deleted', async () => {
    const endpoint = await start()
    const service = new DataLakeServiceClient(endpoint.url, keyOf(endpoint), ONE_TRY)

    await service.getFileSystemClient('more').create()
    const names: string[] = []
    for await (const { name } of service.listFileSystems()) names.push(name)
    await service.getFileSystemClient('more').delete()

    expect(names).toEqual(['lake', 'more'])
    await expect(service.getFileSystemClient('more').getFileClient('x').create()).rejects.toMatchObject({
      statusCode: 404,
      code: 'FilesystemNotFound',
    })
  })
})

describe('SDK protocol tests against the loopback endpoint: the Blob API', () => {
  test('of many who put a blob that is absent one creates it', async () => {
    const blob = blobsOf(await start()).getBlockBlobClient('lock')

    const puts = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) => put(blob, `${index}`, { ifNoneMatch: '*' })),
    )

    const winners = puts.flatMap(({ status }, index) => (status === 'fulfilled' ? [String(index)] : []))
    expect(winners).toEqual([await textOf(blob)])
    expect(puts.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { statusCode: 409, code: 'BlobAlreadyExists' },
    })
  })

  test('blocks show when they are committed; those that were not named are gone', async () => {
    const blob = blobsOf(await start()).getBlockBlobClient('a/b')
    for (const number of [3, 1, 2]) await blob.stageBlock(idOf(number), `block ${number} `, 8)
    expect(await blob.exists()).toBe(false)
    expect((await blob.getBlockList('uncommitted')).uncommittedBlocks?.map(({ size }) => size)).toEqual([8, 8, 8])

    await blob.commitBlockList([idOf(1), idOf(2)])

    expect(await textOf(blob)).toBe('block 1 block 2 ')
    expect((await blob.getBlockList('all')).committedBlocks?.map(({ name }) => name)).toEqual([idOf(1), idOf(2)])
    await expect(blob.commitBlockList([idOf(3)])).rejects.toMatchObject({ code: 'InvalidBlockList' })
    await blob.commitBlockList([idOf(2), idOf(1)])
    expect(await textOf(blob)).toBe('block 2 block 1 ')
  })

  test('bytes that are not those of the checksum are refused', async () => {
    const blob = blobsOf(await start()).getBlockBlobClient('x')
    const transactionalContentMD5 = createHash('md5').update('other').digest()

    await expect(blob.stageBlock(idOf(1), 'hello', 5, { transactionalContentMD5 })).rejects.toMatchObject({
      statusCode: 400,
      code: 'Md5Mismatch',
    })
  })

  test('a range comes with its own checksum and that of the whole', async () => {
    const blob = blobsOf(await start()).getBlockBlobClient('x')
    for (const number of [1, 2]) await blob.stageBlock(idOf(number), `block ${number} `, 8)
    await blob.commitBlockList([idOf(1), idOf(2)], { blobHTTPHeaders: { blobContentMD5: Buffer.alloc(16, 7) } })

    const range = await blob.download(6, 4, { rangeGetContentMD5: true })

    // Read to its end: a stream that is left open fails when the server ends.
    expect(await text(range.readableStreamBody!)).toBe('1 bl')
    expect(Buffer.from(range.contentMD5 ?? []).equals(createHash('md5').update('1 bl').digest())).toBe(true)
    expect(Buffer.from(range.blobContentMD5 ?? []).equals(Buffer.alloc(16, 7))).toBe(true)
    expect(range.contentRange).toBe('bytes 6-9/16')
    await expect(blob.download(16, 1)).rejects.toMatchObject({ statusCode: 416 })
  })

  test('what holds for one version does not hold for the next', async () => {
    const blob = blobsOf(await start()).getBlockBlobClient('x')
    const { etag = '' } = await put(blob, 'one')
    await put(blob, 'two', { ifMatch: etag })

    await expect(put(blob, 'three', { ifMatch: etag })).rejects.toMatchObject({ statusCode: 412 })
    await expect(blob.delete({ conditions: { ifMatch: etag } })).rejects.toMatchObject({ statusCode: 412 })
    await expect(blob.download(0, 1, { conditions: { ifMatch: etag } })).rejects.toMatchObject({ statusCode: 412 })
    await blob.delete()
    await expect(blob.delete()).rejects.toMatchObject({ statusCode: 404, code: 'BlobNotFound' })
  })

  test('a directory looks like an empty blob that says what it is; nothing can be put over or below what differs', async () => {
    const lake = blobsOf(await start())
    await put(lake.getBlockBlobClient('a/b'), 'x')

    expect((await lake.getBlobClient('a').getProperties()).metadata).toEqual({ hdi_isfolder: 'true' })
    await expect(put(lake.getBlockBlobClient('a'), 'x')).rejects.toMatchObject({ statusCode: 409 })
    await expect(put(lake.getBlockBlobClient('a/b/c'), 'x')).rejects.toMatchObject({ statusCode: 409 })
  })
})

describe('who may come in', () => {
  test('is who has the account’s key', async () => {
    const endpoint = await start()
    const forged = new StorageSharedKeyCredential(endpoint.account.name, Buffer.from('other').toString('base64'))
    const lake = new BlobServiceClient(endpoint.url, forged, ONE_TRY).getContainerClient('lake')

    await expect(put(lake.getBlockBlobClient('x'), 'x')).rejects.toMatchObject({
      statusCode: 403,
      code: 'AuthenticationFailed',
    })
  })

  test('is who has a signature for the container, for what it permits and as long as it is valid', async () => {
    const endpoint = await start()
    const sasUntil = (expiresOn: Date, permissions = 'rcw') =>
      generateBlobSASQueryParameters(
        { containerName: 'lake', permissions: ContainerSASPermissions.parse(permissions), expiresOn },
        keyOf(endpoint),
      ).toString()
    const blobWith = (sas: string) =>
      new BlockBlobClient(`${endpoint.url}/lake/x?${sas}`, newPipeline(undefined, ONE_TRY))
    const soon = new Date(Date.now() + 60_000)

    await put(blobWith(sasUntil(soon)), 'hello')

    expect(await textOf(blobWith(sasUntil(soon)))).toBe('hello')
    await expect(blobWith(sasUntil(soon)).delete()).rejects.toMatchObject({ code: 'AuthorizationPermissionMismatch' })
    await expect(blobWith(sasUntil(new Date(1))).download()).rejects.toMatchObject({ statusCode: 403 })
    await expect(blobWith(sasUntil(soon).replace('sp=rcw', 'sp=rcwd')).delete()).rejects.toMatchObject({
      code: 'AuthenticationFailed',
    })
  })

  test('is who has a signature for the account', async () => {
    const endpoint = await start()
    const sas = generateAccountSASQueryParameters(
      {
        permissions: AccountSASPermissions.parse('rwdlac'),
        services: AccountSASServices.parse('b').toString(),
        resourceTypes: AccountSASResourceTypes.parse('sco').toString(),
        expiresOn: new Date(Date.now() + 60_000),
      },
      keyOf(endpoint),
    ).toString()
    const blob = new BlockBlobClient(`${endpoint.url}/lake/a/x?${sas}`, newPipeline(undefined, ONE_TRY))
    const lake = new DataLakeServiceClient(`${endpoint.url}?${sas}`, undefined, ONE_TRY).getFileSystemClient('lake')

    await put(blob, 'hello')

    expect(await namesIn(lake, { path: 'a' })).toEqual(['a/x'])
  })

  test('may name the account in the host instead of the path', async () => {
    const endpoint = await start()
    await put(blobsOf(endpoint).getBlockBlobClient('a b'), 'hello')
    const sas = generateBlobSASQueryParameters(
      {
        containerName: 'lake',
        permissions: ContainerSASPermissions.parse('r'),
        expiresOn: new Date(Date.now() + 60_000),
      },
      keyOf(endpoint),
    ).toString()

    const answer = await rawRequest(
      endpoint.port,
      `GET /lake/a%20b?${sas} HTTP/1.1\r\nHost: ${endpoint.account.name}.lake.test:${endpoint.port}\r\nConnection: close\r\n\r\n`,
    )

    expect(answer).toMatch(/^HTTP\/1\.1 200 [^]*hello$/)
  })
})

describe('what is kept', () => {
  test('is there after a restart, blocks that wait for their commit too; a half-written line is not', async () => {
    const before = await startAdlsEndpoint({ directory, containers: ['lake'] })
    await put(blobsOf(before).getBlockBlobClient('a/b'), 'hello')
    await blobsOf(before).getBlockBlobClient('c').stageBlock(idOf(1), 'block', 5)
    await before[Symbol.asyncDispose]()
    await appendFile(join(directory, 'journal.ndjson'), '[{"op":"remove","container":"lake","path":"a/b"')

    const after = await start()
    await blobsOf(after)
      .getBlockBlobClient('c')
      .commitBlockList([idOf(1)])

    expect(await textOf(blobsOf(after).getBlobClient('a/b'))).toBe('hello')
    expect(await textOf(blobsOf(after).getBlobClient('c'))).toBe('block')
  })

  test('is no more than is needed: bytes that were replaced, deleted or never committed go', async () => {
    const endpoint = await start()
    const lake = blobsOf(endpoint)
    const bytesKept = async () => (await readdir(join(directory, 'blocks'))).length
    await put(lake.getBlockBlobClient('x'), 'one')
    await put(lake.getBlockBlobClient('x'), 'two')
    await put(lake.getBlockBlobClient('y'), 'gone')
    await lake.getBlockBlobClient('y').delete()
    await lake.getBlockBlobClient('x').stageBlock(idOf(1), 'a', 1)
    await put(lake.getBlockBlobClient('x'), 'three')

    await until('one block is left', async () => (await bytesKept()) === 1)
    expect(await textOf(lake.getBlobClient('x'))).toBe('three')
  })

  test('is served by the program too, which makes its containers and says when it is well', async () => {
    const child = spawn(process.execPath, ['--conditions=@cinelake/source', join(import.meta.dirname, 'main.ts')], {
      env: { ...process.env, PORT: '0', ADLS_DIRECTORY: directory, ADLS_CONTAINERS: 'lake,other' },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    child.stdout.on('data', (data) => (output += String(data)))
    await until('it serves', () => /on port \d+\n/.test(output))
    const port = Number(/on port (\d+)/.exec(output)?.[1])

    const health = await fetch(`http://127.0.0.1:${port}/health`)
    child.kill('SIGTERM')
    await until('it has ended', () => child.exitCode !== null)

    expect([health.status, child.exitCode]).toEqual([200, 0])
    const after = await start({ containers: [] })
    expect(await pathsOf(after).exists()).toBe(true)
  })
})

describe('what goes wrong on request', () => {
  const onPut = (mishap: Mishap) => ({ when: ({ method }: { method: string }) => method === 'PUT', mishap })

  test('a refusal changes nothing and says when to come again', async () => {
    const endpoint = await start()
    const blob = blobsOf(endpoint).getBlockBlobClient('x')
    const refusal = endpoint.faults.add(
      onPut({ kind: 'refuse', status: 503, code: 'ServerBusy', retryAfterSeconds: 2 }),
    )

    await expect(put(blob, 'x')).rejects.toMatchObject({
      statusCode: 503,
      code: 'ServerBusy',
      response: { headers: expect.toSatisfy((headers: Headers) => headers.get('retry-after') === '2') },
    })
    expect([refusal.happened, await blob.exists()]).toEqual([1, false])
  })

  test('a lost answer leaves the work done', async () => {
    const endpoint = await start()
    const blob = blobsOf(endpoint).getBlockBlobClient('x')
    endpoint.faults.add(onPut({ kind: 'lose-answer' }))

    await expect(put(blob, 'hello')).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(await textOf(blob)).toBe('hello')
  })

  test('a connection that is cut on the way in leaves nothing; bytes are counted', async () => {
    const requests: SeenRequest[] = []
    const endpoint = await start({ onRequest: (request) => requests.push(request) })
    const blob = blobsOf(endpoint).getBlockBlobClient('x')
    endpoint.faults.add(onPut({ kind: 'cut-request', afterBytes: 100_000 }))

    await expect(put(blob, 'x'.repeat(1_000_000))).rejects.toMatchObject({ statusCode: undefined })

    expect(await blob.exists()).toBe(false)
    await until('nothing is kept', async () => (await readdir(join(directory, 'blocks'))).length === 0)
    const seen = requests.find(({ method }) => method === 'PUT')?.bodyBytes ?? 0
    expect(seen).toBeGreaterThanOrEqual(100_000)
    expect(seen).toBeLessThan(1_000_000)
  })

  test('a byte that is turned over is noticed by who checks', async () => {
    const endpoint = await start()
    const blob = blobsOf(endpoint).getBlockBlobClient('x')
    await put(blob, 'hello')
    endpoint.faults.add({ when: ({ method }) => method === 'GET', mishap: { kind: 'corrupt-answer', atByte: 4 } })
    endpoint.faults.add(onPut({ kind: 'corrupt-request', atByte: 0 }))

    expect(await textOf(blob)).toBe('helln')
    const transactionalContentMD5 = createHash('md5').update('y').digest()
    await expect(blob.stageBlock(idOf(1), 'y', 1, { transactionalContentMD5 })).rejects.toMatchObject({
      code: 'Md5Mismatch',
    })
  })

  test('a request that is held begins when it is let go', async () => {
    const endpoint = await start()
    const blob = blobsOf(endpoint).getBlockBlobClient('x')
    const { promise, resolve } = Promise.withResolvers<void>()
    const held = endpoint.faults.add(onPut({ kind: 'hold', until: promise }))

    const putting = put(blob, 'x')
    await until('it is held', () => held.happened === 1)
    const meanwhile = await blob.exists()
    resolve()
    await putting

    expect([meanwhile, await blob.exists()]).toEqual([false, true])
  })
})

async function rawRequest(port: number, request: string): Promise<string> {
  const socket = createConnection(port, '127.0.0.1')
  socket.write(request)
  let answer = ''
  for await (const part of socket) answer += String(part)
  return answer
}
