import { describe, expect, test } from 'vitest'
import { GOOD, textFolder } from './fixtures/text-folder.fixture.ts'
import { formatProblem } from '@cinelake/config-text'
import { readPipeline } from './read-pipeline.ts'

const AUTH = "{ type: bearer, token: '${secret:CRM_TOKEN}' }"
const USERS =
  "{ path: /v1/users, records: $.data, pagination: { type: nextLink, path: $.links.next }, query: { since: '{window.start}' } }"

/** The REST source of the good pipeline, alone. */
const PIPELINE = `pipeline: shop
schedule: { every: day, start: 2026-03-01 }
sources:
  crm:
    type: rest
    baseUrl: https://crm.example
    auth: ${AUTH}
    datasets:
      users: ${USERS}
`

async function read(from: string, to: string) {
  const files = {
    'pipeline.yaml': PIPELINE.replace(from, () => to),
    'contracts/users.yaml': GOOD['contracts/users.yaml'] ?? '',
  }
  const { pipeline, problems } = await readPipeline(textFolder(files))
  return { source: pipeline?.sources[0], problems: problems.map(formatProblem) }
}
const errorsOf = async (from: string, to: string) =>
  (await read(from, to)).problems.filter((problem) => problem.startsWith('pipeline.yaml')).join('\n')

describe('auth of a REST source', () => {
  test.each([
    ['{ type: basic, username: u, password: hunter2 }', 'the password stands in the text'],
    ['{ type: apiKey, key: hunter2 }', 'the key stands in the text'],
    ["{ type: apiKey, key: '${secret:K}', header: X, parameter: y }", 'both into a header and into a query parameter'],
    ["{ type: oauth2, tokenUrl: 'https://x', clientId: c }", '`clientCredentials` without `clientSecret`'],
    [
      "{ type: oauth2, tokenUrl: 'https://x', clientId: c, clientSecret: hunter2 }",
      'the client secret stands in the text',
    ],
    ["{ type: oauth2, tokenUrl: 'https://x', grant: refreshToken }", '`refreshToken` without `refreshToken`'],
    ["{ type: oauth2, tokenUrl: 'ftp://x', clientId: c, clientSecret: '${secret:S}' }", 'unknown scheme `ftp:`'],
    [
      "{ type: oauth2, tokenUrl: 'https://x', clientId: c, clientSecret: '${secret:S}', parameters: { password: hunter2 } }",
      'the password stands in the text',
    ],
    [
      '{ type: awsSigV4, accessKeyId: a, secretAccessKey: hunter2, region: r, service: s }',
      'the secretAccessKey stands in the text',
    ],
    [
      "{ type: awsSigV4, accessKeyId: a, secretAccessKey: '${secret:K}', sessionToken: hunter2, region: r, service: s }",
      'the sessionToken stands in the text',
    ],
    ["{ type: awsSigV4, accessKeyId: a, secretAccessKey: '${secret:K}', service: s }", 'auth.region'],
    ["{ type: jwt, key: '${secret:K}', as: grant }", 'the assertion is exchanged nowhere'],
    ['{ type: jwt, key: 7 }', '`sources.crm.auth.key` is wrong: got a number'],
    ['{ type: oauth, tokenUrl: x }', 'did you mean `oauth2`?'],
  ])('%s is told to be wrong, without the secret', async (auth, problem) => {
    const errors = await errorsOf(AUTH, auth)

    expect(errors).toContain(problem)
    expect(errors).not.toContain('hunter2')
  })
})

test.each(['https://u:hunter2@crm.example', "'https://${USER}:${secret:PW}@crm.example/v1'", 'https://u@crm.example'])(
  'the address %s is told to have a user in it, without the password',
  async (url) => {
    const errors = await errorsOf('https://crm.example', url)

    expect(errors).toContain('the address has user and password in it')
    expect(errors).toContain('`auth: { type: basic')
    expect(errors).not.toContain('hunter2')
  },
)

describe('what a REST dataset asks for', () => {
  test.each([
    ['{ path: /u, body: { a: 1 }, method: GET }', 'a GET has no body'],
    ['{ path: /u, bodyFormat: form, body: { a: { b: 1 } } }', 'the field `a` of a form is no text'],
    ['{ path: /u, query: { api_key: hunter2 } }', 'the query parameter `api_key` has its secret in the text'],
    ["{ path: '/u?access_token=hunter2' }", 'the query parameter `access_token` has its secret in the text'],
    ['{ path: /u, body: { login: { password: hunter2 } } }', 'the field `password` of the body has its secret'],
    [
      '{ path: /u, pagination: { type: page, parameter: p, sizeParameter: n } }',
      '`sizeParameter` has no size to carry',
    ],
    ["{ path: /u, body: { a: ['{window.begin}'] } }", 'unknown part `{window.begin}` in the body'],
    ["{ path: '/u/{window.day}' }", 'unknown part `{window.day}` in the path'],
    ["{ path: /u, query: { a: '{since}' } }", '`{since}` stands for nothing'],
    ['{ path: /u, incremental: true, mode: merge }', 'no request asks for `{since}`'],
    [
      "{ path: '/u/{since}', incremental: true, mode: merge }",
      'the path has `{since}`, and the first time there is none',
    ],
    [
      "{ path: /u, query: { a: '{since}' }, incremental: { start: soon }, mode: merge }",
      "'soon' is neither a date nor an instant",
    ],
    ["{ path: /u, query: { a: '{since}' }, incremental: true }", '`users` is incremental and replaces its table'],
    ['{ path: /u, incremental: { cursor: { path: $.t } }, mode: merge }', 'nothing says where the value goes'],
    [
      '{ path: /u, incremental: { cursor: { path: $.t, link: true, parameter: p } }, mode: merge }',
      'goes to another place as well',
    ],
    [
      "{ path: /u, query: { a: '{since}' }, incremental: { cursor: { path: $.t, parameter: p } }, mode: merge }",
      'both a time and a cursor',
    ],
    [
      '{ path: /u, incremental: { overlap: 1h, cursor: { path: $.t, parameter: p } }, mode: merge }',
      'both a time and a cursor',
    ],
    ['{ path: /u, incremental: { cursor: { path: $.t, parameter: p } }, mode: append }', 'would count its rows twice'],
    ['{ path: /u, incremental: { cursor: { path: $.t, parameter: p } } }', 'is incremental and replaces its table'],
    ["{ path: '/u/{o.id}', incremental: { cursor: { path: $.t, parameter: p } }, mode: merge }", 'each parent would'],
    [
      '{ path: /u, pagination: { type: range, parameter: r, from: 1, to: 2 }, incremental: { cursor: { path: $.t, parameter: p } }, mode: merge }',
      'each value would have',
    ],
    [
      '{ path: /u, pagination: { type: auto, atMaxPages: stop }, incremental: { cursor: { path: $.t, parameter: p } }, mode: merge }',
      'may never be read',
    ],
    ["{ path: /u, records: '$.a[' }", "'$.a[' is no path into a JSON body"],
    ['{ path: /u, pagination: { type: page } }', 'nothing says where the value goes'],
    ['{ path: /u, pagination: { type: page, parameter: p, bodyField: $.p } }', 'the value goes to several places'],
    ['{ path: /u, pagination: { type: page, parameter: p, requestHeader: X-P } }', 'the value goes to several places'],
    ["{ path: /u, pagination: { type: page, requestHeader: 'X P' } }", "'X P' is no name of a header"],
    ['{ path: /u, pagination: { type: page, requestHeader: Authorization } }', 'has a meaning of its own'],
    ['{ path: /u, pagination: { type: page, bodyField: $.p } }', '`bodyField` needs a request with a body'],
    ['{ path: /u, pagination: { type: page, parameter: p, end: { shortPage: true } } }', 'a short page cannot be told'],
    ["{ path: /u, pagination: { type: page, parameter: p, end: { total: '$..t' } } }", 'may lead to several places'],
    ['{ path: /u, failure: { retry: false } }', '`failure` does not say what a failed answer looks like'],
    ["{ path: /u, failure: { present: '$..error' } }", 'may lead to several places'],
    ["{ path: /u, failure: { unless: { path: 'status', is: ok } } }", "'status' is no path"],
    ['{ path: /u, pagination: { type: cursor, parameter: p } }', 'the cursor is to be found in one place'],
    ['{ path: /u, pagination: { type: range, parameter: p, from: 1 } }', 'the values are not told'],
    ['{ path: /u, pagination: { type: range, parameter: p, from: 1, to: 5, step: -1 } }', 'the values are not told'],
    ['{ path: /u, pagination: { type: pages } }', 'did you mean `page`?'],
  ])('%s is told to be wrong', async (dataset, problem) => {
    const errors = await errorsOf(USERS, dataset)

    expect(errors).toContain(problem)
    expect(errors).not.toContain('hunter2')
  })

  test.each([
    ['{ path: /u }', { method: 'GET', format: 'auto', records: '$', pagination: { type: 'none' } }],
    ["{ path: /u, body: { query: 'query { users { id } }' } }", { method: 'POST', bodyFormat: 'json' }],
    [
      "{ path: /u, query: { a: '{since:unix}', b: '{until:utc yyyy-MM-dd}' }, incremental: { start: 2020-01-01, overlap: 1h }, mode: merge }",
      { incremental: { start: '2020-01-01T00:00:00Z', overlapMs: 3_600_000 } },
    ],
    [
      '{ path: /u, incremental: { cursor: { path: "$[\'@odata.deltaLink\']", link: true } }, mode: merge }',
      { incremental: { overlapMs: 0, cursor: { path: "$['@odata.deltaLink']", link: true } } },
    ],
    [
      '{ path: /u, pagination: { type: page, parameter: p } }',
      { pagination: { first: 1, end: { emptyPage: true, shortPage: false }, atMaxPages: 'fail' } },
    ],
    [
      '{ path: /u, pagination: { type: page, parameter: p, end: { emptyPage: true } } }',
      { pagination: { end: { emptyPage: true, nullPage: true } } },
    ],
    ['{ path: /u, failure: { present: $.error } }', { failure: { present: '$.error', retry: true } }],
    [
      '{ path: /u, failure: { unless: { path: $.status, is: ok }, retry: false } }',
      { failure: { unless: { path: '$.status', is: 'ok' }, retry: false } },
    ],
    [
      '{ path: /u, pagination: { type: range, parameter: p, from: 0, to: 10, step: 5 } }',
      { pagination: { values: [0, 5, 10] } },
    ],
    [
      "{ path: /u, pagination: { type: cursor, path: '$.data[-1].id', parameter: p, end: { value: { path: $.more, is: false } } } }",
      { pagination: { end: { emptyPage: false, when: { path: '$.more', is: false } } } },
    ],
  ])('%s is right', async (text, dataset) => {
    const { source, problems } = await read(USERS, text)

    expect(problems.filter((problem) => problem.startsWith('pipeline.yaml'))).toEqual([])
    expect(source).toMatchObject({ datasets: [dataset] })
  })
})
