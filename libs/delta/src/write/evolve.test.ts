import type { Session } from 'chdb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { MergeOptions } from '../delta-table.ts'
import { once, openWorkbench, type Workbench } from '../delta.fixture.ts'
import { DeltaSchemaError } from '../errors.ts'

/** A reader that others wrote, where its binary is to be had: delta-kernel-rs in ClickHouse. */
const chdb = await import('chdb').then(
  (module) => ({ Session: module.Session }),
  () => undefined,
)

let bench: Workbench
let other: Session | undefined
let count = 0
const before = process.cwd()
beforeAll(async () => {
  bench = await openWorkbench()
  // It reads files at or below the working directory only.
  process.chdir(bench.directory)
  other = chdb === undefined ? undefined : new chdb.Session()
})
afterAll(async () => {
  other?.cleanup()
  process.chdir(before)
  await bench[Symbol.asyncDispose]()
})

const aTable = () => bench.table(`refined/evolving_${(count += 1)}`)
type Table = ReturnType<typeof aTable>

/** A table of three rows in two files: ids 1 and 2, and 3. */
async function filled(select = 'id, amount::DECIMAL(10,2) AS amount, state', partitionBy: string[] = []) {
  const table = aTable()
  const rows = (values: string) => `SELECT ${select} FROM (VALUES ${values}) t(id, amount, state)`
  await table.append(bench.session, rows("(1, 1.5, 'new'), (2, NULL, 'paid')"), { ...once(), partitionBy })
  await table.append(bench.session, rows("(3, 99999999.99, 'new')"), once())
  return table
}

/** What the other reader says, as text: the engine's own reading is compared with it. */
function readElsewhere(table: Table, columns: readonly string[]): unknown[] | undefined {
  const selected = columns.map((name) => `toString(${name}) AS ${name}`).join(', ')
  const sql = `SELECT ${selected} FROM deltaLakeLocal('${bench.directory}/lake/${table.path}') ORDER BY ALL`
  const lines = other?.query(sql, 'JSONEachRow').split('\n')
  return lines?.filter((line) => line !== '').map((line) => JSON.parse(line) as unknown)
}

/** The rows of a table as text; those that the other reader finds, should they be others. */
async function readingOf(table: Table, columns: readonly string[]): Promise<unknown[] | undefined> {
  const asText = columns.map((name) => `CAST(${name} AS VARCHAR) AS ${name}`).join(', ')
  const found = await bench.rows(table, { columns: asText })
  const elsewhere = readElsewhere(table, columns) ?? found
  // ClickHouse writes 1.50 as 1.5: numbers are compared as such.
  return JSON.stringify(elsewhere?.map(numeric)) === JSON.stringify(found?.map(numeric)) ? found : elsewhere
}

function numeric(row: unknown): object {
  return Object.fromEntries(
    Object.entries(row as object).map(([key, value]) => [
      key,
      /^-?\d+(\.\d+)?$/.test(String(value)) ? Number(value) : value,
    ]),
  )
}

const typesOf = async (table: Table, version?: number) =>
  (await table.snapshot(version === undefined ? {} : { version }))?.columns.map(({ name, type }) => `${name} ${type}`)

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return await work.then(
    () => undefined,
    (error: unknown) => error,
  )
}

const byId: Pick<MergeOptions, 'key'> = { key: ['id'] }

describe('a wider type', () => {
  test.each([
    ['DECIMAL(12,2)', '1.50', '99999999.99', '1234567890.00'],
    ['DECIMAL(14,4)', '1.5000', '99999999.9900', '1234567890.0000'],
    ['VARCHAR', '1.50', '99999999.99', '1234567890'],
  ])(
    '%s is taken on with the rows that are there, which another reader sees as well',
    async (type, one, three, four) => {
      const table = await filled()

      const result = await table.append(
        bench.session,
        `SELECT 4 AS id, '1234567890'::${type} AS amount, 'new' AS state`,
        once(),
      )

      expect(result).toMatchObject({ version: 2, outcome: 'committed', addedRowCount: 4, removedRowCount: 3 })
      expect(await typesOf(table)).toEqual(['id INTEGER', `amount ${type}`, 'state VARCHAR'])
      expect(await readingOf(table, ['id', 'amount', 'state'])).toEqual([
        { id: '1', amount: one, state: 'new' },
        { id: '2', amount: null, state: 'paid' },
        { id: '3', amount: three, state: 'new' },
        { id: '4', amount: four, state: 'new' },
      ])
    },
  )

  test('leaves older versions with the columns and values that they had', async () => {
    const table = await filled()
    await table.append(bench.session, "SELECT 4::BIGINT AS id, 1::DECIMAL(12,2) AS amount, 'new' AS state", once())

    expect(await typesOf(table, 1)).toEqual(['id INTEGER', 'amount DECIMAL(10,2)', 'state VARCHAR'])
    expect(await bench.rows(table, { version: 1, columns: 'id, amount' })).toEqual([
      { id: 1, amount: '1.50' },
      { id: 2, amount: null },
      { id: 3, amount: '99999999.99' },
    ])
  })

  test('of the key is merged by, and rows of files without the key are written again too', async () => {
    const table = await filled()

    await table.merge(bench.session, "SELECT 3::BIGINT AS id, 7::DECIMAL(10,2) AS amount, 'x' AS state", {
      ...once(),
      ...byId,
    })
    await table.merge(bench.session, "SELECT '3' AS id, 8::DECIMAL(10,2) AS amount, 'y' AS state", {
      ...once(),
      ...byId,
    })

    expect(await typesOf(table)).toEqual(['id VARCHAR', 'amount DECIMAL(10,2)', 'state VARCHAR'])
    expect(await readingOf(table, ['id', 'amount', 'state'])).toEqual([
      { id: '1', amount: '1.50', state: 'new' },
      { id: '2', amount: null, state: 'paid' },
      { id: '3', amount: '8.00', state: 'y' },
    ])
  })

  test('stays when a writer of the former type comes late', async () => {
    const table = await filled()
    const row = (id: number, type: string) => `SELECT ${id} AS id, 5::${type} AS amount, 'new' AS state`
    await table.append(bench.session, row(4, 'DECIMAL(12,2)'), once())
    await table.append(bench.session, row(5, 'DECIMAL(10,2)'), once())

    expect(await typesOf(table)).toContain('amount DECIMAL(12,2)')
    expect((await table.snapshot())?.rowCount).toBe(5)
  })

  test('is taken on in the partitions that a write does not replace', async () => {
    const table = await filled('id, amount::DECIMAL(10,2) AS amount, state', ['state'])

    await table.overwritePartitions(bench.session, "SELECT 9 AS id, 9::DECIMAL(12,2) AS amount, 'new' AS state", {
      ...once(),
      partitions: [{ state: 'none' }],
    })

    expect((await table.snapshot())?.files.map(({ partitionValues }) => partitionValues['state']).sort()).toEqual([
      'new',
      'paid',
    ])
    expect(await readingOf(table, ['id', 'amount', 'state'])).toEqual([
      { id: '2', amount: null, state: 'paid' },
      { id: '9', amount: '9.00', state: 'new' },
    ])
  })

  test('is committed once, whatever the number of deliveries', async () => {
    const table = await filled()
    const task = once('widening')
    const query = "SELECT 4 AS id, 5::DECIMAL(12,2) AS amount, 'new' AS state"

    await table.append(bench.session, query, task)
    expect(await table.append(bench.session, query, task)).toMatchObject({ version: 2, outcome: 'already-committed' })
    expect((await table.snapshot())?.rowCount).toBe(4)
  })

  test('and rows of another writer at the same time are all there', async () => {
    const table = await filled()
    const sessions = await Promise.all([1, 2, 3, 4].map(async () => await bench.newSession()))

    await Promise.all(
      sessions.map(async (session, index) => {
        const type = index % 2 === 0 ? 'DECIMAL(12,2)' : 'DECIMAL(10,2)'
        await table.merge(session, `SELECT ${index + 3} AS id, 5::${type} AS amount, 'late' AS state`, {
          ...once(),
          ...byId,
        })
      }),
    )
    for (const session of sessions) await session[Symbol.asyncDispose]()

    expect(await typesOf(table)).toContain('amount DECIMAL(12,2)')
    expect((await bench.rows(table, { columns: 'id' }))?.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5, 6])
  })

  test('is refused where it does not hold every value, by name, and nothing is written', async () => {
    const table = await filled()

    const error = await failureOf(
      table.append(bench.session, "SELECT 4 AS id, 1::DECIMAL(12,5) AS amount, DATE '2026-03-01' AS state", once()),
    )

    expect(error).toBeInstanceOf(DeltaSchemaError)
    expect((error as DeltaSchemaError).problems).toEqual([
      'column amount: expected DECIMAL(10,2), got DECIMAL(12,5); cast it',
    ])
    expect(await table.snapshot()).toMatchObject({ version: 1 })
  })
})

describe('a renamed column', () => {
  const evolve = { renamed: { status: ['state'] } }
  const row = "SELECT 3 AS id, 7::DECIMAL(10,2) AS amount, 'x' AS status"

  test('goes on under its new name, also when it is done already', async () => {
    const table = await filled()
    await table.merge(bench.session, row, { ...once(), ...byId, evolve })
    await table.merge(bench.session, row.replace('3 AS', '4 AS'), { ...once(), ...byId, evolve })

    expect(await typesOf(table)).toEqual(['id INTEGER', 'amount DECIMAL(10,2)', 'status VARCHAR'])
    expect(await readingOf(table, ['id', 'amount', 'status'])).toEqual([
      { id: '1', amount: '1.50', status: 'new' },
      { id: '2', amount: null, status: 'paid' },
      { id: '3', amount: '7.00', status: 'x' },
      { id: '4', amount: '7.00', status: 'x' },
    ])
    expect((await table.snapshot({ version: 1 }))?.columns.at(-1)?.name).toBe('state')
  })

  test('may be the key, and a partition, and wider as well', async () => {
    const table = await filled('id, amount::DECIMAL(12,2) AS amount, state', ['state'])

    await table.merge(bench.session, "SELECT 3::BIGINT AS order_id, 7 AS amount, 'new' AS status", {
      ...once(),
      key: ['order_id'],
      partitionBy: ['status'],
      evolve: { renamed: { order_id: ['id'], status: ['state'] } },
    })

    expect((await table.snapshot())?.partitionBy).toEqual(['status'])
    expect(await readingOf(table, ['order_id', 'amount', 'status'])).toEqual([
      { order_id: '1', amount: '1.50', status: 'new' },
      { order_id: '2', amount: null, status: 'paid' },
      { order_id: '3', amount: '7.00', status: 'new' },
    ])
  })

  test('that was begun under both names becomes one, the newer value first', async () => {
    const table = await filled()
    await table.append(
      bench.session,
      "SELECT 4 AS id, 1::DECIMAL(10,2) AS amount, NULL::VARCHAR AS state, 'x' AS status",
      once(),
    )

    await table.append(bench.session, row.replace('3 AS', '5 AS'), { ...once(), evolve })

    expect(await bench.rows(table, { columns: 'id, status' })).toEqual([
      { id: 1, status: 'new' },
      { id: 2, status: 'paid' },
      { id: 3, status: 'new' },
      { id: 4, status: 'x' },
      { id: 5, status: 'x' },
    ])
    expect(await typesOf(table)).not.toContain('state VARCHAR')
  })
})

test('a column that is dropped is in no file, so that one of its name begins empty', async () => {
  const table = await filled()
  await table.append(bench.session, 'SELECT 4 AS id, 1::DECIMAL(10,2) AS amount', {
    ...once(),
    evolve: { dropped: ['state'] },
  })
  await table.append(bench.session, 'SELECT 5 AS id, 1::DECIMAL(10,2) AS amount, 5::BIGINT AS state', once())

  expect(await readingOf(table, ['id', 'amount', 'state'])).toEqual([
    { id: '1', amount: '1.50', state: null },
    { id: '2', amount: null, state: null },
    { id: '3', amount: '99999999.99', state: null },
    { id: '4', amount: '1.00', state: null },
    { id: '5', amount: '1.00', state: '5' },
  ])
})

test('a narrower type is taken on where every value fits, and no value is made to', async () => {
  const table = await filled()
  const row = (type: string) => `SELECT 4 AS id, 1::${type} AS amount, 'new' AS state`
  const options = { evolve: { retyped: ['amount'] } }

  const error = await failureOf(table.append(bench.session, row('DECIMAL(9,2)'), { ...once(), ...options }))
  expect(String(error)).toMatch(/a value of column amount does not fit into DECIMAL/)
  expect(await table.snapshot()).toMatchObject({ version: 1 })

  await table.merge(bench.session, row('DECIMAL(10,2)').replace('4 AS', '3 AS'), { ...once(), ...byId })
  await table.append(bench.session, row('DECIMAL(3,1)'), { ...once(), ...options })
  expect(await bench.rows(table, { columns: 'id, amount' })).toEqual([
    { id: 1, amount: '1.5' },
    { id: 2, amount: null },
    { id: 3, amount: '1.0' },
    { id: 4, amount: '1.0' },
  ])
})

test('other partition columns are taken on where the write says so', async () => {
  const table = await filled()
  const query = "SELECT 4 AS id, 1::DECIMAL(10,2) AS amount, 'new' AS state"
  const error = await failureOf(table.append(bench.session, query, { ...once(), partitionBy: ['state'] }))
  expect(error).toBeInstanceOf(DeltaSchemaError)

  await table.append(bench.session, query, { ...once(), partitionBy: ['state'], evolve: { partitions: true } })

  expect((await table.snapshot())?.partitionBy).toEqual(['state'])
  expect(await bench.rows(table, { columns: 'id, state' })).toEqual([
    { id: 1, state: 'new' },
    { id: 2, state: 'paid' },
    { id: 3, state: 'new' },
    { id: 4, state: 'new' },
  ])
})
