import { expect, test } from 'vitest'
import { textFolder } from './fixtures/text-folder.fixture.ts'
import { planRun } from './plan.ts'
import { formatProblem } from '@cinelake/config-text'
import { readPipeline, type ReadOptions } from './read-pipeline.ts'

const CONTRACT = `apiVersion: v3.1.0
kind: DataContract
id: clicks
version: '1'
status: draft
schema:
  - { name: clicks, properties: [{ name: id, logicalType: integer }] }
`

async function read(source: string, options: ReadOptions = {}) {
  const text = `pipeline: shop
schedule: { every: day, start: 2026-03-01 }
sources:
  web:
    type: push
${source.replaceAll(/^/gm, '    ')}
    datasets:
      clicks: { mode: append }
`
  return await readPipeline(textFolder({ 'pipeline.yaml': text, 'contracts/clicks.yaml': CONTRACT }), options)
}

test('a push source has keys, tokens and limits, and is ingested in the cloud', async () => {
  const { pipeline, problems } = await read(`auth:
  keys: ['\${secret:ONE}', '\${secret:TWO}']
  entra: { tenant: 11111111-2222-3333-4444-555555555555, audience: 'api://cinelake', roles: [Data.Push] }
maxBody: 10MB
limits: [{ requests: 60, per: 1m }]`)

  expect(problems).toEqual([])
  expect(pipeline?.sources[0]).toEqual({
    type: 'push',
    name: 'web',
    keys: ['${secret:ONE}', '${secret:TWO}'],
    tokens: {
      issuers: [
        'https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0',
        'https://sts.windows.net/11111111-2222-3333-4444-555555555555/',
      ],
      audience: 'api://cinelake',
      jwks: 'https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/discovery/v2.0/keys',
      roles: ['Data.Push'],
      clients: [],
    },
    maxBodyBytes: 10_000_000,
    concurrency: 8,
    limits: [{ requests: 60, periodMs: 60_000 }],
    datasets: [{ name: 'clicks' }],
  })
  const tasks = pipeline === undefined ? [] : planRun(pipeline).map(({ name, queue, needs }) => [name, queue, needs])
  expect(tasks).toEqual([
    ['ingest web/clicks', 'ingest-api', []],
    ['refine clicks', 'transformer', ['ingest web/clicks']],
  ])
})

test.each([
  ['nobody who may push', 'auth: {}', '6', 'anybody could push to this source'],
  ['a key in the text', "auth: { keys: ['abc'] }", '6', 'the key is not kept as a secret'],
  [
    'a whole tenant',
    "auth: { entra: { tenant: t, audience: 'api://x' } }",
    '6',
    'every application of the tenant could push',
  ],
  [
    'keys of an issuer that anybody on the way can change',
    "auth: { entra: { tenant: t, audience: 'api://x', roles: [a], jwks: 'http://example.org/keys' } }",
    '6',
    'come over `http:`',
  ],
  ['a size without a unit', "auth: { keys: ['${secret:A}'] }\nmaxBody: 10", '7', '`sources.web.maxBody` is wrong'],
])('a push source with %s is an error', async (_, source, line, message) => {
  const { pipeline, problems } = await read(source)

  expect(pipeline).toBeUndefined()
  expect(problems.map(formatProblem).join('\n')).toContain(`pipeline.yaml:${line}:`)
  expect(problems.map(formatProblem).join('\n')).toContain(message)
})

test('a key or a setting that is not there is a warning: only those who take pushes need it', async () => {
  const entra = "entra: { tenant: '${TENANT}', audience: 'api://x', roles: [a] }"
  const surroundings = { hasSecret: () => false, settings: {} }
  const { pipeline, problems } = await read(`auth: { keys: ['\${secret:WEB_KEY}'], ${entra} }`, surroundings)

  expect(pipeline?.name).toBe('shop')
  expect(problems.map(({ severity, line, message }) => [severity, line, message])).toEqual([
    ['warning', 6, 'the secret `WEB_KEY` is missing'],
    ['warning', 6, 'the setting `TENANT` is missing'],
  ])
})
