import { afterEach, beforeEach, expect, test } from 'vitest'
import { reportError } from '@cinelake/core'
import { aRestSource } from '../source-rest.fixture.ts'
import { startHttp } from '@cinelake/testkit'
import { aReader, answering } from '../pagination/pages.fixture.ts'

let stack: AsyncDisposableStack
beforeEach(() => void (stack = new AsyncDisposableStack()))
afterEach(() => stack.disposeAsync())

/** A server that sends every request to another one, which answers. */
async function givenTwo(status: number) {
  const inner = answering(() => ({ body: { data: [{ id: 1 }], access_token: 'token', token_type: 'bearer' } }))
  const target = stack.use(await startHttp(inner.listener))
  const outer = answering(({ path }) => ({ status, headers: { location: `${target.url}${path}` } }))
  const server = stack.use(await startHttp(outer.listener))
  return { url: server.url, seen: inner.seen }
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
