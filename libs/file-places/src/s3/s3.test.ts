// @module-tag slow: a server in another language
import { CreateBucketCommand, DeleteObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { sha256 } from '@cinelake/core'
import { startHttp } from '@cinelake/testkit'
import { type S3Server, startS3Server, withoutS3Server } from '@cinelake/testkit/s3'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { FilePlace, PlaceFile, Selection } from '../file-place.ts'
import { openPlace } from '../open.ts'

const everything: Selection = { prefix: '', opens: () => true, takes: () => true, names: () => undefined }
const auth = { keyId: 'someone', secretKey: 'SECRET' }

describe.skipIf(withoutS3Server !== undefined)(`S3 (${withoutS3Server ?? 'moto'})`, () => {
  let server: S3Server
  let client: S3Client
  let bucket: string
  let stack: AsyncDisposableStack
  beforeAll(async () => {
    server = await startS3Server()
    const credentials = { accessKeyId: 'someone', secretAccessKey: 'SECRET' }
    client = new S3Client({ endpoint: server.endpoint, region: 'us-east-1', forcePathStyle: true, credentials })
  })
  afterAll(async () => await server[Symbol.asyncDispose]())
  beforeEach(async () => {
    stack = new AsyncDisposableStack()
    bucket = crypto.randomUUID()
    await client.send(new CreateBucketCommand({ Bucket: bucket }))
  })
  afterEach(() => stack.disposeAsync())

  const given = async (path = `${bucket}/shop`): Promise<FilePlace> =>
    stack.use(await openPlace(`s3://${path}`, { auth, endpoint: server.endpoint }, {}))
  const put = async (Key: string, Body: string | Buffer) =>
    void (await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: Buffer.from(Body) })))

  test('lists objects below a folder and reads them byte for byte', async () => {
    const bytes = Buffer.from(Uint8Array.from({ length: 300_001 }, (_, index) => (index * 31) % 256))
    await put('shop/a/été 1+2.csv', bytes)
    await put('shop/empty.csv', '')
    await put('shop/folder/', '')
    await put('other/b.csv', 'no')
    const place = await given()

    const files = await listed(place)

    expect(files.map(({ name, sizeBytes }) => [name, sizeBytes])).toEqual([
      ['a/été 1+2.csv', 300_001],
      ['empty.csv', 0],
    ])
    expect(sha256(await contentOf(place, files[0]))).toBe(sha256(bytes))
    expect(await contentOf(place, files[1])).toHaveLength(0)
    expect(await place.stat('empty.csv')).toMatchObject({ sizeBytes: 0, etag: files[1]?.etag })
    expect(await place.stat('no.csv')).toBeUndefined()
  })

  test('lists 2,500 objects, page by page', async () => {
    for (let from = 0; from < 2500; from += 50)
      await Promise.all(Array.from({ length: 50 }, async (_, at) => await put(`shop/${from + at}.csv`, 'x')))

    expect(await listed(await given())).toHaveLength(2500)
  })

  test('a bucket that is not there is an error', async () => {
    await expect(listed(await given('nowhere-at-all'))).rejects.toMatchObject({
      code: 'PLACE_MISSING',
      retryable: false,
    })
  })

  test('an object that is replaced or removed since it was found is noticed', async () => {
    await put('shop/a.csv', 'first')
    await put('shop/b.csv', 'x')
    await put('shop/c.csv', '')
    const place = await given()
    const [a, b, c] = await listed(place)
    await put('shop/a.csv', 'other')
    await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'shop/b.csv' }))
    await put('shop/c.csv', 'filled')

    for (const file of [a, b, c])
      await expect(contentOf(place, file)).rejects.toMatchObject({ code: 'PLACE_FILE_CHANGED', retryable: true })
  })

  test('an object that has landed is moved, unless the name is taken or it is another version', async () => {
    await put('shop/a b.csv', '1')
    await put('shop/c.csv', '2')
    const place = await given()
    const [a, c] = await listed(place)

    expect(await place.move(a!, 'done/a b.csv')).toBe('moved')
    expect(await place.move(c!, 'done/a b.csv')).toBe('taken')
    expect(await place.move(a!, 'done/d.csv')).toBe('gone')
    await put('shop/c.csv', 'newer')
    await place.delete(c!)
    expect((await listed(place)).map(({ name }) => name)).toEqual(['c.csv', 'done/a b.csv'])
    await place.delete((await place.stat('c.csv'))!)
    expect((await listed(place)).map(({ name }) => name)).toEqual(['done/a b.csv'])
  })

  test.each([0, 5, 20_000_000])('an object of %d bytes is written whole', async (size) => {
    const bytes = Buffer.alloc(size, 'abcdefg')
    const place = await given()
    const chunks = async function* () {
      for (let at = 0; at < size; at += 700_000) yield bytes.subarray(at, at + 700_000)
    }

    await place.write('a.csv', chunks())

    expect(sha256(await contentOf(place, await place.stat('a.csv')))).toBe(sha256(bytes))
  })
})

describe('a server of S3', () => {
  test('that cuts a connection is asked for the rest', async () => {
    const ranges: (string | undefined)[] = []
    await using server = await startHttp((request, response) => {
      ranges.push(request.headers.range)
      const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
      const whole = Buffer.from('0123456789')
      const etag = '"one"'
      response.writeHead(from === 0 ? 200 : 206, { etag, 'content-length': String(10 - from) })
      if (from > 0) {
        response.end(whole.subarray(from))
        return
      }
      response.write(whole.subarray(0, 4), () => response.destroy())
    })
    await using place = await openPlace('s3://bucket', { auth, endpoint: server.url }, {})

    const content = await contentOf(place, { name: 'a.csv', sizeBytes: 10, modifiedMs: 0, etag: '"one"' })

    expect(content.toString()).toBe('0123456789')
    expect(ranges).toEqual([undefined, 'bytes=4-'])
  })

  test.each([
    [403, 'InvalidAccessKeyId', 'PLACE_REFUSED', false],
    [400, 'ExpiredToken', 'PLACE_REFUSED', false],
    [403, 'AccessDenied', 'PLACE_FILE_FORBIDDEN', false],
    [500, 'InternalError', 'PLACE_UNAVAILABLE', true],
  ])('that answers %d %s is %s', async (status, name, code, retryable) => {
    await using server = await startHttp((_, response) => {
      response.writeHead(status, { 'content-type': 'application/xml' })
      response.end(`<Error><Code>${name}</Code><Message>SECRET</Message></Error>`)
    })
    await using place = await openPlace('s3://bucket', { auth, endpoint: server.url }, {})

    const error: unknown = await contentOf(place, { name: 'a.csv', sizeBytes: 1, modifiedMs: 0, etag: '"1"' }).catch(
      (thrown: unknown) => thrown,
    )

    expect(error).toMatchObject({ code, retryable })
    expect(String(error)).not.toContain('SECRET')
  })
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
