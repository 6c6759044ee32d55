import { reportError } from '@cinelake/core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { RestFields } from '../source-rest.fixture.ts'
import { readFrom, type Reading, type Reply, type Seen } from './pages.fixture.ts'

let stack: AsyncDisposableStack
beforeEach(() => void (stack = new AsyncDisposableStack()))
afterEach(() => stack.disposeAsync())

const given = (answer: (seen: Seen) => Reply, fields: Parameters<typeof readFrom>[2], reading?: Reading) =>
  readFrom(stack, answer, fields, reading)

const failureOf = async (work: Promise<unknown>) =>
  reportError(
    await work.then(
      () => undefined,
      (error: unknown) => error,
    ),
  )

/** Seven records, of which a server shows some. */
const ALL = [1, 2, 3, 4, 5, 6, 7].map((id) => ({ id }))
const slice = (from: number, size = 3) => ALL.slice(from, from + size)
const number = (seen: Seen, name: string, otherwise: number) => Number(seen.query.get(name) ?? otherwise)
const data = (records: unknown, more: object = {}): Reply => ({ body: { data: records, ...more } })
/** `?page=1` and on. */
const byPage = (seen: Seen, more: object = {}) => data(slice((number(seen, 'page', 1) - 1) * 3), more)
const link = (url: string, rel = 'next') => ({ link: `<${url}>; rel="${rel}"` })

type Case = {
  readonly name: string
  readonly answer: (seen: Seen) => Reply
  readonly fields: RestFields
  /** How many requests it takes. */
  readonly requests: number
}
const root = { dataset: { records: '$' } }
const auto = { pagination: { type: 'auto' } } as const
const AUTO: readonly (Case & { readonly says: string })[] = [
  {
    name: 'a Link header',
    says: 'the Link header has rel=next',
    answer: (seen) => {
      const at = number(seen, 'p', 1)
      return { body: slice((at - 1) * 3), headers: at < 3 ? link(`/v1/users?p=${at + 1}`) : link('/', 'first') }
    },
    fields: { ...auto, ...root },
    requests: 3,
  },
  {
    name: 'X-Next-Page',
    says: 'the X-Next-Page header',
    answer: (seen) => {
      const at = number(seen, 'page', 1)
      return { body: slice((at - 1) * 3), headers: { 'x-next-page': at < 3 ? String(at + 1) : '' } }
    },
    fields: { ...auto, ...root },
    requests: 3,
  },
  ...(
    [
      ['next', (url: string) => ({ next: url })],
      ['next_page', (url: string) => ({ next_page: url })],
      ['links.next', (url: string) => ({ links: { next: url } })],
      ['_links.next.href', (url: string) => ({ _links: { next: { href: url } } })],
      ['paging.next', (url: string) => ({ paging: { next: url } })],
      ["['@odata.nextLink']", (url: string) => ({ '@odata.nextLink': url })],
      ['info.next', (url: string) => ({ info: { next: url } })],
      ['next_page_url', (url: string) => ({ next_page_url: url, current_page: 1, last_page: 3 })],
    ] as const
  ).map(([name, more]) => ({
    name: `an address at ${name}`,
    says: `${name} has an address`,
    answer: (seen: Seen) => {
      const at = number(seen, 'at', 0)
      return data(slice(at), at + 3 < 7 ? more(`/v1/users?at=${at + 3}`) : {})
    },
    fields: auto,
    requests: 3,
  })),
  ...(
    [
      ['nextPageToken', 'pageToken', (token: string) => ({ nextPageToken: token })],
      ['response_metadata.next_cursor', 'cursor', (token: string) => ({ response_metadata: { next_cursor: token } })],
      ['paging.next.after', 'after', (token: string) => ({ paging: { next: { after: token } } })],
    ] as const
  ).map(([name, parameter, more]) => ({
    name: `a cursor at ${name}`,
    says: `${name} has a cursor`,
    answer: (seen: Seen) => {
      const at = number(seen, parameter, 0)
      return data(slice(at), at + 3 < 7 ? more(String(at + 3)) : {})
    },
    fields: auto,
    requests: 3,
  })),
  {
    name: 'page and total_pages',
    says: '$.page and $.total_pages count pages',
    answer: (seen) => byPage(seen, { page: number(seen, 'page', 1), total_pages: 3 }),
    fields: auto,
    requests: 3,
  },
  {
    name: 'pages from 0',
    says: '$.page.number and $.page.totalPages count pages',
    answer: (seen) =>
      data(slice(number(seen, 'page', 0) * 3), { page: { number: number(seen, 'page', 0), totalPages: 3 } }),
    fields: auto,
    requests: 3,
  },
  {
    name: 'the number of the next page',
    says: "$.next has the next page's number, asked for by _page",
    answer: (seen) =>
      data(slice((number(seen, '_page', 1) - 1) * 3), {
        next: number(seen, '_page', 1) < 3 ? number(seen, '_page', 1) + 1 : null,
      }),
    fields: { ...auto, query: { _page: '1' } },
    requests: 3,
  },
  {
    name: 'skip and total',
    says: '$.skip and $.total count records',
    answer: (seen) => data(slice(number(seen, 'skip', 0)), { total: 7, skip: number(seen, 'skip', 0), limit: 3 }),
    fields: auto,
    requests: 3,
  },
  { name: 'nothing', says: 'nothing in the first answer', answer: () => data(ALL), fields: auto, requests: 1 },
]

describe('`auto` recognises', () => {
  test.each(AUTO)('$name, and says so', async ({ answer, fields, requests, says }) => {
    const { read, seen, log } = await given(answer, fields)

    expect((await read()).records).toEqual(ALL)
    expect(seen).toHaveLength(requests)
    expect(JSON.stringify(log.lines.filter((line) => JSON.stringify(line).includes('recognised')))).toContain(says)
  })

  test.each([
    [{ 'x-total-count': '100' }],
    [{ 'content-range': 'items 0-6/100' }],
    [{ 'content-range': '0-6/*', 'x-total-pages': '4' }],
  ])('no way on, while %o says that there is more: an error as well', async (headers) => {
    const { read } = await given(() => ({ ...data(ALL), headers }), auto)

    expect(await failureOf(read())).toMatchObject({ code: 'REST_PAGINATION_UNKNOWN', retryable: false })
  })

  test.each([[{ 'x-total-count': '7' }], [{ 'content-range': 'items 0-6/7' }], [{ 'x-total-pages': '1' }]])(
    'one page, where %o says that it is all',
    async (headers) => {
      const { read } = await given(() => ({ ...data(ALL), headers }), auto)

      expect((await read()).records).toEqual(ALL)
    },
  )

  test.each([
    ['has_more', { has_more: true }],
    ['a total', { total: 100 }],
  ])('no way on, while %s says that there is more: an error, not half of the data', async (_, more) => {
    const { read } = await given(() => data(ALL, more), auto)

    expect(await failureOf(read())).toMatchObject({ code: 'REST_PAGINATION_UNKNOWN', retryable: false })
  })
})
