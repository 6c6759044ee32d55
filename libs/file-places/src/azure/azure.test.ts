import { sha256 } from '@cinelake/core'
import { temporaryDirectory } from '@cinelake/testkit'
import { type AdlsEndpoint, startAdlsEndpoint } from '@cinelake/testkit/adls'
import {
  generateAccountSASQueryParameters,
  AccountSASPermissions,
  AccountSASResourceTypes,
  AccountSASServices,
  ContainerClient,
  SASProtocol,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { FilePlace, PlaceFile, Selection } from '../file-place.ts'
import { openPlace } from '../open.ts'

let stack: AsyncDisposableStack
let endpoint: AdlsEndpoint
let container: ContainerClient
beforeEach(async () => {
  stack = new AsyncDisposableStack()
  const { path: directory } = stack.use(await temporaryDirectory())
  endpoint = stack.use(await startAdlsEndpoint({ directory, containers: ['drops'] }))
  container = new ContainerClient(
    `${endpoint.url}/drops`,
    new StorageSharedKeyCredential(endpoint.account.name, endpoint.account.key),
  )
})
afterEach(() => stack.disposeAsync())

const put = async (name: string, content: string | Buffer) =>
  void (await container.getBlockBlobClient(name).upload(content, Buffer.byteLength(content)))

async function given(
  auth: Parameters<typeof openPlace>[1]['auth'] = { accountKey: endpoint.account.key },
): Promise<FilePlace> {
  const url = `abfs://drops@${endpoint.account.name}.127.0.0.1:${endpoint.port}/shop`
  return stack.use(await openPlace(url, { auth }, {}))
}

const everything: Selection = { prefix: '', opens: () => true, takes: () => true, names: () => undefined }

async function listed(place: FilePlace, wanted: Selection = everything): Promise<PlaceFile[]> {
  return (await allOf(place.list(wanted))).sort((a, b) => (a.name < b.name ? -1 : 1))
}

async function allOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

async function contentOf(place: FilePlace, file: PlaceFile | undefined): Promise<Buffer> {
  if (file === undefined) throw new Error('expected a file')
  return Buffer.concat((await allOf(place.read(file))).map((chunk) => Buffer.from(chunk)))
}

function signature(expiresOn: Date): string {
  return generateAccountSASQueryParameters(
    {
      expiresOn,
      permissions: AccountSASPermissions.parse('rwdlac'),
      resourceTypes: AccountSASResourceTypes.parse('sco').toString(),
      services: AccountSASServices.parse('b').toString(),
      protocol: SASProtocol.HttpsAndHttp,
      version: '2023-11-03',
    },
    new StorageSharedKeyCredential(endpoint.account.name, endpoint.account.key),
  ).toString()
}

describe('files of a storage account', () => {
  test('are listed below the folder, without its directories, and read byte for byte', async () => {
    const bytes = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, index) => (index * 31) % 256))
    await put('shop/a/été 1.csv', bytes)
    await put('shop/empty.csv', '')
    await put('other/b.csv', 'no')
    const place = await given()

    const files = await listed(place)

    expect(files.map(({ name, sizeBytes }) => [name, sizeBytes])).toEqual([
      ['a/été 1.csv', 300_000],
      ['empty.csv', 0],
    ])
    expect(sha256(await contentOf(place, files[0]))).toBe(sha256(bytes))
    expect(await contentOf(place, files[1])).toHaveLength(0)
    expect(await place.stat('a/été 1.csv')).toEqual(files[0])
    expect(await place.stat('a')).toBeUndefined()
  })

  test('are listed page by page, all of them', async () => {
    const { path: directory } = stack.use(await temporaryDirectory())
    const paged = stack.use(await startAdlsEndpoint({ directory, containers: ['drops'], pageSize: 7 }))
    const url = `abfs://drops@${paged.account.name}.127.0.0.1:${paged.port}`
    const place = stack.use(await openPlace(url, { auth: { accountKey: paged.account.key } }, {}))
    for (let at = 0; at < 50; at++) await place.write(`day/${at}.csv`, chunksOf(`${at}`))

    expect(await listed(place)).toHaveLength(50)
  })

  test('may be read with a shared access signature, which no message shows', async () => {
    await put('shop/a.csv', 'x')
    const place = await given({ sas: `?${signature(new Date(Date.now() + 600_000))}` })

    expect(await contentOf(place, (await listed(place))[0])).toEqual(Buffer.from('x'))
    expect(place.location).not.toContain('sig')
  })

  test('are refused with a signature that has expired, for good and without showing it', async () => {
    const sas = signature(new Date(Date.now() - 60_000))
    const place = await given({ sas })

    const error: unknown = await listed(place).catch((thrown: unknown) => thrown)

    expect(error).toMatchObject({
      code: 'PLACE_REFUSED',
      retryable: false,
      message: expect.stringContaining('has not expired'),
    })
    expect(JSON.stringify([error, String(error)])).not.toContain(new URLSearchParams(sas).get('sig'))
  })

  test('of a container that is not there are an error', async () => {
    const url = `abfs://nowhere@${endpoint.account.name}.127.0.0.1:${endpoint.port}`
    const place = stack.use(await openPlace(url, { auth: { accountKey: endpoint.account.key } }, {}))

    await expect(listed(place)).rejects.toMatchObject({ code: 'PLACE_MISSING', retryable: false })
  })
})

describe('while a file is read', () => {
  test('a connection that breaks off is opened again where it was', async () => {
    const bytes = Buffer.alloc(200_000, 'abcdefg')
    await put('shop/a.csv', bytes)
    const place = await given()
    const [file] = await listed(place)
    const cut = endpoint.faults.add({
      when: ({ method, path }) => method === 'GET' && path === 'shop/a.csv',
      times: 2,
      mishap: { kind: 'cut-answer', afterBytes: 70_000 },
    })

    expect((await contentOf(place, file)).equals(bytes)).toBe(true)
    expect(cut.happened).toBe(2)
  })

  test('a connection that breaks off each time is tried again later', async () => {
    await put('shop/a.csv', 'abc')
    const place = await given()
    const [file] = await listed(place)
    endpoint.faults.add({
      when: ({ method, path }) => method === 'GET' && path === 'shop/a.csv',
      times: 1000,
      mishap: { kind: 'cut-answer', afterBytes: 0 },
    })

    await expect(contentOf(place, file)).rejects.toMatchObject({ code: 'PLACE_UNAVAILABLE', retryable: true })
  })

  test.each([
    ['replaced', async () => await put('shop/a.csv', 'other'), /written to or replaced/],
    ['removed', async () => void (await container.getBlobClient('shop/a.csv').delete()), /removed/],
  ])('a file that is %s is noticed', async (_, change, words) => {
    await put('shop/a.csv', 'first')
    const place = await given()
    const [file] = await listed(place)

    await change()

    await expect(contentOf(place, file)).rejects.toMatchObject({
      code: 'PLACE_FILE_CHANGED',
      retryable: true,
      message: expect.stringMatching(words),
    })
  })

  test('an empty file that was filled is noticed', async () => {
    await put('shop/a.csv', '')
    const place = await given()
    const [file] = await listed(place)
    await put('shop/a.csv', 'x')

    await expect(contentOf(place, file)).rejects.toMatchObject({ code: 'PLACE_FILE_CHANGED' })
  })

  test('a file that may not be read is told apart from credentials that are not accepted', async () => {
    await put('shop/a.csv', 'x')
    const place = await given()
    const [file] = await listed(place)
    const isReading = ({ method, path }: { method: string; path: string }) => method === 'GET' && path === 'shop/a.csv'
    endpoint.faults.add({
      when: isReading,
      mishap: { kind: 'refuse', status: 403, code: 'AuthorizationPermissionMismatch' },
    })
    endpoint.faults.add({ when: isReading, mishap: { kind: 'refuse', status: 403, code: 'AuthenticationFailed' } })

    await expect(contentOf(place, file)).rejects.toMatchObject({ code: 'PLACE_FILE_FORBIDDEN' })
    await expect(contentOf(place, file)).rejects.toMatchObject({ code: 'PLACE_REFUSED' })
  })
})

describe('a file that has landed', () => {
  test('is moved, unless the name is taken or it is another version', async () => {
    await put('shop/a.csv', '1')
    await put('shop/done/b.csv', 'taken')
    await put('shop/b.csv', '2')
    const place = await given()
    const [a, b] = await listed(place)

    expect(await place.move(a!, 'archive/2026/a.csv')).toBe('moved')
    expect(await place.move(b!, 'done/b.csv')).toBe('taken')
    expect(await place.move(a!, 'done/c.csv')).toBe('gone')
    await put('shop/b.csv', 'newer')
    expect(await place.move(b!, 'done/c.csv')).toBe('gone')
    expect((await listed(place)).map(({ name }) => name)).toEqual(['archive/2026/a.csv', 'b.csv', 'done/b.csv'])
  })

  test('is deleted in the version that landed only', async () => {
    await put('shop/a.csv', '1')
    await put('shop/b.csv', '2')
    const place = await given()
    const [a, b] = await listed(place)
    await put('shop/b.csv', 'newer')

    for (const file of [a, a, b]) await place.delete(file!)

    expect((await listed(place)).map(({ name }) => name)).toEqual(['b.csv'])
  })
})

describe('an address', () => {
  test.each([
    ['abfss://drops@acme.dfs.core.windows.net/shop?sv=1&sig=SECRET', {}, 'auth: { sas: … }'],
    ['abfs://drops@acme.127.0.0.1:1/shop', {}, 'a token is sent with TLS only'],
    ['abfss://acme', {}, 'expected abfss://CONTAINER@ACCOUNT'],
    [
      'abfss://drops@acme.dfs.core.windows.net',
      { connectionString: 'AccountName=other;AccountKey=SECRET' },
      'another account',
    ],
  ])('%s is told what is wrong with it, without its secrets', async (url, auth, words) => {
    const error: unknown = await openPlace(url, { auth }, {}).catch((thrown: unknown) => thrown)

    expect(error).toMatchObject({ code: 'PLACE_ADDRESS_INVALID', message: expect.stringContaining(words) })
    expect(String(error)).not.toContain('SECRET')
  })
})

async function* chunksOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}
