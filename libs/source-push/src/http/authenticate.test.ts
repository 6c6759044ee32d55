import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import type { PushSource } from '../config/push-source.ts'
import { SecretMissingError, SecretsUnavailableError } from '@cinelake/secrets'
import { startConnectProxy } from '@cinelake/testkit/connect-proxy'
import { recordingLog, startHttp } from '@cinelake/testkit'
import { proxyFrom } from '@cinelake/core'
import { createAuthenticate } from './authenticate.ts'
import { givenPush, KEY, send, type Pushed } from '../source-push.fixture.ts'

describe('a key', () => {
  test('that is none of the source, or for no source, opens nothing and says no more', async () => {
    await using given = await givenPush()
    const { url } = await given.replica()

    const refused = [
      await send(url, '[]', { key: 'another' }),
      await send(url, '[]', { key: null }),
      await send(url, '[]', { key: null, headers: { authorization: `Bearer ${KEY}` } }),
    ]
    const unknown = await fetch(`${url}/v1/datasets/nothing/events`, { method: 'POST', headers: { 'x-api-key': KEY } })
    const dataset = await fetch(`${url}/v1/datasets/web/other`, { method: 'POST', headers: { 'x-api-key': KEY } })

    expect(refused.map(({ status, answer }) => [status, answer.code])).toEqual(
      refused.map(() => [401, 'PUSH_UNAUTHORIZED']),
    )
    expect([unknown.status, await unknown.json()]).toEqual([401, refused[0]?.answer])
    expect([dataset.status, await dataset.json()]).toMatchObject([404, { code: 'PUSH_DATASET_MISSING' }])
    expect(JSON.stringify(given.log.lines)).not.toContain(KEY)
  })

  test('may be changed: both open while both are there, and a new one is looked up', async () => {
    let first = 'old'
    await using given = await givenPush({
      source: { keys: ['${secret:ONE}', '${secret:TWO}'] },
      secrets: (name, refresh) => (name === 'TWO' ? 'two' : refresh ? first : 'old'),
    })
    const { url } = await given.replica()

    const before = [await send(url, '[]', { key: 'old' }), await send(url, '[]', { key: 'two' })]
    first = 'new'
    const after = await send(url, '[]', { key: 'new' })

    expect([...before, after].map(({ status }) => status)).toEqual([202, 202, 202])
  })
})

describe('of several keys', () => {
  const given = async (values: Readonly<Record<string, string | Error>>) =>
    await givenPush({
      source: { keys: ['${secret:WEB_KEY}', '${secret:WEB_KEY_NEXT}', '${WEB_KEY_OLD:-}'] },
      secrets: (name) => {
        const value = values[name]
        if (typeof value === 'string') return value
        throw value ?? new SecretMissingError(name, ['a test'])
      },
    })
  const statuses = async (pushed: Pushed, keys: readonly string[]) => {
    const { url } = await pushed.replica()
    const sent: number[] = []
    for (const key of keys) sent.push((await send(url, '[]', { key })).status)
    return sent
  }

  test('those that exist open, and one that is missing or blank opens nothing', async () => {
    await using one = await given({ WEB_KEY: 'first' })
    await using other = await given({ WEB_KEY_NEXT: 'second', WEB_KEY: ' ' })

    expect(await statuses(one, ['first', '', ' ', 'second'])).toEqual([202, 401, 401, 401])
    expect(await statuses(other, ['second', '', 'first'])).toEqual([202, 401, 401])
    expect(JSON.stringify(one.log.lines)).toContain('WEB_KEY_NEXT')
  })

  test('without any that exists nothing opens, the empty key least of all', async () => {
    await using none = await given({})

    expect(await statuses(none, ['', 'any'])).toEqual([401, 500])
  })

  test('one that cannot be looked up now keeps the others from nothing, and is no reason to say that a key is wrong', async () => {
    const away = new SecretsUnavailableError({ secret: 'WEB_KEY_NEXT', place: 'a vault' }, '503', 'wait')
    await using pushed = await given({ WEB_KEY: 'first', WEB_KEY_NEXT: away })

    expect(await statuses(pushed, ['first', 'second'])).toEqual([202, 503])
  })
})

describe('a token', () => {
  const NOW = Date.parse('2026-03-02T10:00:00Z') / 1000
  const AUDIENCE = 'api://cinelake'

  async function givenIssuer({ audience = AUDIENCE } = {}) {
    const mine = await generateKeyPair('RS256')
    const other = await generateKeyPair('RS256')
    const jwk = { ...(await exportJWK(mine.publicKey)), kid: 'k1', alg: 'RS256', use: 'sig' }
    const stack = new AsyncDisposableStack()
    let status = 200
    const server = stack.use(
      await startHttp((_, response) => response.writeHead(status).end(JSON.stringify({ keys: [jwk] }))),
    )
    const issuer = `${server.url}/tenant/v2.0`
    const tokens = {
      issuers: [issuer],
      audience,
      jwks: `${server.url}/keys`,
      roles: ['Data.Push'],
      clients: [],
    }
    const given = stack.use(await givenPush({ source: { keys: [], tokens } }))
    const { url } = await given.replica()
    return {
      given,
      goAway: () => void (status = 500),
      async push(payload: Readonly<Record<string, unknown>> = {}, key = mine.privateKey) {
        const claims = { iss: issuer, aud: AUDIENCE, exp: NOW + 3600, roles: ['Data.Push'], ...payload }
        const token = await new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'k1' }).sign(key)
        return await send(url, '[]', { key: null, headers: { authorization: `Bearer ${token}` } })
      },
      pushText: async (token: string) =>
        await send(url, '[]', { key: null, headers: { authorization: `Bearer ${token}` } }),
      other: other.privateKey,
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    }
  }

  test('of the issuer, for the audience, with the role, opens; any other does not', async () => {
    await using issuer = await givenIssuer()

    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{}').toString('base64url')}.`
    const answers = {
      right: await issuer.push(),
      expired: await issuer.push({ exp: NOW - 120 }),
      early: await issuer.push({ nbf: NOW + 3600 }),
      elsewhere: await issuer.push({ aud: 'api://other' }),
      stranger: await issuer.push({ iss: 'https://example.org/' }),
      forged: await issuer.push({}, issuer.other),
      unsigned: await issuer.pushText(unsigned),
      nonsense: await issuer.pushText('nonsense'),
      endless: await issuer.push({ exp: undefined }),
      role: await issuer.push({ roles: ['Data.Read'] }),
      none: await issuer.push({ roles: 'Data.Push' }),
    }

    const statuses = Object.fromEntries(Object.entries(answers).map(([name, { status }]) => [name, status]))
    const { right, role, none, ...others } = statuses
    expect({ right, role, none }).toEqual({ right: 202, role: 403, none: 403 })
    expect(Object.values(others)).toEqual(Object.values(others).map(() => 401))
  })

  test("is checked with keys that come through the company's proxy", async () => {
    const { publicKey, privateKey } = await generateKeyPair('RS256')
    const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'RS256', use: 'sig' }
    await using server = await startHttp((_, response) => response.end(JSON.stringify({ keys: [jwk] })))
    await using proxy = await startConnectProxy({ resolve: () => '127.0.0.1' })
    const issuer = server.url.replace('127.0.0.1', 'issuer.example.test')
    const tokens = { issuers: [issuer], audience: AUDIENCE, jwks: `${issuer}/keys`, roles: [], clients: ['me'] }
    const source = { type: 'push', name: 'web', keys: [], tokens } as unknown as PushSource
    const claims = { iss: issuer, aud: AUDIENCE, exp: NOW + 3600, azp: 'me' }
    const token = await new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'k1' }).sign(privateKey)
    const clock = () => new Date(NOW * 1000)
    const authenticate = createAuthenticate({
      fill: async (text) => text,
      clock,
      log: recordingLog(),
      proxy: proxyFrom({ HTTP_PROXY: proxy.url }),
    })

    await authenticate(source, { apiKey: undefined, authorization: `Bearer ${token}` })

    expect(proxy.forwarded).toEqual([`${issuer}/keys`])
  })

  test('opens nothing where the audience is blank: it may be meant for any other service', async () => {
    await using issuer = await givenIssuer({ audience: '${AUDIENCE:-}' })

    expect((await issuer.push()).status).toBe(401)
  })

  test('that cannot be checked now may be sent again', async () => {
    await using issuer = await givenIssuer()
    issuer.goAway()

    const { status, headers } = await issuer.push()

    expect([status, headers.get('retry-after')]).toEqual([503, '5'])
  })
})
