import { expect, test } from 'vitest'
import { companySize, type CompanyKey } from './company-size.ts'
import { createUsersApi } from './users-api.ts'
import { userChangeOn } from './users.ts'

const company: CompanyKey = { seed: 7, size: companySize(1) }

test('every user is on one of the pages that the links lead through, after the refusals were waited out', async () => {
  await using api = await given(0)
  const ids: string[] = []
  const refusals: string[] = []

  for (let next: string | null = '/v1/users?page=1&per_page=500'; next !== null;) {
    const response = await api.get(next)
    if (response.status !== 200) {
      refusals.push(`${response.status} ${response.headers.get('retry-after') ?? ''}`)
      continue
    }
    const body = (await response.json()) as { data: { id: string }[]; links: { next: string | null } }
    ids.push(...body.data.map((user) => user.id))
    next = body.links.next
  }

  expect(new Set(ids).size).toBe(5_000)
  // Nine pages repeat the last user of the page before.
  expect(ids).toHaveLength(5_009)
  expect(refusals).toEqual(['429 1', '503 '])
})

test('a request without the token is refused before anything else', async () => {
  await using api = await given(0)

  for (const token of ['', 'Bearer wrong', 'token']) {
    const response = await fetch(`${api.url}/v1/users`, { headers: { authorization: token } })
    expect(response.status).toBe(401)
    expect(await response.text()).not.toContain('u0000001')
  }
})

test.each(['page=0', 'page=x', 'per_page=0', 'per_page=1001', 'page=1.5'])('%s is not a page', async (query) => {
  await using api = await given(0)
  expect((await api.get(`/v1/users?${query}`)).status).toBe(400)
})

test('on the next day there are new users, and those that changed have a later updated_at', async () => {
  await using api = await given(1)
  const page = async (number: number) => {
    let response = await api.get(`/v1/users?page=${number}&per_page=1000`)
    if (response.status !== 200) response = await api.get(`/v1/users?page=${number}&per_page=1000`)
    return ((await response.json()) as { data: { id: string; updated_at: string }[] }).data
  }
  const first = await page(1)
  const changed = first.filter((_, index) => userChangeOn(company, index, 1) !== undefined)

  expect((await page(6)).at(-1)?.id).toBe('u0005050')
  expect(changed.length).toBeGreaterThan(5)
  for (const user of changed) expect(user.updated_at > '2026-03-01T23').toBe(true)
})

async function given(day: number) {
  const api = createUsersApi({ company, token: 'a-token', day: () => day })
  const url = await api.listen({ host: '127.0.0.1', port: 0 })
  return {
    url,
    get: (path: string) => fetch(`${url}${path}`, { headers: { authorization: 'Bearer a-token' } }),
    [Symbol.asyncDispose]: () => api.close(),
  }
}
