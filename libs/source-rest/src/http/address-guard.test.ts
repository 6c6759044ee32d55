import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { reportError } from '@cinelake/core'
import { selfSignedCertificate, startHttp } from '@cinelake/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { aRestSource, givenService } from '../source-rest.fixture.ts'
import { createAddressGuard, type Lookup } from './address-guard.ts'

let stack: AsyncDisposableStack
beforeEach(() => void (stack = new AsyncDisposableStack()))
afterEach(() => stack.disposeAsync())

const answer: RequestListener = (_, response) => void response.end('{"data":[{"id":1}]}')

/** What becomes of a dataset whose source has these fields. */
async function outcomeOf(fields: Parameters<typeof aRestSource>[0], lookup?: Lookup, secret = 'secret') {
  const service = stack.use(
    await givenService({
      source: aRestSource({ maxRetries: 0, ...fields }),
      secrets: () => secret,
      ...(lookup === undefined ? {} : { lookup }),
    }),
  )
  return await service.ingest().then(
    () => 'landed',
    (error: unknown) => reportError(error).code,
  )
}

/** Names lead to these addresses, one after the other. */
const leadingTo = (...addresses: readonly string[]): Lookup => {
  let asked = 0
  return (_, __, callback) => {
    const address = addresses[Math.min(asked, addresses.length - 1)] ?? ''
    asked += 1
    callback(null, [{ address, family: address.includes(':') ? 6 : 4 }])
  }
}

test.each([
  'http://169.254.169.254/latest/meta-data',
  'http://2130706433/',
  'http://0x7f.1/',
  'http://017700000001/',
  'http://[::ffff:127.0.0.1]/',
  'http://[::1]:8080/',
  'http://localhost/',
  'http://a.localhost./',
  'http://10.0.0.1/',
])('%s is refused, unless the text names that very server', (text) => {
  const guard = createAddressGuard([])
  const url = new URL(text)

  expect(() => guard.check(url, 'https://api.example.com')).toThrow('not of the public internet')
  expect(() => guard.check(url, url.origin)).not.toThrow()
})

describe('a source', () => {
  test('whose text names this machine is read', async () => {
    const server = stack.use(await startHttp(answer))

    expect(await outcomeOf({ baseUrl: server.url })).toBe('landed')
    expect(await outcomeOf({ baseUrl: server.url.replace('127.0.0.1', 'localhost') }, leadingTo('127.0.0.1'))).toBe(
      'landed',
    )
  })

  test.each(['http://169.254.169.254/latest/meta-data', 'http://[::ffff:7f00:1]/', 'http://2130706433/'])(
    'that redirects to %s is not followed',
    async (location) => {
      const server = stack.use(await startHttp((_, response) => void response.writeHead(302, { location }).end()))

      expect(await outcomeOf({ baseUrl: server.url })).toBe('REST_ADDRESS_PRIVATE')
    },
  )

  test('that redirects to another server of this machine is followed only where that is allowed by name', async () => {
    const inner = stack.use(await startHttp(answer))
    const server = stack.use(
      await startHttp((_, response) => void response.writeHead(302, { location: inner.url }).end()),
    )

    expect(await outcomeOf({ baseUrl: server.url })).toBe('REST_ADDRESS_PRIVATE')
    expect(inner.requests).toEqual([])
    expect(await outcomeOf({ baseUrl: server.url, allowPrivate: ['127.0.0.1'] })).toBe('landed')
  })

  test('whose name leads to a private address is refused, unless it is allowed by name', async () => {
    const server = stack.use(await startHttp(answer))
    const baseUrl = server.url.replace('127.0.0.1', 'erp.example.com')

    expect(await outcomeOf({ baseUrl }, leadingTo('127.0.0.1'))).toBe('REST_ADDRESS_PRIVATE')
    expect(await outcomeOf({ baseUrl }, leadingTo('::ffff:127.0.0.1'))).toBe('REST_ADDRESS_PRIVATE')
    expect(server.requests).toEqual([])
    expect(await outcomeOf({ baseUrl, allowPrivate: ['ERP.example.com'] }, leadingTo('127.0.0.1'))).toBe('landed')
  })

  test('whose name server changes its mind is never asked for an address that was not looked at', async () => {
    const server = stack.use(await startHttp(answer))
    const baseUrl = server.url.replace('127.0.0.1', 'rebind.example.com')

    // The first look-up is the public one that a check before the connection would see.
    const lookup = leadingTo('192.0.2.1', '127.0.0.1')
    const first = await outcomeOf({ baseUrl, timeoutMs: 300, connectTimeoutMs: 200, maxRetries: 1 }, lookup)

    expect(first).toBe('REST_ADDRESS_PRIVATE')
    expect(server.requests).toEqual([])
  })
})

describe('a certificate of a private authority', () => {
  async function startHttps(certificates: ReturnType<typeof selfSignedCertificate>) {
    const server = createServer({ key: certificates.key, cert: certificates.certificate }, answer)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    stack.defer(() => void server.close())
    return `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  test('is trusted when the source says so, in a secret or a file, and not otherwise', async () => {
    const certificates = selfSignedCertificate()
    const baseUrl = await startHttps(certificates)
    const tls = { ca: '${secret:COMPANY_CA}' }

    expect(await outcomeOf({ baseUrl })).toBe('REST_TLS_REFUSED')
    expect(await outcomeOf({ baseUrl, tls }, undefined, certificates.certificate)).toBe('landed')
    expect(await outcomeOf({ baseUrl, tls }, undefined, selfSignedCertificate().certificate)).toBe('REST_TLS_REFUSED')
  })

  test('that is none is told', async () => {
    expect(await outcomeOf({ tls: { ca: '${secret:COMPANY_CA}' } })).toBe('REST_CERTIFICATE_INVALID')
    expect(await outcomeOf({ tls: { caFile: '/no/such/file.pem' } })).toBe('REST_CERTIFICATE_INVALID')
  })
})
