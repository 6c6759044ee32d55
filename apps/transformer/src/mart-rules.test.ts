import { limitsOf } from '@cinelake/warehouse'
import { expect, test } from 'vitest'
import { martRules } from './mart-rules.ts'
import { aColumn, aDataset, aRefinery } from './refine/refinery.fixture.ts'

const POSTGRES = limitsOf({ url: 'postgres://server/db' })
const SQL_SERVER = limitsOf({ url: 'mssql://server/db' })
const keyed = aDataset({
  columns: [
    aColumn('code', { required: true }),
    aColumn('paid_on', { type: 'DATE' }),
    aColumn('rate', { type: 'DOUBLE' }),
  ],
  contract: { primaryKey: ['code'] },
})

test('a row whose key is too long for an index of PostgreSQL is rejected, and the others are kept', async () => {
  await using refinery = await aRefinery({ mart: POSTGRES })

  const outcome = await refinery.refineFiles(keyed, {
    files: { 'a.csv': `code,paid_on,rate\n${'x'.repeat(9000)},,\nshort,,\n` },
  })

  expect(outcome).toMatchObject({
    balance: { in: 2, out: 1, rejected: 1 },
    rejects: { 'mart(code): at most 2685 bytes in the key': 1 },
  })
  expect(await refinery.rowsOf('orders', 'ALL', 'code')).toEqual([{ code: 'short' }])
})

test('a key of SQL Server is counted in UTF-16 units', async () => {
  await using refinery = await aRefinery({ mart: SQL_SERVER })

  const keys = ['日'.repeat(450), '🎬'.repeat(225), '🎬'.repeat(226), 'x'.repeat(451)]
  const outcome = await refinery.refineFiles(keyed, {
    files: { 'a.csv': `code,paid_on,rate\n${keys.map((key) => `${key},,\n`).join('')}` },
  })

  expect(outcome).toMatchObject({
    balance: { in: 4, out: 2, rejected: 2 },
    rejects: { 'mart(code): at most 450 UTF-16 units in the key': 2 },
  })
})

test('a dataset that is not served rejects nothing for the mart', async () => {
  await using refinery = await aRefinery()
  const outcome = await refinery.refineFiles(keyed, {
    files: { 'a.csv': `code,paid_on,rate\n${'x'.repeat(9000)},,\n` },
  })
  expect(outcome.balance).toMatchObject({ out: 1, rejected: 0 })
})

test('a model of history has no rules for the columns that the platform adds to its table', () => {
  const instant = { type: 'TIMESTAMP WITH TIME ZONE', required: true }
  const served = {
    table: 'rates',
    as: 'rates',
    columns: [
      { name: 'since', ...instant },
      { name: 'valid_from', ...instant },
    ],
    primaryKey: ['valid_from'],
  }
  const rules = martRules(SQL_SERVER, { serve: [served] }, 'rates', [{ name: 'since' }])
  expect(rules.map(({ name }) => name)).toEqual(['mart(since): from 0001-01-01 00:00:00 to 9999-12-31 23:59:59.999999'])
})

test('a key of which the warehouse has no limit, or that is short by its type, has no rule', () => {
  const table = { columns: [{ name: 'id', type: 'BIGINT', required: true }], primaryKey: ['id'], table: 't', as: 't' }
  expect(martRules(SQL_SERVER, { serve: [table] }, 't', [{ name: 'id' }])).toEqual([])
  expect(martRules(limitsOf({ url: 'duckdb:mart.duckdb' }), { serve: [table] }, 't', [{ name: 'id' }])).toEqual([])
})
