// @module-tag slow: takes long
import { createDeltaTable } from '@cinelake/delta'
import { tableOfDataset, type CheckedColumn, type CheckedDataset } from '@cinelake/pipeline'
import { describe, expect, test } from 'vitest'
import { takeOn } from './evolve-table.ts'
import { aColumn, aDataset, aRefinery, dayWindow, type Refinery } from './refine/refinery.fixture.ts'

type Change = {
  readonly columns?: readonly CheckedColumn[]
  readonly primaryKey?: readonly string[]
  readonly dropped?: readonly string[]
  readonly fields?: Partial<Omit<CheckedDataset, 'contract' | 'reading'>>
}

const id = aColumn('id', { type: 'INTEGER', required: true })
const amount = aColumn('amount', { type: 'DECIMAL(10,2)' })
const state = aColumn('state')

/** Orders by a contract: the one of before, with what has changed in it. */
function orders({ columns = [id, amount, state], primaryKey = ['id'], dropped, fields }: Change = {}): CheckedDataset {
  const contract = { primaryKey: [...primaryKey], ...(dropped === undefined ? {} : { dropped: [...dropped] }) }
  return aDataset({ mode: 'merge', ...fields, columns, contract })
}

const HEADER = 'id,amount,state\n'
const FIRST = `${HEADER}1,1.50,new\n2,,paid\n`
const SECOND = `${HEADER}3,99999999.99,new\n`

/** Two days of orders by the contract of before: three rows, one without an amount. */
async function withTwoDays(before = orders()): Promise<Refinery> {
  const refinery = await aRefinery()
  await refinery.refineFiles(before, { day: 1, files: { 'a.csv': FIRST } })
  await refinery.refineFiles(before, { day: 2, files: { 'a.csv': SECOND } })
  return refinery
}

const third = { day: 3, files: { 'a.csv': `${HEADER}4,4.25,late\n` } }
const rowsOf = async (refinery: Refinery, columns = '* EXCLUDE _window') =>
  await refinery.rowsOf('orders', 'ALL', columns)

async function failureOf(work: Promise<unknown>): Promise<{ code?: string; message?: string; retryable?: boolean }> {
  return await work.then(
    () => ({}),
    (error: unknown) => error as object,
  )
}

describe('a changed contract that loses nothing is taken on by the next window, and by one that is run again', () => {
  test.each<readonly [string, CheckedColumn, readonly unknown[]]>([
    ['a wider decimal', aColumn('amount', { type: 'DECIMAL(12,2)' }), ['1.50', null, '99999999.99', '4.25']],
    [
      'a decimal with more digits',
      aColumn('amount', { type: 'DECIMAL(12,4)' }),
      ['1.5000', null, '99999999.9900', '4.2500'],
    ],
    ['a decimal that becomes text', aColumn('amount'), ['1.50', null, '99999999.99', '4.25']],
  ])('%s', async (_, column, amounts) => {
    await using refinery = await withTwoDays()
    const changed = orders({ columns: [id, column, state] })

    await refinery.refineFiles(changed, third)
    await refinery.refineFiles(changed, { day: 1, files: { 'a.csv': FIRST }, generation: 2 })

    expect((await rowsOf(refinery, 'id, amount')).map((row) => row['amount'])).toEqual(amounts)
  })

  test.each(['BIGINT', 'DECIMAL(12,0)', 'DOUBLE', 'VARCHAR'])(
    'a whole number that becomes %s, the key of a merge',
    async (type) => {
      await using refinery = await withTwoDays()
      const changed = orders({ columns: [aColumn('id', { type, required: true }), amount, state] })

      await refinery.refineFiles(changed, { day: 3, files: { 'a.csv': `${HEADER}3,5,again\n` } })

      expect(await rowsOf(refinery, 'CAST(id AS INTEGER) AS id, state, typeof(id) AS type')).toEqual([
        { id: 1, state: 'new', type },
        { id: 2, state: 'paid', type },
        { id: 3, state: 'again', type },
      ])
    },
  )

  test('a new column is empty in older rows until their window is run again', async () => {
    await using refinery = await withTwoDays()
    const changed = orders({ columns: [id, amount, state, aColumn('channel')] })

    await refinery.refineFiles(changed, { day: 3, files: { 'a.csv': 'id,amount,state,channel\n4,4.25,late,web\n' } })
    await refinery.refineFiles(changed, {
      day: 2,
      files: { 'a.csv': 'id,amount,state,channel\n3,1,new,shop\n' },
      generation: 2,
    })

    expect((await rowsOf(refinery, 'id, channel')).map((row) => row['channel'])).toEqual([null, null, 'shop', 'web'])
  })

  test('a renamed column keeps its values, and files that name it as before are read', async () => {
    await using refinery = await withTwoDays()
    const status = aColumn('status', { renamedFrom: ['state'], reading: { from: ['status', 'state'] } })
    const changed = orders({ columns: [id, amount, status] })

    await refinery.refineFiles(changed, { day: 3, files: { 'a.csv': 'id,amount,status\n4,4.25,late\n' } })
    await refinery.refineFiles(changed, { day: 1, files: { 'a.csv': FIRST }, generation: 2 })
    await refinery.refineFiles(changed, { day: 4, files: { 'a.csv': 'id,amount,status\n5,5,last\n' } })

    expect(await rowsOf(refinery)).toEqual([
      { id: 1, amount: '1.50', status: 'new' },
      { id: 2, amount: null, status: 'paid' },
      { id: 3, amount: '99999999.99', status: 'new' },
      { id: 4, amount: '4.25', status: 'late' },
      { id: 5, amount: '5.00', status: 'last' },
    ])
  })

  test('a renamed key is merged by, and newest-by and filling work over it', async () => {
    await using refinery = await withTwoDays(orders({ fields: { duplicates: 'fill' } }))
    const key = aColumn('order_id', { type: 'BIGINT', required: true, renamedFrom: ['id'], reading: { from: ['id'] } })
    const changed = orders({ columns: [key, amount, state], primaryKey: ['order_id'], fields: { duplicates: 'fill' } })

    await refinery.refineFiles(changed, { day: 3, files: { 'a.csv': `${HEADER}2,9.50,\n` } })

    expect(await rowsOf(refinery)).toEqual(
      [
        { order_id: 1n, amount: '1.50', state: 'new' },
        { order_id: 2n, amount: '9.50', state: 'paid' },
        { order_id: 3n, amount: '99999999.99', state: 'new' },
      ].map((row) => ({ ...row, order_id: Number(row.order_id) })),
    )
  })

  test('a column that is dropped in so many words is gone, in older rows too', async () => {
    await using refinery = await withTwoDays()
    const changed = orders({ columns: [id, amount], dropped: ['state'] })

    await refinery.refineFiles(changed, third)
    await refinery.refineFiles(changed, { day: 1, files: { 'a.csv': FIRST }, generation: 2 })

    expect(Object.keys((await rowsOf(refinery))[0] ?? {})).toEqual(['id', 'amount'])
    expect(await rowsOf(refinery)).toHaveLength(4)
  })

  test('what is required of rows that all have it is required from then on', async () => {
    await using refinery = await withTwoDays()
    const changed = orders({ columns: [id, amount, aColumn('state', { required: true })] })

    const outcome = await refinery.refineFiles(changed, { day: 3, files: { 'a.csv': `${HEADER}4,1,\n5,1,new\n` } })

    expect(outcome.balance).toMatchObject({ in: 2, out: 1, rejected: 1 })
    expect(await rowsOf(refinery)).toHaveLength(4)
  })

  test('a narrower type is taken on where every value that is there fits', async () => {
    const wide = orders({ columns: [aColumn('id', { type: 'BIGINT', required: true }), aColumn('amount'), state] })
    await using refinery = await withTwoDays(wide)

    await refinery.refineFiles(orders(), third)

    expect(await rowsOf(refinery, 'id, amount, typeof(id) AS type')).toEqual(
      [
        [1, '1.50'],
        [2, null],
        [3, '99999999.99'],
        [4, '4.25'],
      ].map(([number, value]) => ({ id: number, amount: value, type: 'INTEGER' })),
    )
  })

  test('other partitions are taken on', async () => {
    await using refinery = await withTwoDays()

    await refinery.refineFiles(orders({ fields: { partitionBy: ['state'] } }), third)

    const table = createDeltaTable({ ...refinery, path: 'refined/shop/orders' })
    expect((await table.snapshot())?.partitionBy).toEqual(['state'])
    expect(await rowsOf(refinery)).toHaveLength(4)
  })

  test('a window without rows takes it on as well, so that models can read the new column', async () => {
    await using refinery = await withTwoDays()
    const changed = orders({ columns: [id, amount, state, aColumn('channel')] })

    const nothing = { day: 3, files: {}, manifest: { files: [] } }
    expect((await refinery.refineFiles(changed, nothing)).output).toMatchObject({ version: 2, outcome: 'committed' })
    expect((await refinery.refineFiles(changed, { ...nothing, day: 4 })).output).toMatchObject({
      version: 2,
      outcome: 'unchanged',
    })
    expect(await rowsOf(refinery, 'id, channel')).toHaveLength(3)
  })

  test('rows that are appended again replace those of their window under the new columns', async () => {
    await using refinery = await withTwoDays(orders({ primaryKey: [], fields: { mode: 'append' } }))
    const status = aColumn('status', { renamedFrom: ['state'], reading: { from: ['status', 'state'] } })
    const wider = aColumn('amount', { type: 'DECIMAL(12,2)' })
    const changed = orders({ columns: [id, wider, status], primaryKey: [], fields: { mode: 'append' } })

    await refinery.refineFiles(changed, { day: 1, files: { 'a.csv': `${HEADER}7,7,again\n` }, generation: 2 })

    expect(await rowsOf(refinery)).toEqual([
      { id: 3, amount: '99999999.99', status: 'new' },
      { id: 7, amount: '7.00', status: 'again' },
    ])
  })
})

describe('a changed contract that would lose something is refused: by column, with the number of rows and the way on', () => {
  test.each<readonly [string, Change, RegExp]>([
    [
      'a column that is gone',
      { columns: [id, amount] },
      /column state: removes the column with the values of 3 of 3 rows; say .*`renamedFrom: state`.*`dropped: \[state\]`/,
    ],
    [
      'a narrower decimal',
      { columns: [id, aColumn('amount', { type: 'DECIMAL(9,2)' }), state] },
      /column amount \(DECIMAL\(10,2\) → DECIMAL\(9,2\)\): the value of 1 of 3 rows does not fit .*keep DECIMAL\(10,2\); or `cinelake rebuild DIR orders`/,
    ],
    [
      'a text that is no number',
      { columns: [id, amount, aColumn('state', { type: 'BIGINT' })] },
      /column state \(VARCHAR → BIGINT\): the value of 3 of 3 rows/,
    ],
    [
      'a shorter text',
      { columns: [id, amount, aColumn('state', { maxLength: 3 })] },
      /column state.*: the text of 1 of 3 rows is longer/,
    ],
    [
      'a value that is required',
      { columns: [id, aColumn('amount', { type: 'DECIMAL(10,2)', required: true }), state] },
      /column amount \(optional → required\): the value is missing in 1 of 3 rows/,
    ],
    [
      'a new column that is required',
      { columns: [id, amount, state, aColumn('at', { required: true })] },
      /column at: it is required, and would be missing in 3 rows/,
    ],
    [
      'a key that tells rows apart no longer',
      { primaryKey: ['state'] },
      /key \(id\) → \(state\): rows that the new key tells apart .*; 3 rows left/,
    ],
    [
      'a key of more columns',
      { primaryKey: ['id', 'state'] },
      /key \(id\) → \(id, state\): rows that the new key tells apart .*; 3 rows left/,
    ],
  ])('%s', async (_, change, message) => {
    await using refinery = await withTwoDays()

    const error = await failureOf(refinery.refineFiles(orders(change), third))

    expect(error).toMatchObject({ code: 'CONTRACT_CHANGE_LOSSY', retryable: false })
    expect(error.message).toMatch(message)
    expect(await rowsOf(refinery)).toHaveLength(3)
  })

  test('a key of fewer columns, where rows would share it', async () => {
    const before = orders({ primaryKey: ['id', 'state'], columns: [id, amount, aColumn('state', { required: true })] })
    await using refinery = await withTwoDays(before)
    await refinery.refineFiles(before, { day: 3, files: { 'a.csv': `${HEADER}3,1,paid\n` } })
    const changed = orders({ columns: [id, amount, aColumn('state', { required: true })] })

    const error = await failureOf(refinery.refineFiles(changed, { ...third, day: 4 }))

    expect(error.message).toMatch(/key \(id, state\) → \(id\): the key is there more than once in 2 of 4 rows/)
  })

  test('a table that each landing replaces is refused a column that is gone, and nothing else', async () => {
    const snapshot = { mode: 'snapshot' as const }
    await using refinery = await withTwoDays(orders({ fields: snapshot }))
    const wrong = orders({ columns: [id, amount], fields: snapshot })
    expect((await failureOf(refinery.refineFiles(wrong, third))).message).toMatch(/column state: removes the column/)

    const columns = [id, aColumn('amount', { type: 'INTEGER', required: true })]
    await refinery.refineFiles(orders({ columns, dropped: ['state'], primaryKey: [], fields: snapshot }), {
      day: 3,
      files: { 'a.csv': `${HEADER}4,4,late\n` },
    })

    expect(await rowsOf(refinery)).toEqual([{ id: 4, amount: 4 }])
  })
})

test('a table of before, which has kept a column that a contract dropped long ago, goes on with it', async () => {
  await using refinery = await aRefinery()
  const table = createDeltaTable({ ...refinery, path: 'refined/shop/orders' })
  await using session = await refinery.engine.session()
  const row = (number: number, day: number, value: string) =>
    `SELECT ${number}::INTEGER AS id, 1::DECIMAL(10,2) AS amount, ${value} AS state, TIMESTAMPTZ '${dayWindow(day).start}' AS _window`
  await table.append(session, row(1, 1, "'new'"), { txn: { appId: 'one', version: 1 } })
  await table.append(session, row(2, 2, 'NULL::VARCHAR'), { txn: { appId: 'two', version: 1 } })
  const changed = orders({ columns: [id, amount] })

  await refinery.refineFiles(changed, third)
  await refinery.refineFiles(changed, { day: 4, files: { 'a.csv': `${HEADER}5,5,x\n` } })

  expect(await rowsOf(refinery, 'id, state')).toEqual([
    { id: 1, state: 'new' },
    { id: 2, state: null },
    { id: 4, state: null },
    { id: 5, state: null },
  ])
  const fewer = await failureOf(refinery.refineFiles(orders({ columns: [id] }), { ...third, day: 5 }))
  expect(fewer.message).toMatch(/column amount: removes the column with the values of 4 of 4 rows/)
})

test('of two windows that bring a new contract at once, one is tried again, and both are there', async () => {
  await using refinery = await withTwoDays()
  const changed = orders({ columns: [id, aColumn('amount'), aColumn('status', { renamedFrom: ['state'] })] })
  const late = (day: number) => ({ day, files: { 'a.csv': `id,amount,status\n${day + 1},1,late\n` } })
  const commands = [await refinery.land(changed, late(3)), await refinery.land(changed, late(4))]

  const first = await Promise.allSettled(commands.map(async (command) => await refinery.refine(command)))
  const failed = first.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as object] : []))
  for (const command of commands) await refinery.refine(command)

  expect(failed).toEqual(failed.map(() => expect.objectContaining({ code: 'DELTA_CONFLICT', retryable: true })))
  expect(await rowsOf(refinery, 'id, status')).toEqual([
    { id: 1, status: 'new' },
    { id: 2, status: 'paid' },
    { id: 3, status: 'new' },
    { id: 4, status: 'late' },
    { id: 5, status: 'late' },
  ])
})

test('a column that is empty when it is looked at is not dropped with the values that come meanwhile', async () => {
  const note = aColumn('note')
  const stateless = orders({ columns: [id, amount] })
  await using refinery = await aRefinery()
  await refinery.refineFiles(orders({ columns: [id, amount, note] }), {
    day: 1,
    files: { 'a.csv': 'id,amount,note\n1,1,\n' },
  })
  const table = createDeltaTable({ ...refinery, path: 'refined/shop/orders' })
  await using session = await refinery.engine.session()
  const wanted = tableOfDataset(stateless)
  const takenOn = await takeOn(wanted, await table.snapshot(), { table, session, signal: AbortSignal.timeout(60_000) })
  expect(takenOn).toMatchObject({ isChanged: true, basedOn: 0, evolve: { dropped: ['note'] } })

  const meanwhile = `SELECT 2::INTEGER AS id, 1::DECIMAL(10,2) AS amount, 'x' AS note, TIMESTAMPTZ '2026-03-02' AS _window`
  await table.append(session, meanwhile, { txn: { appId: 'other', version: 1 } })
  const { basedOn, evolve } = takenOn
  const late = table.append(session, meanwhile.replace("'x' AS note, ", ''), {
    txn: { appId: 'late', version: 1 },
    evolve,
    ...(basedOn === undefined ? {} : { basedOn }),
  })

  await expect(late).rejects.toMatchObject({ code: 'DELTA_CONFLICT', retryable: true })
  expect(await rowsOf(refinery, 'note')).toEqual([{ note: 'x' }, { note: null }])
})

test('a command that is delivered again after a later text has changed the table finds that it is done', async () => {
  await using refinery = await withTwoDays()
  const command = await refinery.land(orders(), third)
  await refinery.refine(command)
  await refinery.refineFiles(orders({ columns: [id, amount], dropped: ['state'] }), {
    day: 4,
    files: { 'a.csv': `${HEADER}5,5,x\n` },
  })

  expect((await refinery.refine(command)).output).toMatchObject({ version: 2, outcome: 'already-committed' })
})
