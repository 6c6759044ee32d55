import { reportError } from '@cinelake/core'
import { createDirectoryLake } from '@cinelake/lake/directory'
import { temporaryDirectory } from '@cinelake/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { namesIn } from '../landing/kept-answers.ts'
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
const bodyOf = (seen: Seen) => JSON.parse(seen.body === '' ? '{}' : seen.body) as Record<string, never>
const data = (records: unknown, more: object = {}): Reply => ({ body: { data: records, ...more } })
/** `?page=1` and on. */
const byPage = (seen: Seen, more: object = {}) => data(slice((number(seen, 'page', 1) - 1) * 3), more)
const byOffset = (seen: Seen, more: object = {}) => data(slice(number(seen, 'offset', 0)), more)
const link = (url: string, rel = 'next') => ({ link: `<${url}>; rel="${rel}"` })

type Case = {
  readonly name: string
  readonly answer: (seen: Seen) => Reply
  readonly fields: RestFields
  /** How many requests it takes. */
  readonly requests: number
}
const page = { type: 'page', parameter: 'page', first: 1 } as const
const offset = { type: 'offset', parameter: 'offset' } as const
const root = { dataset: { records: '$' } }

const CASES: readonly Case[] = [
  { name: 'page number, until a page is empty', answer: byPage, fields: { pagination: page }, requests: 4 },
  {
    name: 'page number, until a page is short',
    answer: byPage,
    fields: { pagination: { ...page, size: 3, end: { emptyPage: true, shortPage: true } } },
    requests: 3,
  },
  {
    name: 'page number, where the last page is full by chance',
    answer: (seen) =>
      data(
        ALL.slice(0, 6)
          .concat(ALL[6] ?? [], { id: 8 }, { id: 9 })
          .filter(({ id }) => Math.ceil(id / 3) === number(seen, 'page', 1) && id < 8),
      ),
    fields: { pagination: { ...page, size: 3, end: { emptyPage: true, shortPage: true } } },
    requests: 3,
  },
  {
    name: 'page number, until all records that it counts are there',
    answer: (seen) => byPage(seen, { meta: { total: '7' } }),
    fields: { pagination: { ...page, end: { emptyPage: true, shortPage: false, total: '$.meta.total' } } },
    requests: 3,
  },
  {
    name: 'page number, until all pages that it counts are there',
    answer: (seen) => byPage(seen, { pages: 3 }),
    fields: { pagination: { ...page, end: { emptyPage: true, shortPage: false, totalPages: '$.pages' } } },
    requests: 3,
  },
  {
    name: 'page number, until a constant says so',
    answer: (seen) => byPage(seen, { has_more: number(seen, 'page', 1) < 3 }),
    fields: {
      pagination: { ...page, end: { emptyPage: true, shortPage: false, when: { path: '$.has_more', is: false } } },
    },
    requests: 3,
  },
  {
    name: 'page number, until a field is missing',
    answer: (seen) => byPage(seen, number(seen, 'page', 1) < 3 ? { more: 'yes' } : {}),
    fields: { pagination: { ...page, end: { emptyPage: true, shortPage: false, when: { path: '$.more' } } } },
    requests: 3,
  },
  {
    name: 'page number, until there is no content',
    answer: (seen) => (number(seen, 'page', 1) > 3 ? { status: 204 } : byPage(seen)),
    fields: { pagination: page },
    requests: 4,
  },
  {
    name: 'page number, from 0',
    answer: (seen) => data(slice(number(seen, 'page', 9) * 3)),
    fields: { pagination: { ...page, first: 0 } },
    requests: 4,
  },
  {
    name: 'page number in the body of a POST',
    answer: (seen) => data(seen.method === 'POST' ? slice(((bodyOf(seen)['paging']?.['page'] ?? 1) - 1) * 3) : []),
    fields: {
      pagination: { type: 'page', bodyField: '$.paging.page', first: 1 },
      dataset: { method: 'POST', body: { filter: { active: true } } },
    },
    requests: 4,
  },
  { name: 'offset', answer: byOffset, fields: { pagination: offset }, requests: 4 },
  {
    name: 'offset, where the server gives fewer than it is asked for',
    answer: (seen) => data(slice(number(seen, 'offset', 0), Math.min(2, number(seen, 'limit', 9)))),
    fields: { pagination: { ...offset, sizeParameter: 'limit', size: 100 } },
    requests: 5,
  },
  {
    name: 'offset in the form of a POST',
    answer: (seen) => data(slice(Number(new URLSearchParams(seen.body).get('from')))),
    fields: {
      pagination: { type: 'offset', bodyField: '$.from' },
      dataset: { method: 'POST', bodyFormat: 'form', body: { q: 'a&b' } },
    },
    requests: 4,
  },
  {
    name: 'cursor in the body',
    answer: (seen) => {
      const at = number(seen, 'cursor', 0)
      return data(slice(at), { meta: { next: at + 3 < 7 ? String(at + 3) : '' } })
    },
    fields: { pagination: { type: 'cursor', path: '$.meta.next', parameter: 'cursor' } },
    requests: 3,
  },
  {
    name: 'cursor that is the last record, until a constant says so',
    answer: (seen) => data(slice(number(seen, 'after', 0)), { has_more: number(seen, 'after', 0) < 4 }),
    fields: {
      pagination: {
        type: 'cursor',
        path: '$.data[-1].id',
        parameter: 'after',
        end: { emptyPage: false, shortPage: false, when: { path: '$.has_more', is: false } },
      },
    },
    requests: 3,
  },
  {
    name: 'cursor in a header',
    answer: (seen) => {
      const at = number(seen, 'cursor', 0)
      return { ...data(slice(at)), headers: at + 3 < 7 ? { 'x-next': String(at + 3) } : {} }
    },
    fields: { pagination: { type: 'cursor', header: 'X-Next', parameter: 'cursor' } },
    requests: 3,
  },
  {
    name: 'cursor in the body of a POST, with its type',
    answer: (seen) => {
      const at = bodyOf(seen)['after'] ?? 0
      if (typeof at !== 'number') return { status: 400 }
      return data(slice(at), { next: at + 3 < 7 ? at + 3 : null })
    },
    fields: { pagination: { type: 'cursor', path: '$.next', bodyField: '$.after' }, dataset: { method: 'POST' } },
    requests: 3,
  },
  {
    name: 'relative next link',
    answer: (seen) =>
      data(slice(number(seen, 'at', 0)), number(seen, 'at', 0) < 6 ? { next: `?at=${number(seen, 'at', 0) + 3}` } : {}),
    fields: { pagination: { type: 'nextLink', path: '$.next' } },
    requests: 3,
  },
  {
    name: 'next link under a name with dots',
    answer: (seen) => {
      const at = number(seen, '$skiptoken', 0)
      const next = `http://${seen.headers.host}/v1/users?$skiptoken=${at + 3}`
      return { body: { value: slice(at), ...(at + 3 < 7 ? { '@odata.nextLink': next } : {}) } }
    },
    fields: { pagination: { type: 'nextLink', path: "$['@odata.nextLink']" }, dataset: { records: '$.value' } },
    requests: 3,
  },
  {
    name: 'Link header with several relations, and an array at the root',
    answer: (seen) => {
      const at = number(seen, 'page', 1)
      const links = [
        '</v1/users?page=1>; rel="first"; title="a, b; rel=next"',
        at < 3 ? `</v1/users?page=${at + 1}&a=1,2>; title=x; rel="prefetch next"` : '</v1/users?page=3>; rel=self',
        '<http://elsewhere.example/>;rel=last',
      ]
      return { body: slice((at - 1) * 3), headers: { link: links.join(' , ') } }
    },
    fields: { pagination: { type: 'linkHeader' }, ...root },
    requests: 3,
  },
  {
    name: 'values of a row of numbers',
    answer: (seen) => data(slice(number(seen, 'from', 0))),
    fields: { pagination: { type: 'range', parameter: 'from', values: [0, 3, 6] } },
    requests: 3,
  },
  {
    name: 'values of a list, of which one has no content, in the body of a POST',
    answer: (seen) => {
      const part = bodyOf(seen)['part'] as unknown
      return part === 'none' ? { status: 204 } : data(part === '2026-03-01' ? slice(0, 3) : slice(3, 4))
    },
    fields: {
      pagination: { type: 'range', bodyField: '$.part', values: ['{window.date}', 'none', 'b'] },
      dataset: { method: 'POST' },
    },
    requests: 3,
  },
  {
    name: 'cursor in a header of the answer, sent back in one of the request, over one of the source',
    answer: (seen) => {
      const at = Number(seen.headers['x-from'] ?? 0)
      return { ...data(slice(at)), headers: at + 3 < 7 ? { 'x-next': String(at + 3) } : {} }
    },
    fields: {
      headers: { 'X-FROM': '0' },
      pagination: { type: 'cursor', header: 'X-Next', requestHeader: 'X-From' },
    },
    requests: 3,
  },
  {
    name: 'page number in a header',
    answer: (seen) => data(slice((Number(seen.headers['x-page']) - 1) * 3)),
    fields: { pagination: { type: 'page', requestHeader: 'X-Page', first: 1 } },
    requests: 4,
  },
  {
    name: 'offset in a header',
    answer: (seen) => data(slice(Number(seen.headers['x-offset']))),
    fields: { pagination: { type: 'offset', requestHeader: 'X-Offset' } },
    requests: 4,
  },
  {
    name: 'values in a header',
    answer: (seen) => data(slice((Number(seen.headers['x-day']) - 1) * 3)),
    fields: { pagination: { type: 'range', requestHeader: 'X-Day', values: [1, 2, 3] } },
    requests: 3,
  },
]

describe('all records are read, each once, with pages by', () => {
  test.each(CASES)('$name', async ({ answer, fields, requests }) => {
    const { read, seen } = await given(answer, fields)

    expect((await read()).records).toEqual(ALL)
    expect(seen).toHaveLength(requests)
  })

  test.each(CASES)('$name: going on after any page', async ({ answer, fields, requests }) => {
    const { read, seen } = await given(answer, fields)
    const { path } = stack.use(await temporaryDirectory())
    const lake = stack.use(await createDirectoryLake(path))
    const { pages } = await read({ lake })
    const kept = [...(await namesIn(lake, 'answers', new AbortController().signal))]

    expect(kept).toHaveLength(requests)
    for (let count = requests; count > 0; count -= 1) {
      for (const name of kept.slice(count)) await lake.delete(`answers/${name}`)
      seen.length = 0
      expect((await read({ lake })).pages).toEqual(pages)
      expect(seen).toHaveLength(requests - count)
    }
  })
})

describe('pages that would never end, or end too early', () => {
  let id = 0
  const fresh = (more: object = {}): Reply => data([{ id: (id += 1) }], more)
  const LOOPS: readonly [string, (seen: Seen) => Reply, RestFields][] = [
    ['a next link to itself', () => fresh({ next: '/v1/users' }), { pagination: { type: 'nextLink', path: '$.next' } }],
    ['a relative link that stays', () => fresh({ next: '?a=1' }), { pagination: { type: 'nextLink', path: '$.next' } }],
    [
      'a Link header in a circle',
      (seen) => ({ ...fresh(), headers: link(`?p=${1 - number(seen, 'p', 0)}`) }),
      { pagination: { type: 'linkHeader' } },
    ],
    [
      'a cursor that repeats',
      (seen) => fresh({ next: seen.query.get('c') === 'a' ? 'b' : 'a' }),
      { pagination: { type: 'cursor', path: '$.next', parameter: 'c' } },
    ],
    [
      'a cursor in a body that the server ignores',
      () => data([{ id: 1 }], { next: 'x' }),
      { pagination: { type: 'cursor', path: '$.next', bodyField: '$.c' }, dataset: { method: 'POST' } },
    ],
    ['a page number that the server ignores', () => data([{ id: 1 }]), { pagination: page }],
    ['pages that begin again', (seen) => data([{ id: number(seen, 'page', 1) % 3 }]), { pagination: page }],
    [
      'a page number that the server ignores, while each answer says when it was made',
      () => data([{ id: 1 }, { id: 2 }], { took: (id += 1) }),
      { pagination: page },
    ],
    [
      'the last page for ever, each time with another number of the request',
      (seen) => data([{ id: Math.min(2, number(seen, 'page', 1)) }], { request: (id += 1) }),
      { pagination: page },
    ],
    [
      'a constant has_more',
      (seen) => ({ ...byPage(seen), body: { data: [{ id: Math.min(3, number(seen, 'page', 1)) }], has_more: true } }),
      { pagination: { ...page, end: { emptyPage: false, shortPage: false, when: { path: '$.has_more', is: false } } } },
    ],
  ]
  test.each(LOOPS)('%s is a circle', async (_, answer, fields) => {
    const { read, seen } = await given(answer, fields)

    expect(await failureOf(read())).toMatchObject({ code: 'REST_PAGE_LOOP', retryable: false })
    expect(seen.length).toBeLessThanOrEqual(5)
  })

  test('pages that begin and end alike, and differ between, are no circle', async () => {
    const { read } = await given(
      (seen) =>
        data(number(seen, 'page', 1) < 6 ? [{ v: 0 }, { v: number(seen, 'page', 1) }, { v: 0 }] : [], { took: id }),
      { pagination: page },
    )

    expect((await read()).records).toHaveLength(15)
  })

  test('the same page twice is let be where the pipeline says so', async () => {
    const { read } = await given((seen) => data(number(seen, 'page', 1) < 4 ? [{ id: 1 }] : []), {
      pagination: { ...page, samePage: 'allow' },
    })

    expect((await read()).records).toHaveLength(3)
  })

  test('more pages than are allowed are an error or a stop', async () => {
    const failing = await given(byPage, { pagination: { ...page, maxPages: 2 } })
    const stopping = await given(byPage, { pagination: { ...page, maxPages: 2, atMaxPages: 'stop' } })
    const enough = await given(byPage, { pagination: { ...page, maxPages: 3 } })

    expect(await failureOf(failing.read())).toMatchObject({ code: 'REST_TOO_MANY_PAGES', retryable: false })
    expect((await stopping.read()).records).toEqual(ALL.slice(0, 6))
    expect(stopping.seen).toHaveLength(2)
    expect((await enough.read()).records).toEqual(ALL)
  })

  test('empty pages that always lead on are an error as well', async () => {
    const next = (at: number) => (at < 200 ? { next: `/v1/users?c=${at + 1}` } : {})
    const { read, seen } = await given((one) => data([], next(number(one, 'c', 0))), {
      pagination: { type: 'nextLink', path: '$.next', maxPages: 20 },
    })

    expect(await failureOf(read())).toMatchObject({
      code: 'REST_TOO_MANY_PAGES',
    })
    expect(seen).toHaveLength(21)
  })

  test('pages that end before the count of the server is reached are an error', async () => {
    const end = { emptyPage: true, shortPage: false, total: '$.total' }
    const { read } = await given((seen) => byPage(seen, { total: 8 }), { pagination: { ...page, end } })

    expect(await failureOf(read())).toMatchObject({
      code: 'REST_PAGES_INCOMPLETE',
      retryable: true,
      context: { expected: 8, actual: 7 },
    })
  })

  test('a cursor that no header can carry is refused', async () => {
    const { read } = await given(() => fresh({ next: 'a\r\nX: y' }), {
      pagination: { type: 'cursor', path: '$.next', requestHeader: 'X-Cursor' },
    })

    expect(await failureOf(read())).toMatchObject({ code: 'REST_NEXT_PAGE_INVALID', retryable: false })
  })

  test.each([
    ['another server', { next: 'https://elsewhere.example/x' }, 'another server'],
    ['a number', { next: 7 }, 'something other than a text'],
    ['nothing, while there is more', { has_more: true }, 'nothing, while the body says that there is more'],
  ])('a next link to %s is refused', async (_, more, problem) => {
    const end = { emptyPage: false, shortPage: false, when: { path: '$.has_more', is: false } }
    const { read } = await given(() => fresh(more), { pagination: { type: 'nextLink', path: '$.next', end } })

    expect(await failureOf(read())).toMatchObject({
      code: 'REST_NEXT_PAGE_INVALID',
      message: expect.stringContaining(problem),
    })
  })
})

/** What the whole is said to be goes before the look of one page. */
describe('an empty page in the middle', () => {
  const THREE = [slice(0, 3), [], slice(3, 4)]
  const until = (end: object) => ({ emptyPage: true, shortPage: true, ...end })
  const byNumber = (more: (number: number) => object) => (seen: Seen) => {
    const at = number(seen, 'page', 1)
    return data(THREE[at - 1] ?? [], more(at))
  }
  const byPlace = (more: (number: number) => object) => (seen: Seen) => {
    const at = number(seen, 'offset', 0) / 3
    return data(THREE[at] ?? [], more(at + 1))
  }
  const sized = { ...page, size: 3 }
  const placed = { ...offset, size: 3 }
  const ENDS: readonly [string, (number: number) => object, object][] = [
    ['a count of pages', () => ({ pages: 3 }), { totalPages: '$.pages' }],
    [
      'a count of pages that the empty page has as null',
      (at) => ({ pages: at === 2 ? null : 3 }),
      { totalPages: '$.pages' },
    ],
    ['a value', (at) => ({ more: at < 3 }), { when: { path: '$.more', is: false } }],
    ['a field that the last page lacks', (at) => (at < 3 ? { more: 1 } : {}), { when: { path: '$.more' } }],
    [
      'a count of pages, though all records that are counted were read',
      () => ({ pages: 3, n: 3 }),
      { totalPages: '$.pages', total: '$.n' },
    ],
  ]
  test.each(ENDS)('is not the end while %s says that there is more', async (_, more, end) => {
    const numbered = await given(byNumber(more), { pagination: { ...sized, end: until(end) } })
    const counted = await given(byPlace(more), { pagination: { ...placed, end: until(end) } })

    expect((await numbered.read()).records).toEqual(ALL)
    expect((await counted.read()).records).toEqual(ALL)
    expect(numbered.seen).toHaveLength(3)
  })

  test('without content is not the end either', async () => {
    const { read } = await given(
      (seen) => (number(seen, 'page', 1) === 2 ? { status: 204 } : byNumber(() => ({ pages: 3 }))(seen)),
      { pagination: { ...page, end: until({ totalPages: '$.pages' }) } },
    )

    expect((await read()).records).toEqual(ALL)
  })

  test('is an error where records are missing that the server counts', async () => {
    const { read } = await given(
      byNumber(() => ({ total: 7 })),
      { pagination: { ...page, end: until({ total: '$.total' }) } },
    )

    expect(await failureOf(read())).toMatchObject({ code: 'REST_PAGES_INCOMPLETE', context: { unit: 'records' } })
  })

  test('is an error where the offset cannot go on', async () => {
    const { read } = await given(
      byPlace(() => ({ pages: 3 })),
      {
        pagination: { ...offset, end: until({ totalPages: '$.pages' }) },
      },
    )

    expect(await failureOf(read())).toMatchObject({ code: 'REST_NEXT_PAGE_INVALID' })
  })

  test('after another, for ever, is a circle', async () => {
    const { read, seen } = await given((one) => data(number(one, 'page', 1) === 1 ? [{ id: 1 }] : [], { more: true }), {
      pagination: { ...page, end: until({ when: { path: '$.more', is: false } }) },
    })

    expect(await failureOf(read())).toMatchObject({ code: 'REST_PAGE_LOOP' })
    expect(seen.length).toBeLessThan(150)
  })
})

describe('counts that the server gives', () => {
  const counting = { emptyPage: true, shortPage: false, total: '$.total' }
  const totals =
    (...values: unknown[]) =>
    (seen: Seen) =>
      byPage(seen, { total: values[number(seen, 'page', 1) - 1] ?? null })
  const byCursor = (more: (at: number) => object) => (seen: Seen) => {
    const at = number(seen, 'cursor', 0)
    return data(slice(at), { next: at + 3 < 7 ? at + 3 : null, ...more(at) })
  }
  const cursor = { type: 'cursor', path: '$.next', parameter: 'cursor' } as const

  test('that grow are followed to the end, and told', async () => {
    const { read } = await given(totals(6, 7, 7), { pagination: { ...page, end: counting } })

    const { records, quality } = await read()
    expect(records).toEqual(ALL)
    expect(quality).toMatchObject([
      { rule: 'pages_moved', detail: 'the API counted 6 records, and 7 while it was read' },
    ])
  })

  test.each([
    ['records', totals(7, 6, 6), counting],
    [
      'pages',
      (seen: Seen) => byPage(seen, { pages: number(seen, 'page', 1) < 2 ? 3 : 2 }),
      { emptyPage: true, shortPage: false, totalPages: '$.pages' },
    ],
  ])(
    'that shrink while %s are requested by number are an error: records moved to pages that were read',
    async (_, answer, end) => {
      const { read } = await given(answer, { pagination: { ...page, end } })

      expect(await failureOf(read())).toMatchObject({ code: 'REST_PAGES_MOVED', retryable: true })
    },
  )

  test('that shrink while pages lead to each other are told', async () => {
    const { read } = await given(
      byCursor((at) => ({ total: at === 0 ? 8 : 7 })),
      {
        pagination: { ...cursor, end: { emptyPage: false, shortPage: false, total: '$.total' } },
      },
    )

    const { records, quality } = await read()
    expect(records).toEqual(ALL)
    expect(quality).toMatchObject([{ rule: 'pages_moved' }])
  })

  test('are remembered from pages that have them', async () => {
    const { read } = await given(totals(8), { pagination: { ...page, end: counting } })

    expect(await failureOf(read())).toMatchObject({
      code: 'REST_PAGES_INCOMPLETE',
      context: { expected: 8, actual: 7 },
    })
  })

  test.each([
    ['Link header', 'linkHeader', (at: number) => ({ headers: at < 4 ? link(`?cursor=${at + 3}`) : {} })],
    [
      'next link',
      'nextLink',
      (at: number) => ({ body: { data: slice(at), total: 9, ...(at < 4 ? { next: `?cursor=${at + 3}` } : {}) } }),
    ],
  ] as const)('and that the last page by its %s contradicts are an error', async (_, type, more) => {
    const { read } = await given(
      (seen) => ({ body: { data: slice(number(seen, 'cursor', 0)), total: 9 }, ...more(number(seen, 'cursor', 0)) }),
      { pagination: { type, path: '$.next', end: { emptyPage: false, shortPage: false, total: '$.total' } } as never },
    )

    expect(await failureOf(read())).toMatchObject({
      code: 'REST_PAGES_INCOMPLETE',
      context: { expected: 9, actual: 7 },
    })
  })

  test('and fewer pages than are counted are an error, whatever ended them', async () => {
    const { read } = await given(
      byCursor(() => ({ pages: 4 })),
      {
        pagination: { ...cursor, end: { emptyPage: false, shortPage: false, totalPages: '$.pages' } },
      },
    )

    expect(await failureOf(read())).toMatchObject({
      code: 'REST_PAGES_INCOMPLETE',
      message: expect.stringContaining('the 4 pages that it counts, got 3'),
    })
  })

  test('are missed where no page has them', async () => {
    const { read } = await given(byPage, { pagination: { ...page, end: { ...counting, total: '$.meta.total' } } })

    expect((await read()).quality).toMatchObject([
      { rule: 'end_rule_silent', detail: 'no page had a count at $.meta.total' },
    ])
  })
})

describe('null in place of the records', () => {
  const nulls = (seen: Seen) => (number(seen, 'page', 1) < 4 ? byPage(seen) : { body: { data: null } })

  test('after records is no end by itself', async () => {
    const pages = await given(nulls, { pagination: page })
    const offsets = await given((seen) => (number(seen, 'offset', 0) < 7 ? byOffset(seen) : { body: { data: null } }), {
      pagination: offset,
    })
    const cursors = await given(
      (seen) => (seen.query.has('c') ? { body: { data: null } } : data(slice(0), { next: 'x' })),
      { pagination: { type: 'cursor', path: '$.next', parameter: 'c' } },
    )

    for (const { read } of [pages, offsets, cursors])
      expect(await failureOf(read())).toMatchObject({ code: 'REST_RECORDS_NULL', retryable: true })
  })

  test('is the end where the pipeline says that an empty page is', async () => {
    const { read } = await given(nulls, {
      pagination: { ...page, end: { emptyPage: true, nullPage: true, shortPage: false } },
    })

    expect((await read()).records).toEqual(ALL)
  })

  test('is the end where a count says so', async () => {
    const { read } = await given(
      (seen) => (number(seen, 'page', 1) === 3 ? { body: { data: null, pages: 3 } } : byPage(seen, { pages: 3 })),
      {
        pagination: { ...page, end: { emptyPage: true, shortPage: false, totalPages: '$.pages' } },
      },
    )

    expect((await read()).records).toEqual(ALL.slice(0, 6))
  })
})

describe('a body that says that the request failed', () => {
  const failing = (body: object) => (seen: Seen) =>
    number(seen, 'page', 1) === 2 ? { body } : byPage(seen, { status: 'ok' })
  const present = { present: '$.error', retry: true }
  const unless = { unless: { path: '$.status', is: 'ok' }, retry: true }

  test.each([
    ['a text', { error: 'quota' }, present],
    ['a text beside records', { error: 'quota', data: [] }, present],
    ['an object', { error: { code: 7 }, data: [] }, present],
    ['another value', { status: 'error', data: [] }, unless],
    ['no value', { data: [] }, unless],
  ])('by %s is a failure', async (_, body, failure) => {
    const { read } = await given(failing(body), { pagination: page, dataset: { failure } })
    const forGood = await given(failing(body), { pagination: page, dataset: { failure: { ...failure, retry: false } } })

    expect(await failureOf(read())).toMatchObject({ code: 'REST_ANSWER_FAILED', retryable: true })
    expect(await failureOf(forGood.read())).toMatchObject({ code: 'REST_ANSWER_REFUSED', retryable: false })
    expect(JSON.stringify(await failureOf(read()))).not.toContain('quota')
  })

  test('is not kept: the next attempt asks for it again, and for no other page', async () => {
    let isFailing = true
    const { read, seen } = await given((one) => (isFailing ? failing({ error: 'quota' })(one) : byPage(one)), {
      pagination: page,
      dataset: { failure: present },
    })
    const { path } = stack.use(await temporaryDirectory())
    const lake = stack.use(await createDirectoryLake(path))
    await failureOf(read({ lake }))
    isFailing = false
    seen.length = 0

    expect((await read({ lake })).records).toEqual(ALL)
    expect(seen.map((one) => one.query.get('page'))).toEqual(['2', '3', '4'])
  })

  test.each([{ error: null }, { error: '' }, { error: [] }, { error: {} }, { error: false }, { error: 0 }, {}])(
    'is not one with %j',
    async (more) => {
      const { read } = await given((seen) => byPage(seen, more), { pagination: page, dataset: { failure: present } })

      expect((await read()).records).toEqual(ALL)
    },
  )

  test('and records that are not there are an error', async () => {
    const { read } = await given(failing({ error: 'quota' }), { pagination: page })

    expect(await failureOf(read())).toMatchObject({ code: 'REST_RECORDS_MISSING' })
  })
})

describe('a dataset without pagination', () => {
  const only = { pagination: { type: 'none' } } as const

  test.each<[string, Reply]>([
    ['a next link', data(slice(0), { next: '/v1/users?page=2' })],
    ['a next link to another server', data(slice(0), { next: 'https://elsewhere.example/x' })],
    ['a cursor', data(slice(0), { next_cursor: 'x' })],
    ['a Link header', { ...data(slice(0)), headers: link('?page=2') }],
    ['a count of pages', data(slice(0), { page: 1, total_pages: 3 })],
    ['a count of records', data(slice(0), { total: 7 })],
    ['has_more', data(slice(0), { has_more: true })],
  ])('is warned of %s', async (_, reply) => {
    const { read, seen } = await given(() => reply, only)

    expect(await read()).toMatchObject({
      records: ALL.slice(0, 3),
      quality: [{ rule: 'pages_unread', severity: 'warn' }],
    })
    expect(seen).toHaveLength(1)
  })

  test.each<[string, Reply]>([
    ['nothing', data(slice(0))],
    ['a next link that is null', data(slice(0), { next: null })],
    ['one page', data(slice(0), { page: 1, total_pages: 1 })],
    ['as many records as it counts', data(slice(0), { offset: 0, total: 3 })],
    ['has_more that is false', data(slice(0), { next_cursor: 'x', has_more: false })],
  ])('is not warned of %s', async (_, reply) => {
    const { read } = await given(() => reply, only)

    expect((await read()).quality).toEqual([])
  })
})
