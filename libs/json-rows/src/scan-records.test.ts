import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { openCsvSpool, PLAIN_ROWS, type Records, type RowRules } from './csv-spool.ts'
import { parseJson, type JsonObject } from './json-text.ts'
import { createRecordScanner } from './scan-records.ts'

const directory = mkdtempSync(join(tmpdir(), 'scan-'))
let files = 0

/** The CSV of pages, with statistics of its columns; or why there is none. */
async function csvOf(pages: readonly Records[], rules: RowRules) {
  await using spool = await openCsvSpool(join(directory, String((files += 1))), rules)
  const problem = { text: '' }
  try {
    for (const page of pages) {
      await spool.add(page, (error, index) => {
        problem.text = `${String(error)} at ${index}`
        throw error
      })
    }
  } catch (error) {
    if (problem.text === '') throw error
    return problem
  }
  const blocks: Uint8Array[] = []
  const superseded = rules.key.length === 0 ? undefined : await spool.superseded()
  for await (const block of spool.content(superseded)) blocks.push(block)
  const columns = [...spool.columns.all.values()]
  return { csv: Buffer.concat(blocks).toString(), columns, keyless: superseded?.keylessCount }
}

async function bothWays(bodies: readonly string[], rules: Partial<RowRules> = {}) {
  const all = { ...PLAIN_ROWS, ...rules }
  const scan = createRecordScanner(all.flatten)
  const objects: JsonObject[][] = []
  const scanned: Records[] = []
  let scannedCount = 0
  for (const body of bodies) {
    const value = parseJson(body) as { data: JsonObject[] }
    const found = scan(Buffer.from(body), ['data'])
    if (found !== undefined) scannedCount += 1
    // What is around the records is the same, and so is their number.
    expect(found?.records.length ?? value.data.length).toBe(value.data.length)
    expect(JSON.stringify(found?.body ?? { ...value, data: [] })).toBe(JSON.stringify({ ...value, data: [] }))
    objects.push(value.data)
    scanned.push(found?.records ?? value.data)
  }
  return { expected: await csvOf(objects, all), actual: await csvOf(scanned, all), scannedCount }
}

const text = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    '',
    ' a',
    'a ',
    'a,b',
    'a"b',
    'é',
    ' é',
    'x\n',
    '\t',
    '\u00a0x',
    'x\u3000',
    '\\',
    '\u0000',
    'x'.repeat(300),
  ),
)
const name = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('a', 'b', 'c', 'd e', 'é') },
  fc.constantFrom('1', '01', '__proto__', 'a.b', '"', '', 'constructor'),
)
/** JSON as text, with numbers that no double holds and blanks between its tokens. */
const { value: json } = fc.letrec<{ value: string; object: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    text.map((one) => JSON.stringify(one)),
    fc.constantFrom(
      '0',
      '-0',
      '1.50',
      '1e400',
      '-12E+3',
      '12345678901234567890',
      '0.1000000000000000055',
      'true',
      'false',
      'null',
      '[]',
      '{}',
    ),
    fc.integer().map(String),
    fc.array(tie('value'), { maxLength: 3 }).map((items) => `[${items.join(' ,')}]`),
    tie('object'),
  ),
  object: fc
    .uniqueArray(fc.tuple(name, tie('value')), { maxLength: 4, selector: ([key]) => key })
    .map((fields) => `{${fields.map(([key, one]) => `${JSON.stringify(key)}: ${one}`).join(', ')}}`),
}))
const record = fc
  .uniqueArray(fc.tuple(name, json), { maxLength: 5, selector: ([key]) => key })
  .map((fields) => `{${fields.map(([key, one]) => `${JSON.stringify(key)}:${one}`).join(',')} }`)
const page = fc.array(record, { maxLength: 5 }).map((all) => `{"page":{"n":1},"data" : [${all.join(', ')}],"next":"x"}`)

describe('records that are scanned', () => {
  test('land as the same bytes as records that are parsed, whatever is in them', async () => {
    const rules = fc.record({
      flatten: fc.constantFrom({}, { '*': 'json' as const }, { a: 'json' as const }),
      key: fc.constantFrom([], ['a'], ['b', 'a']),
      drift: fc.constant('ignore' as const),
      known: fc.constantFrom(undefined, new Set(['a', 'b', 'a.b'])),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(page, { minLength: 1, maxLength: 3 }), rules, async (pages, given) => {
        const { expected, actual } = await bothWays(pages, given)
        expect(actual).toEqual(expected)
      }),
      { numRuns: 300 },
    )
  })

  test('are scanned where they are common, with nested objects, lists and escapes', async () => {
    const body =
      '{"data":[{"id":1,"name":"Köln, \\"x\\"","at":{"lat":50.90,"deep":{"x":null}},"tags":["a",1.10],"ok":true},{"name":"","id":2,"more":"a,b"}],"n":1}'

    const { expected, actual, scannedCount } = await bothWays([body, body])

    expect(scannedCount).toBe(2)
    expect(actual).toEqual(expected)
  })

  test.each([
    ['broken off', '{"data":[{"a":1}'],
    ['with a comma too many', '{"data":[{"a":1},]}'],
    ['with a number that is none', '{"data":[{"a":01}]}'],
    ['with a word that is none', '{"data":[{"a":nul}]}'],
    ['with a bare line break', '{"data":[{"a":"x\ny"}]}'],
    ['with a wrong escape', '{"data":[{"a":"\\x"}]}'],
    ['with something behind it', '{"data":[{"a":1}]} x'],
    ['with a list that is none', '{"data":[{"a":[1,}]}]}'],
    ['without quotes', '{"data":[{a:1}]}'],
    ['with a name that a record has twice', '{"data":[{"a":1,"a":2}]}'],
    ['with a name that an inner object has twice', '{"data":[{"a":{"b":1,"b":2}}]}'],
    ['with a name that an object in a list has twice', '{"data":[{"a":[{"b":1,"\\u0062":2}]}]}'],
    ['with two lists', '{"data":[{"a":1}],"data":[]}'],
    ['with records that are no objects', '{"data":[1]}'],
    ['with no list there', '{"data":{"a":1}}'],
  ])('a body %s is left to the parser', (_, body) => {
    expect(createRecordScanner()(Buffer.from(body), ['data'])).toBeUndefined()
  })
})
