import { createHash, createHmac } from 'node:crypto'
import { reportError } from '@cinelake/core'
import { startHttp } from '@cinelake/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { answering, readFrom, type Reading, type Seen } from '../pagination/pages.fixture.ts'
import type { RestFields } from '../source-rest.fixture.ts'
import { authorizationOf, awsSigV4 } from './aws-sigv4.ts'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const signatureIn = (authorization = '') => /Signature=([0-9a-f]{64})$/.exec(authorization)?.[1]
const signedIn = (authorization = '') => /SignedHeaders=([^,]*),/.exec(authorization)?.[1]

// Source: AWS Signature Version 4 test suite (aws-sig-v4-test-suite). Its requests with letters in the path that no URL
// has (`get-space`, `get-utf8`, `get-relative`) are left out: a URL encodes and shortens them before they are sent.
test.each<[string, 'GET' | 'POST', string, Record<string, string>, string, string]>([
  ['get-vanilla', 'GET', '/', {}, '', '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31'],
  ['post-vanilla', 'POST', '/', {}, '', '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b'],
  [
    'get-vanilla-query-order-key-case',
    'GET',
    '/?Param2=value2&Param1=value1',
    {},
    '',
    'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500',
  ],
  [
    'get-vanilla-query-unreserved',
    'GET',
    '/?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz',
    {},
    '',
    '9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197',
  ],
  [
    'get-vanilla-utf8-query',
    'GET',
    '/?ሴ=bar',
    {},
    '',
    '2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04',
  ],
  ['get-slashes', 'GET', '//', {}, '', '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31'],
  [
    'get-header-key-duplicate',
    'GET',
    '/',
    { 'my-header1': 'value2,value2,value1' },
    '',
    'c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea',
  ],
  [
    'get-header-value-trim',
    'GET',
    '/',
    { 'my-header1': ' value1', 'my-header2': ' "a   b   c"' },
    '',
    'acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736',
  ],
  [
    'post-header-key-sort',
    'POST',
    '/',
    { 'my-header1': 'value1' },
    '',
    'c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c',
  ],
  [
    'post-x-www-form-urlencoded',
    'POST',
    '/',
    { 'content-type': 'application/x-www-form-urlencoded' },
    'Param1=value1',
    'ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a',
  ],
])('%s of the test suite of AWS', (_, method, path, headers, body, signature) => {
  const authorization = authorizationOf(
    {
      accessKeyId: 'AKIDEXAMPLE',
      secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
      region: 'us-east-1',
      service: 'service',
    },
    {
      method,
      url: new URL(`https://example.amazonaws.com${path}`),
      headers: { host: 'example.amazonaws.com', 'x-amz-date': '20150830T123600Z', ...headers },
    },
    sha256(body),
  )

  expect(signatureIn(authorization)).toBe(signature)
  expect(authorization).toContain(
    'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=',
  )
})

// Source: docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, the examples that have no PUT
test.each<[string, string, Record<string, string>, string, string]>([
  [
    'GET Object',
    '/test.txt',
    { range: 'bytes=0-9' },
    'host;range;x-amz-content-sha256;x-amz-date',
    'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  ],
  [
    'GET Bucket Lifecycle',
    '/?lifecycle',
    {},
    'host;x-amz-content-sha256;x-amz-date',
    'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
  ],
  [
    'GET Bucket (List Objects)',
    '/?prefix=J&max-keys=2',
    {},
    'host;x-amz-content-sha256;x-amz-date',
    '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  ],
])('%s of the examples of S3', (_, path, headers, signedHeaders, signature) => {
  const signed = awsSigV4.sign(
    {
      type: 'awsSigV4',
      accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
      secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
      region: 'us-east-1',
      service: 's3',
    },
    {
      method: 'GET',
      url: new URL(`https://examplebucket.s3.amazonaws.com${path}`),
      headers: { accept: '*/*', 'accept-encoding': 'gzip', 'user-agent': 'cinelake', ...headers },
      body: new Uint8Array(),
    },
    new Date('2013-05-24T00:00:00.999Z'),
  )

  expect(signed).toMatchObject({ 'x-amz-date': '20130524T000000Z', 'x-amz-content-sha256': sha256('') })
  expect(signedIn(signed.authorization)).toBe(signedHeaders)
  expect(signatureIn(signed.authorization)).toBe(signature)
})

test.each([
  ['execute-api', '/a%20b/c%3Ad/%28e%29', '/a%2520b/c%253Ad/%2528e%2529'],
  ['execute-api', '/a//b', '/a/b'],
  ['s3', '/a%20b/c:d/(e)/%F0', '/a%2520b/c%3Ad/%28e%29/%25F0'],
  ['s3', '/a%20b/c:d/(e)', '/a%20b/c%3Ad/%28e%29'],
  ['s3', '/a//b', '/a//b'],
])('%s: the path %s is signed as %s', (service, path, canonical) => {
  const key = { accessKeyId: 'id', secretAccessKey: 'k', region: 'eu-central-1' }
  const headers = { host: 'h', 'x-amz-date': '20150830T123600Z' }
  const authorization = authorizationOf(
    { ...key, service },
    { method: 'GET', url: new URL(`https://h${path}`), headers },
    '',
  )

  expect(signatureIn(authorization)).toBe(
    signatureOf('k', { service, region: 'eu-central-1', time: headers['x-amz-date'] }, [
      'GET',
      canonical,
      '',
      'host:h',
      `x-amz-date:${headers['x-amz-date']}`,
      '',
      'host;x-amz-date',
      '',
    ]),
  )
})

const SECRETS: Readonly<Record<string, string>> = { KEY: 's3cret/Access+Key', SESSION: 's3cret/Session+Token==' }
const AUTH = {
  type: 'awsSigV4',
  accessKeyId: '${AWS_ID}',
  secretAccessKey: '${secret:KEY}',
  region: 'eu-central-1',
  service: 'execute-api',
} as const

type Scope = { readonly service: string; readonly region: string; readonly time: string }

/** What a service of AWS expects a request to be signed with, by its lines. */
function signatureOf(secret: string, { service, region, time }: Scope, lines: readonly string[]): string {
  const date = time.slice(0, 8)
  const dateKey = hmac(`AWS4${secret}`, date)
  const key = hmac(hmac(hmac(dateKey, region), service), 'aws4_request')
  const scope = [date, region, service, 'aws4_request'].join('/')
  return hmac(key, ['AWS4-HMAC-SHA256', time, scope, sha256(lines.join('\n'))].join('\n')).toString('hex')
}
const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()

/** Whether a request is signed with the secret, as it came in, within five minutes. */
function isSigned({ method, path, query, headers, body }: Seen, secret: string, now: Date): boolean {
  const { authorization = '' } = headers
  const time = String(headers['x-amz-date'])
  const at = Date.parse(time.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'))
  if (!(Math.abs(now.getTime() - at) <= 300_000) || headers['x-amz-content-sha256'] !== sha256(body)) return false
  if (!authorization.startsWith(`AWS4-HMAC-SHA256 Credential=AKID/${time.slice(0, 8)}/eu-central-1/execute-api/`))
    return false
  const signedHeaders = signedIn(authorization) ?? ''
  const names = signedHeaders.split(';')
  const isComplete = [
    'host',
    'content-type',
    ...Object.keys(headers).filter((name) => name.startsWith('x-amz-')),
  ].every((name) => headers[name] === undefined || names.includes(name))
  const parameters = [...query].map((pair) => pair.map(encodeURIComponent).join('=')).sort()
  const expected = signatureOf(secret, { service: 'execute-api', region: 'eu-central-1', time }, [
    method,
    path,
    parameters.join('&'),
    ...names.map((name) => `${name}:${String(headers[name])}`),
    '',
    signedHeaders,
    sha256(body),
  ])
  return isComplete && signatureIn(authorization) === expected
}

describe('a server that looks at each signature', () => {
  let stack: AsyncDisposableStack
  beforeEach(() => void (stack = new AsyncDisposableStack()))
  afterEach(() => stack.disposeAsync())

  /** Three pages of one record each. Ten minutes pass with each request; each second one is answered by "not now". */
  async function given(
    fields: RestFields = {},
    { secret = SECRETS['KEY'] ?? '', refused = 403, ...reading }: Given = {},
  ) {
    let now = Date.parse('2026-03-02T03:00:00Z')
    let count = 0
    const all = await readFrom(
      stack,
      (seen) => {
        const isRight = isSigned(seen, secret, new Date(now))
        now += 600_000
        count += 1
        if (!isRight) return { status: refused, body: { message: 'SignatureDoesNotMatch' } }
        if (count % 2 === 0) return { status: 503 }
        const page = Number(seen.query.get('page') ?? (JSON.parse(seen.body) as { page: number }).page)
        return { body: { data: page > 3 ? [] : [{ id: page }] } }
      },
      { auth: AUTH, pagination: { type: 'page', parameter: 'page', first: 1 }, ...fields },
      {
        now: () => new Date(now),
        settings: { AWS_ID: 'AKID' },
        secrets: (name) => `${SECRETS[name]}\n`,
        ...reading,
      },
    )
    const failure = async () =>
      reportError(
        await all.read().then(
          () => undefined,
          (error: unknown) => error,
        ),
      )
    return { ...all, failure }
  }
  type Given = Reading & { readonly secret?: string; readonly refused?: number }

  test('takes each page and each retry, whatever time it is then', async () => {
    const { read, seen, log } = await given({ query: { 'filter by': 'a b/c+d', since: '{window.start}' } })

    expect((await read()).records).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }])
    expect(seen.map(({ query }) => query.get('page'))).toEqual(['1', '2', '2', '3', '3', '4', '4'])
    expect(new Set(seen.map(({ headers }) => headers.authorization)).size).toBe(seen.length)
    for (const secret of Object.values(SECRETS)) expect(JSON.stringify(log.lines)).not.toContain(secret)
  })

  test('takes the body of a POST, headers of the source, and the token of temporary credentials', async () => {
    const { read, seen } = await given({
      auth: { ...AUTH, sessionToken: '${secret:SESSION}' },
      headers: { 'X-Amz-Target': 'Users.List', Accept: 'application/x-json', Authorization: 'of no use' },
      method: 'POST',
      body: { find: 'ü' },
      pagination: { type: 'page', bodyField: '$.page', first: 1 },
    })

    expect((await read()).records).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }])
    expect(seen[0]?.headers).toMatchObject({
      'x-amz-security-token': SECRETS['SESSION'],
      'x-amz-target': 'Users.List',
      accept: 'application/x-json',
    })
    expect(signedIn(seen[0]?.headers.authorization)).toBe(
      'content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token;x-amz-target',
    )
  })

  test.each([
    [403, 'REST_REFUSED', 'give the credentials the right to read it', 2],
    [401, 'REST_UNAUTHORIZED', 'put a valid one in the place of secrets', 2],
  ])('refuses a wrong secret with %i: that is told, without the secret', async (refused, code, remedy, requests) => {
    const { failure, seen, log } = await given(
      { auth: { ...AUTH, sessionToken: '${secret:SESSION}' } },
      { secret: 'another', refused },
    )

    const error = await failure()

    expect(error).toMatchObject({ code, retryable: false })
    expect(error.message).toContain(remedy)
    expect(seen).toHaveLength(requests)
    const told = JSON.stringify([error, log.lines])
    for (const hidden of [...Object.values(SECRETS), ...seen.map(({ headers }) => signatureIn(headers.authorization))])
      expect(told).not.toContain(hidden)
  })

  test.each([401, 403])('takes a secret that was replaced, after %i, once it is looked up again', async (refused) => {
    const { read, seen } = await given(
      {},
      {
        refused,
        secret: 'new',
        secrets: (_, refresh) => (refresh ? 'new' : 'old'),
      },
    )

    expect((await read()).records).toHaveLength(3)
    expect(seen.length).toBeGreaterThan(4)
  })

  test('sends on to another place of its own, for which the request is signed again, and to a server that gets nothing', async () => {
    const elsewhere = answering(() => ({ body: { data: [{ id: 1 }] } }))
    const other = stack.use(await startHttp(elsewhere.listener))
    const hops: Record<string, string> = { '/v1/users': '/v2/users?a=1', '/v2/users': `${other.url}/users` }
    const now = () => new Date('2026-03-02T03:00:00Z')
    const { read, seen } = await readFrom(
      stack,
      (one) => {
        const isRight = isSigned(one, SECRETS['KEY'] ?? '', now())
        return isRight ? { status: 302, headers: { location: hops[one.path] ?? '' } } : { status: 403 }
      },
      { auth: { ...AUTH, sessionToken: '${secret:SESSION}' }, allowPrivate: ['127.0.0.1'] },
      { now, settings: { AWS_ID: 'AKID' }, secrets: (name) => SECRETS[name] ?? '' },
    )

    expect((await read()).records).toEqual([{ id: 1 }])
    expect(seen.map(({ path }) => path)).toEqual(['/v1/users', '/v2/users'])
    const names = Object.keys(elsewhere.seen[0]?.headers ?? {})
    expect(names.filter((name) => name === 'authorization' || name.startsWith('x-amz-'))).toEqual([])
    expect(names).toContain('accept')
  })
})
