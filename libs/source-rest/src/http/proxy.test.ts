import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { reportError } from '@cinelake/core'
import { selfSignedCertificate, startHttp } from '@cinelake/testkit'
import { startConnectProxy, type ConnectProxyOptions } from '@cinelake/testkit/connect-proxy'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { aRestSource, givenService } from '../source-rest.fixture.ts'
import { proxyFrom } from '@cinelake/core'

let stack: AsyncDisposableStack
beforeEach(() => void (stack = new AsyncDisposableStack()))
afterEach(() => stack.disposeAsync())

/** A name that the proxy knows, and nobody else. */
const HOST = 'api.example.test'
const answer: RequestListener = (_, response) => void response.end('{"data":[{"id":1}]}')
const certificates = selfSignedCertificate(HOST)
const tls = { ca: '${secret:COMPANY_CA}' }

async function startHttps(listener: RequestListener = answer) {
  const server = createServer({ key: certificates.key, cert: certificates.certificate }, listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  stack.defer(() => void server.close())
  stack.defer(() => server.closeAllConnections())
  return `https://${HOST}:${(server.address() as AddressInfo).port}`
}
const startProxy = async (options: ConnectProxyOptions = {}) =>
  stack.use(await startConnectProxy({ resolve: (host) => (host === HOST ? '127.0.0.1' : host), ...options }))

/** What becomes of a dataset whose source has these fields, in a process with these settings. */
async function outcomeOf(fields: Parameters<typeof aRestSource>[0], settings: Record<string, string>) {
  const source = aRestSource({ maxRetries: 1, timeoutMs: 2_000, ...fields })
  const secrets = () => certificates.certificate
  // Nobody but the proxy knows the name.
  const lookup = (name: string, _: object, callback: (error: NodeJS.ErrnoException | null, found: never[]) => void) =>
    callback(Object.assign(new Error(name), { code: 'ENOTFOUND' }), [])
  const service = stack.use(await givenService({ source, secrets, lookup, proxy: proxyFrom(settings) }))
  return await service.ingest().then(
    () => 'landed',
    (error: unknown) => reportError(error),
  )
}

describe('a proxy that the environment names', () => {
  test('is the way to an API, which needs no name server then and has a certificate of a private authority', async () => {
    const baseUrl = await startHttps()
    const proxy = await startProxy()

    expect(await outcomeOf({ baseUrl, tls }, { HTTPS_PROXY: proxy.url })).toBe('landed')
    expect(await outcomeOf({ baseUrl, tls }, { https_proxy: proxy.url, HTTPS_PROXY: 'http://127.0.0.1:1' })).toBe(
      'landed',
    )
    expect(await outcomeOf({ baseUrl, tls }, { HTTP_PROXY: proxy.url.replace('http://', '') })).toBe('landed')
    expect(proxy.tunnels).toEqual(Array.from({ length: 3 }, () => new URL(baseUrl).host))
    expect(await outcomeOf({ baseUrl }, { HTTPS_PROXY: proxy.url })).toMatchObject({ code: 'REST_TLS_REFUSED' })
    expect(await outcomeOf({ baseUrl, tls }, {})).toMatchObject({ code: 'REST_UNAVAILABLE' })
  })

  test('carries what is not encrypted as such, with its own password', async () => {
    const server = stack.use(await startHttp(answer))
    const baseUrl = server.url.replace('127.0.0.1', HOST)
    const authorization = `Basic ${Buffer.from('me:p@ss').toString('base64')}`
    const proxy = await startProxy({ authorization })
    const HTTP_PROXY = proxy.url.replace('http://', 'http://me:p%40ss@')

    expect(await outcomeOf({ baseUrl }, { HTTP_PROXY })).toBe('landed')
    expect(proxy.forwarded).toEqual([`${baseUrl}/v1/users`])
    expect(await outcomeOf({ baseUrl }, { HTTP_PROXY: proxy.url })).toMatchObject({
      code: 'REST_PROXY_REFUSED',
      retryable: false,
      message: expect.stringContaining('USER:PASSWORD'),
    })
  })

  test('is left aside where NO_PROXY says so, and for this machine always', async () => {
    const server = stack.use(await startHttp(answer))
    const settings = { HTTP_PROXY: 'http://127.0.0.1:1', HTTPS_PROXY: 'http://127.0.0.1:1' }
    const named = { baseUrl: server.url.replace('127.0.0.1', HOST) }

    expect(await outcomeOf({ baseUrl: server.url }, settings)).toBe('landed')
    expect(await outcomeOf(named, settings)).toMatchObject({ message: expect.stringContaining('ECONNREFUSED') })
    expect(await outcomeOf(named, { ...settings, NO_PROXY: 'x.test, .example.test' })).toMatchObject({
      message: expect.stringContaining('ENOTFOUND'),
    })
  })

  test('is not a way to addresses that a server talks one into', async () => {
    const proxy = await startProxy()
    for (const location of ['http://169.254.169.254/latest/meta-data', 'https://10.0.0.1/', 'http://localhost:9/']) {
      const baseUrl = await startHttps((_, response) => void response.writeHead(302, { location }).end())
      const secure = location.replace('http:', 'https:')
      const again = await startHttps((_, response) => void response.writeHead(302, { location: secure }).end())

      expect(await outcomeOf({ baseUrl: again, tls }, { HTTPS_PROXY: proxy.url, HTTP_PROXY: proxy.url })).toMatchObject(
        { code: 'REST_ADDRESS_PRIVATE' },
      )
      expect(await outcomeOf({ baseUrl, tls }, { HTTPS_PROXY: proxy.url })).not.toBe('landed')
    }
    expect(proxy.tunnels.every((tunnel) => tunnel.startsWith(HOST))).toBe(true)
    expect(proxy.forwarded).toEqual([])
  })

  test.each([
    [403, 'REST_PROXY_REFUSED', "the proxy's operator"],
    [407, 'REST_PROXY_REFUSED', 'USER:PASSWORD'],
    [502, 'REST_UNAVAILABLE', 'status 502 of the proxy'],
    [0, 'REST_UNAVAILABLE', 'nothing within 300 ms'],
  ])('that answers %i is told: %s', async (refuses, code, words) => {
    const proxy = await startProxy({ refuses })
    const baseUrl = await startHttps()

    const failure = await outcomeOf({ baseUrl, tls, timeoutMs: 300 }, { HTTPS_PROXY: proxy.url })

    expect(failure).toMatchObject({ code, message: expect.stringContaining(words) })
  })
})

test.each(['socks5://proxy:1080', 'http://', 'ftp://me:s3cret@proxy'])('%s is no proxy', (address) => {
  const failure = (() => {
    try {
      return proxyFrom({ HTTPS_PROXY: address })
    } catch (error) {
      return reportError(error)
    }
  })()

  expect(failure).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('HTTPS_PROXY') })
  expect(JSON.stringify(failure)).not.toContain('s3cret')
})
