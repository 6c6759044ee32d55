import { startHttp } from '@cinelake/testkit'
import { describe, expect, test } from 'vitest'
import type { FilePlace, PlaceFile, Selection } from '../file-place.ts'
import { openPlace } from '../open.ts'

const of = (...names: string[]): Selection => ({ prefix: '', opens: () => true, takes: () => true, names: () => names })

async function allOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

async function contentOf(place: FilePlace, file: PlaceFile | undefined): Promise<string> {
  if (file === undefined) throw new Error('expected a file')
  return Buffer.concat((await allOf(place.read(file))).map((chunk) => Buffer.from(chunk))).toString()
}

const WHEN = 'Sun, 01 Mar 2026 10:00:00 GMT'

describe('files of an HTTP server', () => {
  test('are asked for by their names, and read', async () => {
    await using server = await startHttp((request, response) => {
      if (request.url !== '/in/%C3%A9t%C3%A9%201.csv') {
        response.writeHead(404).end()
        return
      }
      response.writeHead(200, { 'last-modified': WHEN, etag: '"1"', 'content-length': '3' })
      response.end(request.method === 'HEAD' ? undefined : 'abc')
    })
    await using place = await openPlace(`${server.url}/in`, {}, {})

    const files = await allOf(place.list(of('été 1.csv', 'missing.csv')))

    expect(files).toEqual([{ name: 'été 1.csv', sizeBytes: 3, modifiedMs: Date.parse(WHEN), etag: '"1"' }])
    expect(await contentOf(place, files[0])).toBe('abc')
    await expect(place.delete(files[0]!)).rejects.toMatchObject({ code: 'PLACE_READ_ONLY' })
  })

  test('need neither HEAD nor a length', async () => {
    await using server = await startHttp((request, response) => {
      if (request.method === 'HEAD') {
        response.writeHead(405).end()
        return
      }
      response.write('ab')
      response.end('cd')
    })
    await using place = await openPlace(server.url, {}, {})

    const file = await place.stat('a.csv')

    expect(file).toMatchObject({ sizeBytes: 4 })
    expect(await contentOf(place, file)).toBe('abcd')
  })

  test.each([
    ['a server that knows ranges', true],
    ['a server that sends all again', false],
  ])('go on where a connection broke off: %s', async (_, knowsRanges) => {
    let count = 0
    await using server = await startHttp((request, response) => {
      count += 1
      const from = knowsRanges ? Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0) : 0
      response.writeHead(from > 0 ? 206 : 200, { etag: '"1"', 'content-length': String(10 - from) })
      if (count > 1) {
        response.end('0123456789'.slice(from))
        return
      }
      response.write('0123', () => response.destroy())
    })
    await using place = await openPlace(server.url, {}, {})

    expect(await contentOf(place, { name: 'a.csv', sizeBytes: 10, modifiedMs: 0, etag: '"1"' })).toBe('0123456789')
  })

  test.each([
    ['replaced', 200, { etag: '"2"' }],
    ['removed', 404, {}],
  ])('that are %s meanwhile are noticed', async (_, status, headers) => {
    await using server = await startHttp((_request, response) => void response.writeHead(status, headers).end('abc'))
    await using place = await openPlace(server.url, {}, {})

    await expect(contentOf(place, { name: 'a.csv', sizeBytes: 3, modifiedMs: 0, etag: '"1"' })).rejects.toMatchObject({
      code: 'PLACE_FILE_CHANGED',
      retryable: true,
    })
  })

  test.each([
    [401, 'PLACE_REFUSED', false],
    [403, 'PLACE_FILE_FORBIDDEN', false],
    [503, 'PLACE_UNAVAILABLE', true],
  ])('answered with %d are %s', async (status, code, retryable) => {
    await using server = await startHttp((_request, response) => void response.writeHead(status).end())
    await using place = await openPlace(server.url, { auth: { token: 'SECRET' } }, {})

    const error: unknown = await place.stat('a.csv').catch((thrown: unknown) => thrown)

    expect(error).toMatchObject({ code, retryable })
    expect(String(error)).not.toContain('SECRET')
  })
})

describe('a redirect', () => {
  test('to another server goes without the credentials, and not into a private network', async () => {
    const seen: (string | undefined)[] = []
    await using other = await startHttp((request, response) => {
      seen.push(request.headers.authorization)
      response.end('secret of the network')
    })
    await using server = await startHttp((request, response) => {
      seen.push(request.headers.authorization)
      response.writeHead(302, { location: `${other.url}${request.url ?? ''}` }).end()
    })
    await using place = await openPlace(server.url, { auth: { token: 'T' } }, {})

    await expect(place.stat('a.csv')).rejects.toMatchObject({
      code: 'PLACE_REFUSED',
      context: { reason: 'private address' },
    })
    expect(seen).toEqual(['Bearer T'])
  })

  test('to a name that leads into a private network is refused as well', async () => {
    await using server = await startHttp(
      (_request, response) => void response.writeHead(302, { location: 'http://localhost:1/x' }).end(),
    )
    await using place = await openPlace(server.url, {}, {})

    await expect(place.stat('a.csv')).rejects.toMatchObject({
      code: 'PLACE_REFUSED',
      context: { reason: 'private address' },
    })
  })

  test('within the server is followed, and never for ever', async () => {
    await using server = await startHttp((request, response) => {
      if (request.url === '/b.csv') {
        response.writeHead(200, { 'content-length': '1' }).end('b')
        return
      }
      response.writeHead(302, { location: request.url === '/a.csv' ? '/b.csv' : '/c.csv' }).end()
    })
    await using place = await openPlace(server.url, {}, {})

    expect(await place.stat('a.csv')).toMatchObject({ name: 'a.csv', sizeBytes: 1 })
    await expect(place.stat('c.csv')).rejects.toMatchObject({ code: 'PLACE_REFUSED' })
  })
})
