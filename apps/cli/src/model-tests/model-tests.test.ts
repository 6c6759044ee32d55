import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { aStarter, cinelake } from '../testing.fixture.ts'

/** The starter with one test file of its own, `tests/sales_by_day.yaml`. */
async function aTestedStarter(file: string, models: Readonly<Record<string, string>> = {}) {
  const starter = await aStarter()
  await mkdir(path.join(starter.folder, 'tests'), { recursive: true })
  await writeFile(path.join(starter.folder, 'tests/sales_by_day.yaml'), file)
  for (const [name, sql] of Object.entries(models)) await writeFile(path.join(starter.folder, 'models', name), sql)
  return starter
}

const oneTest = (fields: string) => `tests:\n  - name: it holds\n${fields.replaceAll(/^/gm, '    ')}\n`

const ORDERS = `given:
  orders:
    - { order_id: 1, ordered_on: 2026-03-01, amount: 10.00 }
    - { order_id: 2, ordered_on: 2026-03-01, amount: 2.50 }`

/** Orders with their day, of which each window replaces the days that it has; negative amounts are rejected. */
const DAILY = `/*
description: Orders by day.
materialization: partitions
partitionBy: [ordered_on]
key: [order_id]
rowsIn: SELECT count(*) FROM orders
*/
SELECT order_id, ordered_on, amount, CASE WHEN amount < 0 THEN 'negative' END AS _reject FROM orders`

describe('tests of models', () => {
  test('the starter brings tests that pass', async () => {
    await using starter = await aStarter()
    const { exitCode, out } = await cinelake(['test', starter.folder])
    expect({ exitCode, out }).toMatchObject({ exitCode: 0, out: expect.stringContaining('2 passed, 0 failed') })
  })

  test('the tests of the shipped pipeline hold', async () => {
    const folder = fileURLToPath(new URL('../../../../pipelines/ott', import.meta.url))
    const { exitCode, out } = await cinelake(['test', folder])
    expect({ exitCode, out }).toMatchObject({ exitCode: 0, out: expect.stringMatching(/[1-9]\d* passed, 0 failed/) })
  })

  test('rows that differ are shown on both sides, and the exit code is 1', async () => {
    await using starter = await aTestedStarter(
      oneTest(`${ORDERS}\nexpect:\n  - { ordered_on: 2026-03-01, orders: 2, sales: 12.49 }`),
    )
    const { exitCode, out } = await cinelake(['test', starter.folder])
    expect(exitCode).toBe(1)
    expect(out).toMatch(/✗ sales_by_day {2}it holds[\s\S]*tests\/sales_by_day\.yaml:2/)
    expect(out).toMatch(/expected, and not in the table:\n.*\n +2026-03-01 +2 +12\.49\n/)
    expect(out).toMatch(/in the table, and not expected:\n.*\n +2026-03-01 +2 +12\.50\n/)
    expect(out).toMatch(/0 passed, 1 failed\n$/)
  })

  test('only the columns that are named are compared, and rows as often as they are there', async () => {
    await using starter = await aTestedStarter(oneTest(`${ORDERS}\nexpect:\n  - { orders: 2 }\n  - { orders: 2 }`))
    expect((await cinelake(['test', starter.folder])).out).toMatch(/expected, and not in the table:\n +orders\n +2\n/)
  })

  test('a rejected row that the test does not expect fails it', async () => {
    const given =
      'model: daily\ntests:\n  - name: it holds\n    given: { orders: [{ order_id: 1, ordered_on: 2026-03-01, amount: -1 }] }\n'
    await using silent = await aTestedStarter(`${given}    expect: []\n`, { 'daily.sql': DAILY })
    const { exitCode, out } = await cinelake(['test', silent.folder])
    expect({ exitCode, out }).toMatchObject({
      exitCode: 1,
      out: expect.stringContaining('rejects: expected 0 by negative, got 1'),
    })

    await using said = await aTestedStarter(`${given}    expect: []\n    rejects: { negative: 1 }\n`, {
      'daily.sql': DAILY,
    })
    expect(await cinelake(['test', said.folder])).toMatchObject({ exitCode: 0 })
  })

  test('what the table held before is given under the name of the model', async () => {
    await using starter = await aTestedStarter(
      `model: daily
tests:
  - name: a day that comes again is replaced, the others stay
    given:
      orders: [{ order_id: 3, ordered_on: 2026-03-02, amount: 5 }]
      daily:
        - { order_id: 1, ordered_on: 2026-03-01, amount: 1 }
        - { order_id: 2, ordered_on: 2026-03-02, amount: 2 }
    expect:
      - { order_id: 1, amount: 1 }
      - { order_id: 3, amount: 5 }
`,
      { 'daily.sql': DAILY },
    )
    expect(await cinelake(['test', starter.folder])).toMatchObject({ exitCode: 0 })
  })

  test('a broken key fails the test, unless it is what the test expects', async () => {
    const given = `model: daily
tests:
  - name: it holds
    given:
      orders:
        - { order_id: 1, ordered_on: 2026-03-01, amount: 1 }
        - { order_id: 1, ordered_on: 2026-03-02, amount: 2 }
`
    await using failing = await aTestedStarter(`${given}    expect: []\n`, { 'daily.sql': DAILY })
    expect(await cinelake(['test', failing.folder])).toMatchObject({
      exitCode: 1,
      out: expect.stringContaining('rule=unique(order_id)'),
    })
    for (const fails of ['unique(order_id)', 'BUILD_RULE_FAILED']) {
      await using expecting = await aTestedStarter(`${given}    fails: ${fails}\n`, { 'daily.sql': DAILY })
      expect(await cinelake(['test', expecting.folder])).toMatchObject({ exitCode: 0 })
    }
    await using other = await aTestedStarter(`${given}    fails: BALANCE_BROKEN\n`, { 'daily.sql': DAILY })
    expect((await cinelake(['test', other.folder])).out).toMatch(/expected BALANCE_BROKEN, got BUILD_RULE_FAILED/)
  })

  test('a test that expects a failure fails when the build succeeds', async () => {
    await using starter = await aTestedStarter(oneTest(`${ORDERS}\nfails: BUILD_RULE_FAILED`))
    expect(await cinelake(['test', starter.folder])).toMatchObject({
      exitCode: 1,
      out: expect.stringContaining('expected the build to fail with BUILD_RULE_FAILED; it succeeded'),
    })
  })

  test('a value that is not of its column’s type is told with table, row and column', async () => {
    await using starter = await aTestedStarter(
      oneTest('given: { orders: [{ amount: 1 }, { amount: much }] }\nexpect: []'),
    )
    expect((await cinelake(['test', starter.folder])).out).toContain(
      'given orders: row 2: column amount is DECIMAL(12,2), got "much"',
    )
  })

  test('mistakes in a test file are told all at once, with their lines and what was meant', async () => {
    await using starter = await aTestedStarter(
      `tests:
  - name: wrong
    window: 2026-13-01
    given:
      order: []
      orders:
        - { order_id: 1, amuont: 3 }
    expects: []
`,
    )
    const { exitCode, notes } = await cinelake(['test', starter.folder])
    expect(exitCode).toBe(2)
    expect(notes).toMatch(/tests\/sales_by_day\.yaml:3: window 2026-13-01 is no day/)
    expect(notes).toMatch(/yaml:5: order: model sales_by_day does not read it; did you mean `orders`\?/)
    expect(notes).toMatch(/yaml:7: amuont: table orders has no such column; did you mean `amount`\?/)
    expect(notes).toMatch(/yaml:8: expects: unknown key; did you mean `expect`\?/)
    expect(notes).toMatch(/yaml:2: expected `expect`, `rejects` or `fails`/)
  })

  test('a model that there is not, and a folder without tests, are no success', async () => {
    await using starter = await aStarter()
    expect(await cinelake(['test', starter.folder, 'sales_by_dya'])).toMatchObject({
      exitCode: 2,
      notes: expect.stringContaining('did you mean `sales_by_day`?'),
    })
    await using empty = await aTestedStarter('tests: []\n')
    expect(await cinelake(['test', empty.folder])).toMatchObject({
      exitCode: 2,
      notes: expect.stringContaining('there are no tests'),
    })
  })

  test('as JSON, each test has its model, its place and what does not hold', async () => {
    await using starter = await aTestedStarter(oneTest(`${ORDERS}\nexpect: []`))
    const { exitCode, out } = await cinelake(['test', starter.folder, '--json'])
    expect(exitCode).toBe(1)
    expect(JSON.parse(out)).toMatchObject({
      ok: false,
      tests: [{ model: 'sales_by_day', name: 'it holds', ok: false, missing: [], unexpected: [{ orders: 2 }] }],
    })
  })
})
