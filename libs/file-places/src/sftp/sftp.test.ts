// @module-tag slow: an SSH server
import { sha256 } from '@cinelake/core'
import { fingerprintOf, type SftpServer, startSftpServer, withoutSftpServer } from '@cinelake/testkit/sftp'
import { mkdir, readdir, readFile, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, test } from 'vitest'
import type { FilePlace, PlaceFile, Selection } from '../file-place.ts'
import { openPlace } from '../open.ts'
import type { PlaceAccess } from '../place-address.ts'

const everything: Selection = { prefix: '', opens: () => true, takes: () => true, names: () => undefined }

describe.skipIf(withoutSftpServer !== undefined)(`SFTP (${withoutSftpServer ?? 'OpenSSH'})`, () => {
  let server: SftpServer
  let folder: string
  let stack: AsyncDisposableStack
  beforeAll(async () => void (server = await startSftpServer()))
  afterAll(async () => await server[Symbol.asyncDispose]())
  beforeEach(async () => {
    stack = new AsyncDisposableStack()
    folder = join(server.directory, crypto.randomUUID())
    await mkdir(folder)
  })
  afterEach(() => stack.disposeAsync())

  async function given(access: PlaceAccess = {}, path = folder): Promise<FilePlace> {
    const url = `sftp://${server.user}@127.0.0.1:${server.port}${path}`
    const auth = { privateKey: server.privateKey }
    return stack.use(await openPlace(url, { auth, hostKeys: [server.hostKeys[0]], ...access }, {}))
  }

  test('lists files in folders below and reads them byte for byte', async () => {
    const bytes = Buffer.from(Uint8Array.from({ length: 3_000_001 }, (_, index) => (index * 31) % 256))
    await mkdir(join(folder, 'a/b'), { recursive: true })
    await writeFile(join(folder, 'a/b/été 1.csv'), bytes)
    await writeFile(join(folder, 'empty.csv'), '')
    await symlink(join(folder, 'empty.csv'), join(folder, 'link.csv'))
    const place = await given()

    const files = await listed(place)

    expect(files.map(({ name, sizeBytes }) => [name, sizeBytes])).toEqual([
      ['a/b/été 1.csv', 3_000_001],
      ['empty.csv', 0],
      ['link.csv', 0],
    ])
    expect(sha256(await contentOf(place, files[0]))).toBe(sha256(bytes))
    expect(await contentOf(place, files[1])).toHaveLength(0)
    expect(await place.stat('empty.csv')).toEqual(files[1])
    expect(await place.stat('a')).toBeUndefined()
    expect(await place.stat('no.csv')).toBeUndefined()
  })

  test('lists a folder of 5,000 files', async () => {
    for (let at = 0; at < 5000; at++) await writeFile(join(folder, `${at}.csv`), 'x')

    expect(await listed(await given())).toHaveLength(5000)
  })

  test('a folder that is not there is an error', async () => {
    const place = await given({}, `${folder}/nowhere`)

    await expect(listed(place)).rejects.toMatchObject({ code: 'PLACE_MISSING', retryable: false })
  })

  test.each([
    ['public key', 0, (key: string) => key],
    ['fingerprint', 0, fingerprintOf],
    ['fingerprint of another kind of key than the server prefers', 1, fingerprintOf],
  ])('the host key may be declared as %s', async (_, at, declare) => {
    expect(await listed(await given({ hostKeys: [declare(server.hostKeys[at]!)] }))).toEqual([])
  })

  test('another host key is refused before anything is sent, with the fingerprints that the server has', async () => {
    const place = await given({ hostKeys: [`SHA256:${'A'.repeat(43)}`] })

    await expect(listed(place)).rejects.toMatchObject({
      code: 'PLACE_HOST_KEY_UNKNOWN',
      retryable: false,
      message: expect.stringContaining(fingerprintOf(server.hostKeys[0])),
      context: { seen: expect.stringContaining(fingerprintOf(server.hostKeys[1])) },
    })
  })

  test('no declared host key is refused as well', async () => {
    await expect(listed(await given({ hostKeys: [] }))).rejects.toMatchObject({ code: 'PLACE_HOST_KEY_UNKNOWN' })
  })

  test.each([
    ['a password that is wrong', { password: 'SECRET' }],
    ['a private key that is none', { privateKey: 'SECRET' }],
  ])('%s is refused for good, and not shown', async (_, auth) => {
    const error: unknown = await listed(await given({ auth })).catch((thrown: unknown) => thrown)

    expect(error).toMatchObject({ code: 'PLACE_REFUSED', retryable: false })
    expect(String(error)).not.toContain('SECRET')
  })

  test('a server that is not there is tried again', async () => {
    const nothing = createServer().listen(0, '127.0.0.1')
    await once(nothing, 'listening')
    const { port } = nothing.address() as AddressInfo
    nothing.close()
    await once(nothing, 'close')
    const access = { auth: { password: 'x' }, hostKeys: ['SHA256:x'] }
    const place = stack.use(await openPlace(`sftp://me@127.0.0.1:${port}/in`, access, {}))

    await expect(listed(place)).rejects.toMatchObject({ code: 'PLACE_UNAVAILABLE', retryable: true })
  })

  test('a connection that breaks off while a file is read is opened again where it was', async () => {
    const bytes = Buffer.alloc(8_000_000, 'abcdefg')
    await writeFile(join(folder, 'a.csv'), bytes)
    const place = await given()
    const [file] = await listed(place)

    const parts: Buffer[] = []
    let isCut = false
    for await (const chunk of place.read(file!)) {
      parts.push(Buffer.from(chunk))
      if (!isCut) await server.cutConnections()
      isCut = true
    }

    expect(Buffer.concat(parts).equals(bytes)).toBe(true)
  })

  test.each([
    ['replaced by another', async () => await replace('a.csv', 'x'.repeat(500_000)), /written to or replaced/],
    ['written to', async () => await writeFile(join(folder, 'a.csv'), 'short'), /its size went from 500000 to/],
    ['removed', async () => await rm(join(folder, 'a.csv')), /removed/],
  ])('a file that is %s while it is read is noticed', async (_, change, words) => {
    await writeFile(join(folder, 'a.csv'), 'o'.repeat(500_000))
    const place = await given()
    const [file] = await listed(place)

    const reading = (async () => {
      let isChanged = false
      for await (const _chunk of place.read(file!)) {
        if (!isChanged) await change()
        isChanged = true
      }
    })()

    await expect(reading).rejects.toMatchObject({
      code: 'PLACE_FILE_CHANGED',
      retryable: true,
      message: expect.stringMatching(words),
    })
  })

  test('a file that vanishes between listing and reading is noticed', async () => {
    await writeFile(join(folder, 'a.csv'), 'x')
    const place = await given()
    const [file] = await listed(place)
    await rm(join(folder, 'a.csv'))

    await expect(contentOf(place, file)).rejects.toMatchObject({ code: 'PLACE_FILE_CHANGED' })
  })

  test('a file that has landed is moved, unless the name is taken or it is another version', async () => {
    await writeFile(join(folder, 'a.csv'), '1')
    await writeFile(join(folder, 'b.csv'), '2')
    const place = await given()
    const [a, b] = await listed(place)

    expect(await place.move(a!, 'done/2026/a.csv')).toBe('moved')
    expect(await place.move(b!, 'done/2026/a.csv')).toBe('taken')
    expect(await place.move(a!, 'done/c.csv')).toBe('gone')
    await replace('b.csv', 'newer')
    expect(await place.move(b!, 'done/b.csv')).toBe('gone')
    await place.delete(b!)
    expect((await listed(place)).map(({ name }) => name)).toEqual(['b.csv', 'done/2026/a.csv'])
    await place.delete((await place.stat('b.csv'))!)
    expect((await readdir(folder)).sort()).toEqual(['done'])
  })

  test('a file is written whole, in the place of an older one', async () => {
    await writeFile(join(folder, 'a.csv'), 'old')
    const place = await given()
    const broken = async function* () {
      yield Buffer.from('new, and then')
      throw new Error('broken')
    }

    await expect(place.write('a.csv', broken())).rejects.toThrow('broken')
    expect(await readFile(join(folder, 'a.csv'), 'utf8')).toBe('old')
    await place.write('x/b.csv', chunksOf('new'))
    await place.write('a.csv', chunksOf('new'))
    expect(await readFile(join(folder, 'a.csv'), 'utf8')).toBe('new')
    expect(await readFile(join(folder, 'x/b.csv'), 'utf8')).toBe('new')
  })

  async function replace(name: string, content: string): Promise<void> {
    const other = join(folder, `.${name}`)
    await writeFile(other, content)
    // Times of this protocol have whole seconds.
    await utimes(other, new Date(), new Date(Date.now() + 5000))
    await rename(other, join(folder, name))
  }
})

async function allOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

async function listed(place: FilePlace): Promise<PlaceFile[]> {
  return (await allOf(place.list(everything))).sort((a, b) => (a.name < b.name ? -1 : 1))
}

async function contentOf(place: FilePlace, file: PlaceFile | undefined): Promise<Buffer> {
  if (file === undefined) throw new Error('expected a file')
  return Buffer.concat((await allOf(place.read(file))).map((chunk) => Buffer.from(chunk)))
}

async function* chunksOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}
