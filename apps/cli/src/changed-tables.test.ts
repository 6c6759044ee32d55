// @module-tag slow: takes long
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aStarter, cinelake } from './testing.fixture.ts'

const day = (number: number) => ['--window', `2026-03-0${number}`]

describe('a contract that changes while its table has data', () => {
  let given: Awaited<ReturnType<typeof aStarter>>
  beforeAll(async () => {
    given = await aStarter()
    await run(1)
  })
  afterAll(async () => await given[Symbol.asyncDispose]())

  const inState = (...args: string[]) => cinelake([...args, '--state', given.state])
  const run = (number: number, ...args: string[]) => inState('run', given.folder, ...day(number), ...args)
  const rowsOf = async (sql: string) =>
    (JSON.parse((await inState('query', sql, '--json')).out) as { rows: object[] }).rows
  /** Changes a file of the pipeline; each replacement has to be for something. */
  async function edit(file: string, ...changes: readonly (readonly [string | RegExp, string])[]): Promise<void> {
    const path = join(given.folder, file)
    let text = await readFile(path, 'utf8')
    for (const [from, to] of changes) {
      expect(text).toMatch(from)
      text = text.replace(from, to)
    }
    await writeFile(path, text)
  }
  const rename = [
    /- name: customer\n/,
    '- name: customer_no\n        customProperties: [{ property: renamedFrom, value: customer }]\n',
  ] as const

  test('unchanged, it has nothing to tell', async () => {
    const { exitCode, out } = await inState('validate', given.folder)
    expect({ exitCode, out }).toEqual({
      exitCode: 0,
      out: '✓ starter: 1 source, 1 dataset, 1 model, 2 served tables\n',
    })
  })

  test('what loses nothing is told by validate and plan with its place and its rows, and stops neither', async () => {
    await edit('contracts/orders.yaml', ['DECIMAL(12,2)', 'DECIMAL(14,3)'], rename)

    const { exitCode, out } = await inState('validate', given.folder)
    expect({ exitCode, out }).toMatchObject({ exitCode: 0 })
    expect(out).toMatch(
      /^contracts\/orders\.yaml:24 {2}change {2}orders: customer is renamed to customer_no: the values of 3 rows continue under the new name$/m,
    )
    expect(out).toMatch(
      /^contracts\/orders\.yaml:\d+ {2}change {2}orders: amount DECIMAL\(12,2\) → DECIMAL\(14,3\) \(widened\): rewrites 3 rows with the wider type$/m,
    )
    const plan = await inState('plan', given.folder, ...day(2))
    expect(plan.exitCode).toBe(0)
    expect(plan.out).toMatch(/load orders .*\n\ncontracts\/orders\.yaml:24 {2}change/)
    const { changes } = JSON.parse((await inState('plan', given.folder, ...day(2), '--json')).out) as {
      changes: object[]
    }
    expect(changes).toContainEqual({
      table: 'orders',
      file: 'contracts/orders.yaml',
      line: 24,
      kind: 'renamed',
      column: 'customer_no',
      from: 'customer',
      to: 'customer_no',
      lossless: true,
      consequence: 'the values of 3 rows continue under the new name',
    })
  })

  test('a lake that is not to be looked at, or is not there, is not', async () => {
    expect((await inState('validate', given.folder, '--offline')).out).not.toContain('change')
    expect((await cinelake(['validate', given.folder, '--state', join(given.state, 'none')])).out).not.toContain(
      'change',
    )
  })

  test('a lake that cannot be read is a note and no failure', async () => {
    const log = join(given.state, 'lake/refined/starter/orders/_delta_log/00000000000000000000.json')
    const text = await readFile(log, 'utf8')
    await writeFile(log, text.slice(0, 40))

    const { exitCode, out } = await inState('validate', given.folder)
    await writeFile(log, text)

    expect({ exitCode, out }).toMatchObject({ exitCode: 0 })
    expect(out).toMatch(
      /^note {2}the tables that are there were not looked at \[lake=file:.*DELTA_|^note .*Delta log is damaged/m,
    )
  })

  test('the next window brings it, in the lake and for analysts, and windows of before can be run again', async () => {
    expect(await run(2)).toMatchObject({ exitCode: 0 })
    const sql = 'SELECT order_id, customer_no, amount FROM orders ORDER BY order_id'
    const rows = [
      { order_id: 1001, customer_no: 'C-7', amount: '24.900' },
      { order_id: 1002, customer_no: 'C-9', amount: '1204.500' },
      { order_id: 1004, customer_no: 'C-12', amount: '7.250' },
      { order_id: 1005, customer_no: 'C-3', amount: '12.000' },
      { order_id: 1006, customer_no: 'C-9', amount: '88.000' },
    ]
    expect(await rowsOf(sql)).toEqual(rows)

    expect(await run(1, '--again')).toMatchObject({ exitCode: 0 })
    expect(await rowsOf(sql)).toEqual(rows)
    expect((await inState('validate', given.folder)).out).not.toContain('change')
  })

  test('a column that would go with its values is refused, by validate and by the run', async () => {
    await edit('contracts/orders.yaml', [/ {6}- name: email\n(?: {8}.*\n)+/, ''])
    await edit('pipeline.yaml', [', exclude: [email]', ''])

    const checked = await inState('validate', given.folder)
    expect(checked.exitCode).toBe(1)
    expect(checked.out).toMatch(
      /^contracts\/orders\.yaml:8 {2}error {2}orders: email VARCHAR \(dropped\): removes the column with the values of 2 of 5 rows\n {4}say which column it is now \(`renamedFrom: email` there\), or that it may go \(`dropped: \[email\]`\)$/m,
    )
    expect(JSON.parse((await inState('validate', given.folder, '--json')).out)).toMatchObject({ ok: false })
    const refused = await run(2, '--again')
    expect(refused.exitCode).toBe(1)
    expect(refused.out).toMatch(/CONTRACT_CHANGE_LOSSY/)
    expect(await rowsOf('SELECT count(*) AS n FROM orders')).toEqual([{ n: 5 }])
  })

  test('one word in the contract lets it go', async () => {
    await edit('contracts/orders.yaml', [
      '    description: Orders of the shop',
      '    customProperties: [{ property: dropped, value: [email] }]\n    description: Orders of the shop',
    ])

    expect(await inState('validate', given.folder)).toMatchObject({ exitCode: 0 })
    expect(await run(2, '--again')).toMatchObject({ exitCode: 0 })
    expect(await rowsOf('SELECT count(*) AS n FROM orders')).toEqual([{ n: 5 }])
    expect((await inState('validate', given.folder)).out).toMatch(/^✓/)
  })

  test('a model takes on another type, and a narrower column is refused with the number of rows', async () => {
    await edit('models/sales_by_day.sql', ['sum(amount) AS sales', 'CAST(sum(amount) AS DOUBLE) AS sales'])
    expect(await run(2, '--again')).toMatchObject({ exitCode: 0 })
    expect(await rowsOf('SELECT sales FROM sales_by_day ORDER BY 1')).toEqual([{ sales: 100 }, { sales: 1236.65 }])

    await edit('contracts/orders.yaml', ['DECIMAL(14,3)', 'DECIMAL(4,2)'])
    const { exitCode, out } = await inState('validate', given.folder)
    expect(exitCode).toBe(1)
    expect(out).toMatch(/amount DECIMAL\(14,3\) → DECIMAL\(4,2\) \(narrowed\): the value of 1 of 5 rows does not fit/)
    expect(out).toMatch(/keep DECIMAL\(14,3\); or `cinelake rebuild DIR orders`/)
  })
})
