import { describe, expect, test } from 'vitest'
import { GOOD, textFolder, withText, type Files } from './fixtures/text-folder.fixture.ts'
import { openTypers } from './fixtures/typer.fixture.ts'
import { readPipeline } from './read-pipeline.ts'
import { CONTRACT_PROPERTY, contractChanges, writtenBy, type WantedTable } from './contract-changes.ts'

type Column = WantedTable['columns'][number]

const column = (name: string, type = 'VARCHAR', fields: Partial<Column> = {}): Column => ({
  name,
  type,
  required: false,
  ...fields,
})

const before: WantedTable = {
  name: 'orders',
  columns: [column('id', 'INTEGER', { required: true }), column('state', 'VARCHAR', { maxLength: 10 })],
  key: ['id'],
  partitionBy: [],
  dropped: [],
  keeps: 'rows',
  isDerived: false,
}

/** The table that `before` has made, and what is asked of its rows. */
async function changes(
  wanted: Partial<WantedTable>,
  {
    rowCount = 5,
    count = 0,
    ...there
  }: { rowCount?: number; count?: number; configuration?: Record<string, string> } = {},
) {
  const asked: unknown[] = []
  const found = await contractChanges(
    { ...before, ...wanted },
    {
      columns: [...before.columns, { name: '_window', type: 'TIMESTAMP WITH TIME ZONE' }],
      partitionBy: [],
      rowCount,
      configuration: { [CONTRACT_PROPERTY]: writtenBy(before, []) },
      ...there,
    },
    async (doubts) => {
      asked.push(...doubts)
      return doubts.map(() => count)
    },
  )
  return {
    asked,
    found: found.map(({ kind, column: name, from, to, lossless }) => ({ kind, name, from, to, lossless })),
  }
}

const [id, state] = before.columns as [Column, Column]

test('files that name a renamed column as before are read, unless `from` says how they name it', async () => {
  const renamed = (name: string, former: string) => (files: Files) =>
    withText(
      files,
      'contracts/orders.yaml',
      `- name: ${name}\n`,
      `- name: ${name}\n        customProperties: [{ property: renamedFrom, value: ${former} }]\n`,
    )
  const readings = async (files: Files) => {
    const text = withText(
      files,
      'pipeline.yaml',
      '          status: { values',
      '          status: { from: [code], values',
    )
    const typers = await openTypers()
    const read = async (folder: Files) => {
      const { pipeline } = await readPipeline(textFolder(folder), { typer: await typers.typer() })
      return pipeline?.datasets
        .find(({ name }) => name === 'orders')
        ?.contract.columns.find(({ name }) => name === 'status')
    }
    const found = [await read(files), await read(text)]
    await typers[Symbol.asyncDispose]()
    return found
  }

  const [plain, spelled] = await readings(renamed('status', 'state')(GOOD))

  expect(plain).toMatchObject({ renamedFrom: ['state'], reading: { from: ['status', 'state'] } })
  expect(spelled).toMatchObject({ renamedFrom: ['state'], reading: { from: ['code', 'status'] } })
})

describe('a contract compared with its table', () => {
  test('as it was has no changes, and no row is looked at', async () => {
    expect(await changes({})).toEqual({ asked: [], found: [] })
  })

  test.each<[string, Partial<WantedTable>, object]>([
    [
      'a new column',
      { columns: [id, state, column('at', 'DATE')] },
      { kind: 'added', name: 'at', from: null, to: 'DATE' },
    ],
    [
      'a wider type',
      { columns: [{ ...id, type: 'BIGINT' }, state] },
      { kind: 'widened', name: 'id', from: 'INTEGER', to: 'BIGINT' },
    ],
    [
      'longer texts',
      { columns: [id, { ...state, maxLength: 20 }] },
      { kind: 'widened', name: 'state', from: 'VARCHAR(10)', to: 'VARCHAR(20)' },
    ],
    [
      'texts of any length',
      { columns: [id, column('state')] },
      { kind: 'widened', name: 'state', from: 'VARCHAR(10)', to: 'VARCHAR' },
    ],
    [
      'another name',
      { columns: [id, column('status', 'VARCHAR', { maxLength: 10, renamedFrom: ['stat', 'state'] })] },
      { kind: 'renamed', name: 'status', from: 'state', to: 'status' },
    ],
    [
      'the same name in other letters',
      { columns: [id, { ...state, name: 'State' }] },
      { kind: 'renamed', name: 'State', from: 'state', to: 'State' },
    ],
    [
      'a column that is dropped',
      { columns: [id], dropped: ['STATE'] },
      { kind: 'dropped', name: 'state', from: 'VARCHAR', to: null },
    ],
    ['partitions', { partitionBy: ['state'] }, { kind: 'partitionChanged', name: 'state', from: '', to: 'state' }],
    ['no key', { key: [] }, { kind: 'keyChanged', name: '', from: 'id', to: '' }],
    [
      'a value that may be missing',
      { columns: [{ ...id, required: false }, state] },
      { kind: 'optional', name: 'id', from: 'required', to: 'optional' },
    ],
  ])('%s loses nothing, which needs no look at the rows', async (_, wanted, change) => {
    expect(await changes(wanted, { count: 5 })).toEqual({ asked: [], found: [{ ...change, lossless: true }] })
  })

  test.each<[string, Partial<WantedTable>, object]>([
    ['a narrower number', { columns: [{ ...id, type: 'DECIMAL(3,0)' }, state] }, { kind: 'narrowed', name: 'id' }],
    ['another type', { columns: [id, column('state', 'DATE')] }, { kind: 'retyped', name: 'state' }],
    [
      'shorter texts',
      { columns: [id, { ...state, maxLength: 5 }] },
      { kind: 'narrowed', name: 'state', to: 'VARCHAR(5)' },
    ],
    [
      'a value that must be there',
      { columns: [id, { ...state, required: true }] },
      { kind: 'required', name: 'state' },
    ],
    [
      'a new value that must be there',
      { columns: [id, state, column('at', 'DATE', { required: true })] },
      { kind: 'added', name: 'at' },
    ],
    ['a column that is gone', { columns: [id] }, { kind: 'dropped', name: 'state' }],
    ['another key', { key: ['state'] }, { kind: 'keyChanged', name: 'state', from: 'id', to: 'state' }],
  ])('%s is decided by the rows: none of them, or some', async (_, wanted, change) => {
    const none = await changes(wanted)
    expect(none.asked).toHaveLength(1)
    expect(none.found).toMatchObject([{ ...change, lossless: true }])
    expect((await changes(wanted, { count: 2 })).found).toMatchObject([{ ...change, lossless: false }])
    expect((await changes(wanted, { count: 2, rowCount: 0 })).found).toMatchObject([{ ...change, lossless: true }])
  })

  test('a column that a day replaces by an instant needs a word, whatever its values', async () => {
    const there = { ...before, columns: [id, column('day', 'DATE')] }
    const open = await contractChanges(
      { ...before, columns: [id, column('day', 'TIMESTAMP WITH TIME ZONE')] },
      { ...there, rowCount: 3, configuration: { [CONTRACT_PROPERTY]: writtenBy(there, []) } },
      async (doubts) => {
        expect(doubts).toEqual([{ when: '"day" IS NOT NULL AND NOT false' }])
        return [3]
      },
    )
    expect(open).toMatchObject([
      {
        kind: 'retyped',
        lossless: false,
        consequence: 'the value of 3 of 3 rows does not fit or would not be the same',
        remedy: expect.stringMatching(/^keep DATE; or `cinelake rebuild DIR orders`/),
      },
    ])
  })

  test('a renamed key is the same key, before and after', async () => {
    const renamed = { ...id, name: 'order_id', renamedFrom: ['id'] }
    expect((await changes({ columns: [renamed, state], key: ['order_id'] })).found).toMatchObject([{ kind: 'renamed' }])
    const after = { ...before, columns: [renamed, state], key: ['order_id'] }
    const configuration = { [CONTRACT_PROPERTY]: writtenBy(after, []) }
    expect(await contractChanges(after, { ...after, rowCount: 5, configuration }, async () => [5])).toEqual([])
  })

  test('a table that each run makes again as a whole loses nothing', async () => {
    const derived = { keeps: 'nothing', isDerived: true } as const
    const { asked, found } = await changes({ ...derived, columns: [column('id', 'DATE')], key: [] }, { count: 5 })
    expect(asked).toEqual([])
    expect(found).toMatchObject([
      { kind: 'retyped', lossless: true },
      { kind: 'optional', lossless: true },
      { kind: 'dropped', lossless: true },
    ])
  })

  test('a table of before does not say what was required of it, which is then no change', async () => {
    for (const configuration of [{}, { [CONTRACT_PROPERTY]: '{' }])
      expect(await changes({}, { configuration, count: 1 })).toEqual({ asked: [], found: [] })
  })

  test('a column that was kept from a contract of before is kept on', async () => {
    const fewer = { ...before, columns: [id] }
    const configuration = { [CONTRACT_PROPERTY]: writtenBy(fewer, ['state']) }
    expect((await changes(fewer, { configuration, count: 5 })).found).toEqual([])
    expect((await changes({ ...fewer, dropped: ['state'] }, { configuration })).found).toMatchObject([
      { kind: 'dropped' },
    ])
  })
})
