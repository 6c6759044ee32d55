import { expect, test } from 'vitest'
import { withSecretsOf } from './request-address.ts'

const FORMER = 'https://api.example/old/v1/users?key=old&size=10'
const LATEST = 'https://api.example/new/v1/users?key=new+one&size=10'

test.each([
  ['the first page', FORMER, LATEST],
  ['a numbered page', `${FORMER}&page=2`, `${LATEST}&page=2`],
  ['a link that repeats the key', `${FORMER}&cursor=a`, `${LATEST}&cursor=a`],
  ['a link without the key', 'https://api.example/v1/next?cursor=a%20b', 'https://api.example/v1/next?cursor=a%20b'],
  ['a link with a key of its own', 'https://api.example/v1/next?key=other', 'https://api.example/v1/next?key=other'],
  ['a longer path', 'https://api.example/old/v1/users/2', 'https://api.example/new/v1/users/2'],
  ['another path', 'https://api.example/old/v1/users2', 'https://api.example/old/v1/users2'],
  ['the key as another parameter', 'https://api.example/x?size=old', 'https://api.example/x?size=old'],
  ['a page that has the new key already', LATEST, LATEST],
])('%s', (_, page, expected) => {
  expect(withSecretsOf(new URL(LATEST), new URL(page), new URL(FORMER)).href).toBe(expected)
})

test('a secret may be the name of the server', () => {
  const [latest, former] = [new URL('https://new.example/users'), new URL('https://old.example/users')]

  expect(withSecretsOf(latest, new URL('https://old.example/users?page=2'), former).href).toBe(
    'https://new.example/users?page=2',
  )
})
