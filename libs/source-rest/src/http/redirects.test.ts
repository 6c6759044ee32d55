import { afterEach, beforeEach, expect, test } from 'vitest'
import { reportError } from '@cinelake/core'
import { aRestSource } from '../source-rest.fixture.ts'
import { startHttp } from '@cinelake/testkit'
import { aReader, answering } from '../pagination/pages.fixture.ts'
import { sendRequest } from './send-request.ts'
import { openTransport } from './transport.ts'

let stack: AsyncDisposableStack
beforeEach(() => void (stack = new AsyncDisposableStack()))
afterEach(() => stack.disposeAsync())

/** A server that answers. */
async function givenAnswer() {
  const { listener, seen } = answering(() => ({
    body: { data: [{ id: 1 }], access_token: 'token', token_type: 'bearer' },
  }))
  return { url: stack.use(await startHttp(listener)).url, seen }
}
/** A server that sends every request to another one, which answers. */
async function givenTwo(status: number) {
  const target = await givenAnswer()
  const outer = answering(({ path }) => ({ status, headers: { location: `${target.url}${path}` } }))
  const server = stack.use(await startHttp(outer.listener))
  return { url: server.url, seen: target.seen }
}
const read = async (fields: Parameters<typeof aRestSource>[0]) =>
  await aReader()
    .read(aRestSource({ allowPrivate: ['127.0.0.1'], ...fields }))
    .then(({ records }) => records, reportError)

test.each([307, 308])('%s: what a POST sends is not sent to another server, since it may be secret', async (status) => {
  const { url, seen } = await givenTwo(status)

  const failure = await read({ baseUrl: url, dataset: { method: 'POST', body: { key: '${secret:KEY}' } } })

  expect(failure).toMatchObject({ code: 'REST_REDIRECT_REFUSED', retryable: false })
  expect(seen).toEqual([])
})

test.each([307, 308])('%s: nor are the credentials that a token is asked for with', async (status) => {
  const { url, seen } = await givenTwo(status)

  const failure = await read({
    baseUrl: url,
    auth: {
      type: 'oauth2',
      grant: 'clientCredentials',
      clientAuth: 'body',
      tokenUrl: `${url}/token`,
      clientId: 'me',
      clientSecret: '${secret:S}',
    },
  })

  expect(failure).toMatchObject({ code: 'REST_REDIRECT_REFUSED', retryable: false })
  expect(seen).toEqual([])
})

test('303: the answer to a POST is fetched from another server, without what was sent', async () => {
  const { url, seen } = await givenTwo(303)

  const records = await read({ baseUrl: url, dataset: { method: 'POST', body: { key: '${secret:KEY}' } } })

  expect(records).toEqual([{ id: 1 }])
  expect(seen).toMatchObject([{ method: 'GET', body: '' }])
})

test('each request of a redirect is signed for itself, and one to another server not at all', async () => {
  const { url: other, seen: seenByOther } = await givenAnswer()
  const hops: Record<string, string> = { '/one': '/two?page=2', '/two': `${other}/three` }
  const { listener, seen } = answering(({ path }) => ({ status: 307, headers: { location: hops[path] ?? '' } }))
  const server = stack.use(await startHttp(listener))
  await using transport = await openTransport(aRestSource({ allowPrivate: ['127.0.0.1'] }), async () => '', {})
  const signed: string[] = []

  await sendRequest(
    {
      url: new URL(`${server.url}/one`),
      method: 'GET',
      headers: { 'X-Own': '1' },
      sign({ method, url, headers, body }) {
        signed.push(`${method} ${url.pathname}${url.search} ${headers['x-own']} ${body.byteLength}`)
        return { 'X-Signature': `of ${url.pathname}` }
      },
    },
    {
      signal: new AbortController().signal,
      maxBodyBytes: 1000,
      place: { source: 'crm', dataset: 'users', address: server.url, page: 1 },
      transport,
      trustedOrigin: server.url,
    },
  )

  expect(signed).toEqual(['GET /one 1 0', 'GET /two?page=2 1 0'])
  expect(seen.map(({ headers }) => headers['x-signature'])).toEqual(['of /one', 'of /two'])
  expect(seenByOther.map(({ path, headers }) => [path, headers['x-signature'], headers['x-own']])).toEqual([
    ['/three', undefined, undefined],
  ])
})
