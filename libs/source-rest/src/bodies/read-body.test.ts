import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { reportError } from '@cinelake/core'
import { BrokenRecord } from '@cinelake/json-rows'
import { sharedData } from '@cinelake/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { RestFields } from '../source-rest.fixture.ts'
import { readFrom } from '../pagination/pages.fixture.ts'

let stack: AsyncDisposableStack
beforeEach(() => void (stack = new AsyncDisposableStack()))
afterEach(() => stack.disposeAsync())

type Served = {
  readonly body: string | Uint8Array
  readonly type?: string
  readonly headers?: Record<string, string>
  readonly fields?: NonNullable<RestFields['dataset']>
}
/** The records of one answer, as JSON with every number as it was written. */
async function recordsOf({ body, type = 'application/json', headers = {}, fields = {} }: Served) {
  const answer = () => ({ headers: { 'content-type': type, ...headers }, body })
  const { read } = await readFrom(stack, answer, { dataset: { records: '$', ...fields } })
  const { records } = await read()
  return JSON.stringify(records.map((one) => (one instanceof BrokenRecord ? { broken: one.cells } : one)))
}
const failureOf = async (work: Promise<unknown>) =>
  reportError(
    await work.then(
      () => undefined,
      (error: unknown) => error,
    ),
  )

const TWO = '[{"id":"1","name":"Köln"},{"id":"2","name":null}]'
const CSV = 'id,name\n1,Köln\n2,\n'

describe('records', () => {
  test.each<[string, string, RestFields]>([
    ['$', '[{"id":9007199254740993,"x":1.10}]', {}],
    ['$.data.items', '{"data":{"items":[{"id":9007199254740993,"x":1.10}]}}', {}],
    ['$.data[*].item', '{"data":[{"item":{"id":9007199254740993,"x":1.10}},{}]}', {}],
    ['$..hit', '{"a":{"hit":{"id":9007199254740993,"x":1.10}}}', {}],
    ['$.data[?@.x > 1 && @.x < 2]', '{"data":[{"id":1,"x":2.5},{"id":9007199254740993,"x":1.10}]}', {}],
    ['$.data[-1:]', '{"data":[{"id":1},{"id":9007199254740993,"x":1.10}]}', {}],
  ])('at %s are found with exact numbers', async (records, body) => {
    expect(await recordsOf({ body, fields: { records } })).toBe('[{"id":9007199254740993,"x":1.10}]')
  })

  test('that are the values of an object get the names that they have there', async () => {
    const body = '{"rates":{"EUR":{"rate":1.0},"__proto__":{"rate":2}}}'

    expect(await recordsOf({ body, fields: { records: '$.rates', recordKey: 'currency' } })).toBe(
      '[{"currency":"EUR","rate":1.0},{"currency":"__proto__","rate":2}]',
    )
  })

  test('that have the name of their key already are told', async () => {
    const fields = { records: '$', recordKey: 'id' }

    expect(await failureOf(recordsOf({ body: '{"a":{"id":1}}', fields }))).toMatchObject({
      code: 'REST_RECORD_INVALID',
    })
  })
})

describe('a body', () => {
  test.each<[string, Served]>([
    ['CSV by content type', { body: CSV, type: 'text/csv; charset=utf-8' }],
    ['CSV by configuration', { body: CSV, type: 'text/html', fields: { format: 'csv' } }],
    [
      'CSV with semicolons, CR LF, quotes and a byte order mark',
      { body: '\ufeffid;name\r\n"1";"Köln"\r\n\r\n2;', type: 'text/csv' },
    ],
    [
      'CSV by the end of the address, a .gz file',
      { body: gzipSync(CSV), type: 'application/gzip', fields: { path: '/drop/users.csv.gz' } },
    ],
    ['CSV packed twice', { body: gzipSync(gzipSync(CSV)), type: 'text/csv', headers: { 'content-encoding': 'gzip' } }],
    ['CSV in Latin-1', { body: Buffer.from(CSV, 'latin1'), type: 'text/csv; charset=iso-8859-1' }],
    ['CSV in UTF-16', { body: Buffer.from(`\ufeff${CSV}`, 'utf16le'), type: 'text/csv' }],
    ['NDJSON', { body: '{"id":"1","name":"Köln"}\n\n{"id":"2","name":null}\r\n', type: 'application/x-ndjson' }],
    [
      'NDJSON by the end of the address',
      {
        body: '{"id":"1","name":"Köln"}\n{"id":"2","name":null}',
        type: 'application/octet-stream',
        fields: { path: '/x.jsonl' },
      },
    ],
    ['JSON, packed as gzip', { body: gzipSync(TWO), headers: { 'content-encoding': 'gzip' } }],
    ['JSON, packed as deflate', { body: deflateSync(TWO), headers: { 'content-encoding': 'deflate' } }],
    ['JSON, packed as br', { body: brotliCompressSync(TWO), headers: { 'content-encoding': 'br' } }],
    ['JSON, a .gz file', { body: gzipSync(TWO), type: 'application/octet-stream' }],
    [
      'XML',
      {
        body: '<?xml version="1.0"?><r><u><id>1</id><name>Köln</name></u><u><id>2</id><name/></u></r>',
        type: 'application/xml',
        fields: { records: '$.r.u' },
      },
    ],
    [
      'XML in Latin-1 by its declaration',
      {
        body: Buffer.from(
          '<?xml version="1.0" encoding="ISO-8859-1"?><r><u><id>1</id><name><![CDATA[Köln]]></name></u><u><id>2</id><name></name></u></r>',
          'latin1',
        ),
        type: 'text/xml',
        fields: { records: '$.r.u' },
      },
    ],
  ])('of %s gives the same records', async (_, served) => {
    expect(await recordsOf(served)).toBe(TWO)
  })

  test.each<[string, string, string]>([
    [
      'attributes, lists and text',
      '<r><u id="1" xmlns="urn:x"><tag>a</tag><tag>b</tag>x</u></r>',
      '[{"@id":"1","tag":["a","b"],"#text":"x"}]',
    ],
    ['one record', '<r><u><id>007</id></u></r>', '[{"id":"007"}]'],
    ['no record', '<r/>', '[]'],
    [
      'attributes that look like several',
      '<r><u a="x=\'1\' y=\'2\'" b=\'c="d" e="f"\' \n c = "&lt;"/></r>',
      `[{"@a":"x='1' y='2'","@b":"c=\\"d\\" e=\\"f\\"","@c":"<"}]`,
    ],
    ['the entities of XML', '<r><u><a>&lt;&#246;&amp;</a></u></r>', '[{"a":"<ö&"}]'],
    [
      'names of JavaScript',
      '<r><u><__proto__>1</__proto__><constructor>2</constructor></u></r>',
      '[{"__proto__":"1","constructor":"2"}]',
    ],
  ])('of XML with %s', async (_, body, records) => {
    expect(await recordsOf({ body, type: 'application/xml', fields: { records: '$.r.u' } })).toBe(records)
  })

  const groups = '<r><g><u><id>1</id></u><u><id>2</id></u></g><g/><g><u><id>3</id></u></g><g><x/></g></r>'
  const group = '<r><g><u><id>1</id></u><u><id>2</id></u></g></r>'
  test.each<[string, string, string, string]>([
    ['an element above the records that is repeated', groups, '$.r.g.u', '[{"id":"1"},{"id":"2"},{"id":"3"}]'],
    ['the same, told by a star', groups, '$.r.g[*].u', '[{"id":"1"},{"id":"2"},{"id":"3"}]'],
    ['one of those that are repeated', groups, '$.r.g[2].u', '[{"id":"3"}]'],
    ['the last of those', groups, '$.r.g[0].u[-1]', '[{"id":"2"}]'],
    ['a star above, where there is one', group, '$.r.g[*].u', '[{"id":"1"},{"id":"2"}]'],
    ['a star at the records, where there is one', '<r><u><id>1</id></u></r>', '$.r.u[*]', '[{"id":"1"}]'],
    ['an index, where there is one', group, '$.r.g[0].u', '[{"id":"1"},{"id":"2"}]'],
    ['a star for elements of any name', group, '$.r[*].u[*]', '[{"id":"1"},{"id":"2"}]'],
  ])('of XML with %s has all records', async (_, body, path, records) => {
    expect(await recordsOf({ body, type: 'application/xml', fields: { records: path } })).toBe(records)
  })

  const bomb = `<!DOCTYPE r [<!ENTITY a "s3cret"><!ENTITY b "${'&a;'.repeat(1000)}">]><r><u><id>&b;</id></u></r>`
  test.each<[string, Served, string]>([
    ['CSV with a quote in its first row that does not end', { body: 'a,"s3cret\n', type: 'text/csv' }, 'a first row'],
    ['NDJSON of which no line is JSON', { body: '<html>\ns3cret\n', type: 'application/x-ndjson' }, 'in line 1'],
    ['JSON with a name twice outside its records', { body: '{"a":1,"a":2}' }, 'the name a is there twice'],
    ['CSV with a name twice', { body: 'a,a\n1,2\n', type: 'text/csv' }, 'the name a is there twice'],
    ['NDJSON that breaks off', { body: '{"a":1}\n{"a":"s3cr', type: 'application/x-ndjson' }, 'in line 2'],
    ['XML that breaks off', { body: '<r><u>s3cret', type: 'application/xml' }, 'not well-formed'],
    [
      'XML with an attribute twice',
      { body: '<r><u id="1" at="a = \'b\'"/><u id="1" id = \'s3cret\'/></r>', type: 'application/xml' },
      'an element with an attribute twice in line 1',
    ],
    ['XML with crossed tags', { body: '<r><a>s3cret</r></a>', type: 'application/xml' }, 'not well-formed'],
    ['XML with entities of its own', { body: bomb, type: 'application/xml' }, 'not well-formed'],
    ['XML without end', { body: '<a>'.repeat(1000), type: 'application/xml' }, 'more than 128 elements'],
    ['a .gz file that breaks off', { body: gzipSync(TWO).subarray(0, 20) }, 'a packed file (gzip) that is broken'],
    ['a page for browsers', { body: '<html>s3cret</html>', type: 'application/xhtml+xml' }, '(application/xhtml+xml)'],
    ['an unknown character set', { body: CSV, type: 'text/csv; charset=klingon' }, 'the unknown character set klingon'],
  ])('of %s is a clear error without a word of it', async (_, served, problem) => {
    const failure = await failureOf(recordsOf(served))

    expect(failure).toMatchObject({ code: 'REST_BODY_INVALID', retryable: false })
    expect(failure.message).toContain(problem)
    expect(JSON.stringify(failure)).not.toContain('s3cr')
  })

  test.each<[string, Served]>([
    ['XML with another root', { body: '<error>quota</error>', type: 'text/xml', fields: { records: '$.r.u' } }],
    ['JSON, at a path to many places', { body: '{"error":"quota"}', fields: { records: '$.data[*].item' } }],
    ['JSON, at a path with a filter', { body: '{"error":"quota"}', fields: { records: '$.data[?@.id > 1]' } }],
    ['JSON, at a path to one place', { body: '{"error":"quota"}', fields: { records: '$.data' } }],
  ])('that is something else, of %s, is told, and is no empty list', async (_, served) => {
    expect(await failureOf(recordsOf(served))).toMatchObject({ code: 'REST_RECORDS_MISSING' })
  })

  test.each<[string, Served, string]>([
    [
      'CSV with rows of another shape',
      { body: 'id,name\n1,a,x\n\n2\n3,c\n"4"x,d\n5,"e', type: 'text/csv' },
      '[{"broken":["1","a","x"]},{"broken":["2"]},{"id":"3","name":"c"},{"broken":["4","d"]},{"broken":["5","e"]}]',
    ],
    [
      'NDJSON with lines that are none, no objects, or have a name twice',
      { body: '{"id":1}\nx\n2\n{"id":3,"id":4}\n{"id":5}\n', type: 'application/x-ndjson' },
      '[{"id":1},{"broken":["x"]},{"broken":["2"]},{"broken":["{\\"id\\":3,\\"id\\":4}"]},{"id":5}]',
    ],
    [
      'JSON with records in which a name is there twice',
      { body: '{"n":1,"d":[{"id":1},{"id":2, "x":{"a":1,"\\u0061":2}} ,{"id":3}]}', fields: { records: '$.d' } },
      '[{"id":1},{"broken":["{\\"id\\":2, \\"x\\":{\\"a\\":1,\\"\\\\u0061\\":2}}"]},{"id":3}]',
    ],
  ])('of %s has broken records where they are', async (_, served, records) => {
    expect(await recordsOf(served)).toBe(records)
  })

  test('of a .gz file that is too large when unpacked is refused', async () => {
    const body = gzipSync(Buffer.alloc(5_000_000, ' '))

    expect(await failureOf(recordsOf({ body }))).toMatchObject({ code: 'REST_BODY_TOO_LARGE' })
  })
})

const suite = sharedData('malformed_json_JSONTestSuite')
describe.skipIf(suite === undefined)('JSONTestSuite, served as an array of records (needs the shared data)', () => {
  const folder = join(suite ?? '', 'test_parsing')
  const files = suite === undefined ? [] : readdirSync(folder)
  const wrapped = (name: string) =>
    Buffer.concat([Buffer.from('[{"value":'), readFileSync(join(folder, name)), Buffer.from('}]')])
  const serve = (body: Buffer) => readFrom(stack, () => ({ body }), { dataset: { records: '$' } })

  test.each(files.filter((file) => file.startsWith('y_')))('%s is read', async (name) => {
    const { read } = await serve(wrapped(name))

    expect((await read()).records).toHaveLength(1)
  })

  test.each(files.filter((file) => file.startsWith('n_')))('%s is a clear error', async (name) => {
    const { read } = await serve(readFileSync(join(folder, name)))

    expect(await failureOf(read())).toMatchObject({ code: 'REST_BODY_INVALID', retryable: false })
  })
})
