import { describe, expect, test } from 'vitest'
import { textFolder } from './fixtures/text-folder.fixture.ts'
import { formatProblem } from '@cinelake/config-text'
import { readPipeline } from './read-pipeline.ts'

/** What is said of a source's text on a machine without any settings, where every secret is there. */
async function errorsOf(source: string): Promise<string> {
  const files = {
    'pipeline.yaml': `pipeline: shop\nschedule: { every: day, start: 2026-03-01 }\nsources:\n  api: ${source}\n`,
  }
  const { problems } = await readPipeline(textFolder(files), { settings: {}, hasSecret: () => true })
  return problems.map(formatProblem).join('\n')
}

const anApi = (rest: string, dataset = 'path: /x', baseUrl = 'https://api.example') =>
  `{ type: rest, baseUrl: '${baseUrl}', ${rest} datasets: { x: { ${dataset} } } }`

const AUTHS: readonly (readonly [name: string, auth: (value: string) => string, what: string])[] = [
  ['token', (value) => `{ type: bearer, token: '${value}' }`, 'token'],
  ['password', (value) => `{ type: basic, username: u, password: '${value}' }`, 'password'],
  ['key', (value) => `{ type: apiKey, key: '${value}' }`, 'key'],
  [
    'client secret',
    (value) => `{ type: oauth2, tokenUrl: 'https://x', clientId: c, clientSecret: '${value}' }`,
    'client secret',
  ],
  [
    'refresh token',
    (value) => `{ type: oauth2, tokenUrl: 'https://x', grant: refreshToken, refreshToken: '${value}' }`,
    'refresh token',
  ],
  [
    'secret access key',
    (value) => `{ type: awsSigV4, accessKeyId: a, secretAccessKey: '${value}', region: r, service: s }`,
    'secretAccessKey',
  ],
  ['signing key', (value) => `{ type: jwt, key: '${value}' }`, 'key'],
]

const PLACES: readonly (readonly [name: string, source: (value: string) => string, what: string])[] = [
  ...AUTHS.map(([name, auth, what]) => [name, (value: string) => anApi(`auth: ${auth(value)},`), what] as const),
  [
    'password among the parameters of a token request',
    (value) =>
      anApi(
        `auth: { type: oauth2, tokenUrl: 'https://x', clientId: c, clientSecret: '\${secret:S}', parameters: { password: '${value}' } },`,
      ),
    'password',
  ],
  ['header', (value) => anApi(`headers: { X-Api-Key: '${value}' },`), 'header `X-Api-Key`'],
  ['query parameter', (value) => anApi('', `query: { api_key: '${value}' }`), 'query parameter `api_key`'],
  ['query of a path', (value) => anApi('', `path: '/x?access_token=${value}'`), 'query parameter `access_token`'],
  ['body', (value) => anApi('', `body: { login: { password: '${value}' } }`), 'field `password` of the body'],
  ['key of a push', (value) => `{ type: push, auth: { keys: ['${value}'] }, datasets: { x: {} } }`, 'key'],
  ['address', (value) => `{ type: database, url: 'postgres://u:${value}@db/shop' }`, 'password'],
  [
    'source that is wrong elsewhere',
    (value) => anApi(`auth: { type: bearer, token: '${value}' }, retris: 1,`),
    'token',
  ],
]

describe.each(PLACES)('the %s', (_, source, what) => {
  test.each(['${TOK:-hunter2}', '${TOK}', '${TOK:-}'])(
    '%s is told to be no secret, and how it is one',
    async (value) => {
      const errors = await errorsOf(source(value))

      expect(errors).toContain(
        `the ${what} is not kept as a secret; write '\${secret:NAME}' in its place and keep it with the secrets`,
      )
      expect(errors).not.toContain('hunter2')
      expect(errors).not.toContain('give a default')
    },
  )

  test('${secret:TOK} is right', async () => {
    expect(await errorsOf(source('${secret:TOK}'))).not.toContain('kept as a secret')
  })
})

test.each([
  ['an address of a database', "{ type: database, url: '${DB:-postgres://u:hunter2@db/shop}' }"],
  ['the base of an API', anApi('', 'path: /x', '${API:-https://u:hunter2@api.example}')],
])('a password in the default of %s is told, without it', async (_, source) => {
  const errors = await errorsOf(source)

  expect(errors).toContain('the password is not kept as a secret')
  expect(errors).not.toContain('hunter2')
})

test.each([
  ['two secrets in one', anApi("auth: { type: basic, username: u, password: '${secret:PW}${secret:TOKEN}' },")],
  ['a word before a secret in a header', anApi("headers: { Authorization: 'Token ${secret:TOK}' },")],
  ['a setting beside a secret in a header', anApi("headers: { Authorization: '${A:-shop}:${secret:TOK}' },")],
  ['a header about a token', anApi("headers: { X-Token-Type: '${TYPE:-opaque}' },")],
  ['a cursor that is called a token', anApi('', "query: { page_token: '${FIRST:-0}' }")],
  ['a port and a sign of the path', anApi('', 'path: /x', 'https://${HOST:-h}:${PORT:-80}/users/@me')],
  ['a database without a password', "{ type: database, url: 'postgres://${DB_USER:-u}@${DB_HOST:-db}/shop' }"],
])('%s is right', async (_, source) => {
  expect(await errorsOf(source)).not.toContain('secret')
})

test('an address whose host is no setting of this machine may get a default, its password none', async () => {
  const errors = await errorsOf("{ type: database, url: 'postgres://u:${PW}@${HOST}/shop' }")

  expect(errors).toContain('the setting `HOST` is missing; set the environment variable HOST, or give a default')
  expect(errors).not.toContain('`PW`')
})

test.each([
  ['baseUrl', anApi('', 'path: /x', 'https://h.example/v1?api_key=hunter2'), 'query parameter `api_key`'],
  ['baseUrl', anApi('', 'path: /x', 'https://u:hunter2@h.example/v1'), 'user and password'],
  [
    'tokenUrl',
    anApi("auth: { type: oauth2, tokenUrl: 'https://u:hunter2@h/t', clientId: c, clientSecret: '${secret:S}' },"),
    'user and password',
  ],
  [
    'tokenUrl',
    anApi("auth: { type: oauth2, tokenUrl: 'https://h/t?api_key=hunter2', clientId: c, clientSecret: '${secret:S}' },"),
    'query parameter `api_key`',
  ],
])('a secret that stands in the address %s is told, and not shown', async (_place, source, what) => {
  const errors = await errorsOf(source)
  expect(errors).toContain(what)
  expect(errors).not.toContain('hunter2')
})
