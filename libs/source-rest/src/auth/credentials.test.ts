import { createHmac, createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { reportError } from '@cinelake/core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { RestFields } from '../source-rest.fixture.ts'
import { readFrom, type Reading, type Reply, type Seen } from '../pagination/pages.fixture.ts'

type Auth = NonNullable<RestFields['auth']>

let stack: AsyncDisposableStack
beforeEach(() => void (stack = new AsyncDisposableStack()))
afterEach(() => stack.disposeAsync())

const failureOf = async (work: Promise<unknown>) =>
  reportError(
    await work.then(
      () => undefined,
      (error: unknown) => error,
    ),
  )

/** A server with an API behind `accepts` and a token endpoint that numbers its tokens: `token-1`, `token-2` … */
const given = (
  auth: (url: string) => Auth,
  accepts: (seen: Seen) => boolean,
  { token = () => ({}), ...reading }: Reading & { readonly token?: (seen: Seen, count: number) => Reply } = {},
) => {
  let count = 0
  return readFrom(
    stack,
    (seen) => {
      if (seen.path !== '/token') return accepts(seen) ? { body: { data: [{ id: 1 }] } } : { status: 401 }
      count += 1
      const body = { access_token: `token-${count}`, token_type: 'Bearer', expires_in: 3600 }
      return { body, ...token(seen, count) }
    },
    (url) => ({ auth: auth(`${url}/token`) }),
    reading,
  )
}
const pagesOf = (seen: readonly Seen[]) => seen.filter(({ path }) => path !== '/token')
const tokensOf = (seen: readonly Seen[]) => seen.filter(({ path }) => path === '/token')
const formOf = ({ body }: Seen) => Object.fromEntries(new URLSearchParams(body))
const bearer = (token: string) => (seen: Seen) => seen.headers.authorization === `Bearer ${token}`
const anything = () => true

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pem = (key: { export(options: { type: 'pkcs8'; format: 'pem' }): string | Buffer }) =>
  key.export({ type: 'pkcs8', format: 'pem' }).toString()

describe('credentials that are sent as they are', () => {
  test.each<[string, Auth, (seen: Seen) => boolean]>([
    ['none', { type: 'none' }, (seen) => seen.headers.authorization === undefined],
    ['bearer', { type: 'bearer', token: '${secret:T}' }, bearer('t')],
    [
      'basic',
      { type: 'basic', username: '${USER}', password: '${secret:P}' },
      (seen) => seen.headers.authorization === `Basic ${Buffer.from('jörg:p').toString('base64')}`,
    ],
    [
      'a key in a header',
      { type: 'apiKey', in: 'header', name: 'X-Key', key: '${secret:K}' },
      (seen) => seen.headers['x-key'] === 'k',
    ],
    [
      'a key in the query',
      { type: 'apiKey', in: 'query', name: 'key', key: '${secret:K}' },
      (seen) => seen.query.get('key') === 'k',
    ],
  ])('%s', async (_, auth, accepts) => {
    const reading = { settings: { USER: 'jörg' }, secrets: (name: string) => `${name.toLowerCase()}\n` }
    const { read, log } = await given(() => auth, accepts, reading)

    expect((await read()).records).toEqual([{ id: 1 }])
    expect(JSON.stringify(log.lines)).not.toContain('key=k')
  })
})

describe('OAuth 2.0', () => {
  const client = { type: 'oauth2', clientId: 'me & co', clientSecret: '${secret:S}' } as const
  const credentials =
    (more: object = {}) =>
    (tokenUrl: string) =>
      ({ ...client, grant: 'clientCredentials', clientAuth: 'basic', tokenUrl, ...more }) as Auth

  test('client credentials, told in the header', async () => {
    const { read, seen, hidden } = await given(
      credentials({ scope: 'read all', audience: 'https://api', parameters: { resource: '${R}' } }),
      bearer('token-1'),
      { settings: { R: 'x' } },
    )

    await read()

    const [asked] = tokensOf(seen)
    expect(asked?.headers.authorization).toBe(`Basic ${Buffer.from('me+%26+co:secret').toString('base64')}`)
    expect(asked === undefined ? {} : formOf(asked)).toEqual({
      grant_type: 'client_credentials',
      scope: 'read all',
      audience: 'https://api',
      resource: 'x',
    })
    expect(hidden).toEqual(['token-1'])
  })

  test('client credentials, told in the form', async () => {
    const { read, seen } = await given(credentials({ clientAuth: 'body' }), bearer('token-1'))

    await read()

    expect(tokensOf(seen).map(formOf)).toEqual([
      { grant_type: 'client_credentials', client_id: 'me & co', client_secret: 'secret' },
    ])
    expect(tokensOf(seen)[0]?.headers.authorization).toBeUndefined()
  })

  test('a token is kept for all tasks until shortly before its end', async () => {
    let now = Date.parse('2026-03-02T03:00:00Z')
    const { read, seen } = await given(credentials(), anything, { now: () => new Date(now) })

    await read()
    await read()
    expect(tokensOf(seen)).toHaveLength(1)
    now += 3_541_000
    await read()

    expect(tokensOf(seen)).toHaveLength(2)
    expect(pagesOf(seen).map(({ headers }) => headers.authorization)).toEqual([
      'Bearer token-1',
      'Bearer token-1',
      'Bearer token-2',
    ])
  })

  test('tasks that need a token at the same time share one request for it', async () => {
    const { read, seen } = await given(credentials(), anything)

    await Promise.all([read(), read(), read()])

    expect(tokensOf(seen)).toHaveLength(1)
  })

  test('a task that is told to stop takes the token away from no other', async () => {
    const abort = new AbortController()
    const { read } = await given(credentials(), anything, {
      token: (_, count) => (count === 1 ? (abort.abort(), { status: 503 }) : {}),
    })

    const stopped = read({ signal: abort.signal })
    const other = read()

    expect((await failureOf(stopped)).code).toBe('WORK_CANCELLED')
    expect((await other).records).toEqual([{ id: 1 }])
  })

  test('401: a new token is got once, also for requests that were refused together', async () => {
    const { read, seen } = await given(credentials(), bearer('token-2'))

    const all = await Promise.all([read(), read()])

    expect(all.map(({ records }) => records)).toEqual([[{ id: 1 }], [{ id: 1 }]])
    expect(tokensOf(seen)).toHaveLength(2)
  })

  test('401 again with the new token is the end', async () => {
    const { read, seen } = await given(credentials(), () => false)

    expect(await failureOf(read())).toMatchObject({ code: 'REST_UNAUTHORIZED', retryable: false })
    expect(tokensOf(seen)).toHaveLength(2)
    expect(pagesOf(seen)).toHaveLength(2)
  })

  test('a token endpoint that is busy is asked again, as an API is', async () => {
    const { read, waits } = await given(credentials(), bearer('token-2'), {
      token: (_, count) => (count === 1 ? { status: 503, headers: { 'retry-after': '2' } } : {}),
    })

    expect((await read()).records).toHaveLength(1)
    expect(waits.length).toBeGreaterThan(0)
  })

  test.each<[string, Reply, string]>([
    ['a refusal', { status: 400, body: { error: 'invalid_client s3cret' } }, 'got status 400'],
    ['401', { status: 401 }, 'got status 401'],
    ['no JSON', { body: '<html>s3cret</html>' }, 'an answer that is no JSON object'],
    ['no token', { body: { error: 's3cret' } }, 'an answer without `access_token`'],
  ])('%s of the token endpoint is told without what it said', async (_, token, problem) => {
    const { read } = await given(credentials(), anything, { token: () => token, secrets: () => 's3cret' })

    const failure = await failureOf(read())

    expect(failure).toMatchObject({ code: 'REST_TOKEN_REFUSED', retryable: false })
    expect(failure.message).toContain(problem)
    expect(JSON.stringify(failure)).not.toContain('s3cret')
  })

  test.each([
    [400, 'invalid_grant', 'correct the assertion or the refresh token'],
    [400, 'invalid_scope', 'correct `scope`'],
    [401, 'invalid_client', 'correct `clientId`'],
    [403, 'unauthorized_client', 'to allow the client this `grant`'],
  ])('status %i with the standard code %s is told with what to do', async (status, error, remedy) => {
    const { read } = await given(credentials(), anything, {
      token: () => ({ status, body: { error, error_description: 's3cret', client_secret: 's3cret' } }),
      secrets: () => 's3cret',
    })

    const failure = await failureOf(read())

    expect(failure).toMatchObject({ code: 'REST_TOKEN_REFUSED', retryable: false })
    expect(failure.message).toContain(`got status ${status} (${error}); `)
    expect(failure.message).toContain(remedy)
    expect(JSON.stringify(failure)).not.toContain('s3cret')
  })

  test.each<[string, object]>([
    ['without a token type', { token_type: undefined }],
    ['with a token type of its own', { token_type: 'BearerToken' }],
    ['with a list of scopes', { scope: ['read', 'write'] }],
    ['with an expiry that is none', { expires_in: null }],
    ['with an identity that is for somebody else', { id_token: 'e30.e30.e30' }],
  ])('an answer %s has a token all the same', async (_, more) => {
    const body = { access_token: 'token-1', token_type: 'Bearer', ...more }
    const { read } = await given(credentials(), bearer('token-1'), { token: () => ({ body }) })

    expect((await read()).records).toEqual([{ id: 1 }])
  })

  test('the id of a client goes into the header as servers that do not decode it expect it', async () => {
    const clientId = '6f9619ff-8b86.d011_b42d'
    const { read, seen } = await given(credentials({ clientId }), bearer('token-1'))

    await read()

    const sent = `Basic ${Buffer.from(`${clientId}:secret`).toString('base64')}`
    expect(tokensOf(seen).map(({ headers }) => headers.authorization)).toEqual([sent])
  })

  test('a client secret that was changed is looked up once more when the token endpoint refuses the old one', async () => {
    const { read, seen } = await given(credentials({ clientAuth: 'body' }), anything, {
      token: (one) => (one.body.includes('client_secret=new') ? {} : { status: 401 }),
      secrets: (_, refresh) => (refresh ? 'new' : 'old'),
    })

    expect((await read()).records).toEqual([{ id: 1 }])
    expect(tokensOf(seen).map((one) => formOf(one)['client_secret'])).toEqual(['old', 'new'])
  })

  test('a refresh token that the endpoint refuses may be one that was replaced: the message says so', async () => {
    const { read } = await given(
      (tokenUrl) => ({
        type: 'oauth2',
        grant: 'refreshToken',
        clientAuth: 'basic',
        tokenUrl,
        refreshToken: '${secret:R}',
      }),
      anything,
      { token: () => ({ status: 400 }) },
    )

    const failure = await failureOf(read())

    expect(failure).toMatchObject({ code: 'REST_TOKEN_REFUSED', retryable: false })
    expect(failure.message).toContain('gives a new refresh token each time')
  })

  test('a refresh token, and the one that takes its place', async () => {
    const { read, seen, log, hidden } = await given(
      (tokenUrl) => ({
        type: 'oauth2',
        grant: 'refreshToken',
        clientAuth: 'basic',
        tokenUrl,
        refreshToken: '${secret:R}',
      }),
      (one) => one.headers.authorization !== 'Bearer token-1',
      {
        token: (_, count) => ({ body: { access_token: `token-${count}`, refresh_token: `refresh-${count}` } }),
        secrets: () => 'refresh-0',
      },
    )

    await read()

    expect(tokensOf(seen).map(formOf)).toEqual([
      { grant_type: 'refresh_token', refresh_token: 'refresh-0' },
      { grant_type: 'refresh_token', refresh_token: 'refresh-1' },
    ])
    expect(hidden).toContain('refresh-1')
    expect(JSON.stringify(log.lines)).toContain('new refresh token')
  })
})

describe('assertions', () => {
  const jwt = (tokenUrl: string, more: object) =>
    ({
      type: 'jwt',
      as: 'grant',
      algorithm: 'RS256',
      key: '${secret:KEY}',
      lifetimeMs: 300_000,
      issuer: 'me',
      subject: 'you',
      tokenUrl,
      ...more,
    }) as Auth
  const parts = (token: string) => {
    const [header = '', payload = '', signature = ''] = token.split('.')
    const read = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>
    return { header: read(header), payload: read(payload), signed: `${header}.${payload}`, signature }
  }

  test.each([
    [
      'RS256',
      pem(rsa.privateKey),
      (text: string, signature: Buffer) => verify('sha256', Buffer.from(text), rsa.publicKey, signature),
    ],
    [
      'RS256',
      pem(rsa.privateKey).replaceAll('\n', String.raw`\n`),
      (text: string, signature: Buffer) =>
        verify('sha256', Buffer.from(text), createPublicKey(rsa.privateKey), signature),
    ],
    [
      'RS256',
      rsa.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
      (text: string, signature: Buffer) => verify('sha256', Buffer.from(text), rsa.publicKey, signature),
    ],
    [
      'ES256',
      pem(ec.privateKey),
      (text: string, signature: Buffer) =>
        verify('sha256', Buffer.from(text), { key: ec.publicKey, dsaEncoding: 'ieee-p1363' }, signature),
    ],
    [
      'HS256',
      'shared',
      (text: string, signature: Buffer) => createHmac('sha256', 'shared').update(text).digest().equals(signature),
    ],
  ] as const)('%s is exchanged for a token', async (algorithm, key, isSigned) => {
    const { read, seen, url } = await given(
      (tokenUrl) => jwt(tokenUrl, { algorithm, keyId: 'k1', scope: 'read', claims: { role: '${ROLE}' } }),
      bearer('token-1'),
      { secrets: () => key, settings: { ROLE: 'reader' } },
    )

    await read()

    const form = formOf(tokensOf(seen)[0] ?? ({} as Seen))
    const { header, payload, signed, signature } = parts(form['assertion'] ?? '')
    expect(form).toMatchObject({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', scope: 'read' })
    expect(header).toEqual({ alg: algorithm, typ: 'JWT', kid: 'k1' })
    expect(payload).toMatchObject({
      iss: 'me',
      sub: 'you',
      aud: `${url}/token`,
      role: 'reader',
      iat: 1772420400,
      exp: 1772420700,
    })
    expect(isSigned(signed, Buffer.from(signature, 'base64url'))).toBe(true)
  })

  test('an assertion is how the client names itself', async () => {
    const { read, seen } = await given(
      (tokenUrl) => jwt(tokenUrl, { as: 'clientAssertion', clientId: 'me', audience: 'https://login' }),
      bearer('token-1'),
      { secrets: () => pem(rsa.privateKey) },
    )

    await read()

    const form = formOf(tokensOf(seen)[0] ?? ({} as Seen))
    expect(form).toMatchObject({
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_id: 'me',
    })
    expect(parts(form['client_assertion'] ?? '').payload).toMatchObject({ aud: 'https://login' })
  })

  test('an assertion is the token itself', async () => {
    const { read, seen, hidden } = await given(() => jwt('', { as: 'token', algorithm: 'HS256' }), anything)

    await read()

    expect(seen.map(({ headers }) => headers.authorization)).toEqual([`Bearer ${hidden[0]}`])
    expect(parts(hidden[0] ?? '').payload).toMatchObject({ iss: 'me' })
  })

  test.each([
    ['RS256', 'my-s3cret', 'something that is no private key'],
    ['RS256', pem(ec.privateKey), 'one of the kind ec'],
    ['ES256', pem(rsa.privateKey), 'one of the kind rsa'],
  ])('%s with a wrong key is told without the key', async (algorithm, key, problem) => {
    const { read } = await given((tokenUrl) => jwt(tokenUrl, { algorithm }), anything, { secrets: () => key })

    const failure = await failureOf(read())

    expect(failure).toMatchObject({ code: 'REST_KEY_INVALID', retryable: false })
    expect(failure.message).toContain(problem)
    expect(JSON.stringify(failure)).not.toContain(key.slice(3, 30))
  })
})

describe('the identity that Azure gives', () => {
  const azureAuth = () => ({ type: 'azure', scope: 'api://x/.default' }) as const

  test('has a token for the scope, which is kept', async () => {
    const scopes: string[] = []
    const { read } = await given(azureAuth, bearer('azure-1'), {
      azure: async () => ({
        getToken: async (scope) => (
          scopes.push(scope),
          { token: 'azure-1', expiresOnTimestamp: Date.parse('2026-03-02T04:00:00Z') }
        ),
      }),
    })

    await read()
    await read()

    expect(scopes).toEqual(['api://x/.default'])
  })

  test.each<[string, Reading]>([
    ['is not there', {}],
    ['gives none', { azure: async () => ({ getToken: async () => null }) }],
    ['fails', { azure: async () => ({ getToken: () => Promise.reject(new Error('no')) }) }],
  ])('%s: that is told', async (_, reading) => {
    const { read } = await given(azureAuth, anything, reading)

    expect(await failureOf(read())).toMatchObject({ code: 'REST_TOKEN_REFUSED' })
  })
})
