// @module-tag slow: takes long
import { startMssqlEndpoint } from '@cinelake/testkit/mssql'
import { afterAll, expect, test } from 'vitest'
import { batches, manyTitles, titles } from '../contract/given.fixture.ts'
import { openAt, readAsAnalyst } from './sql-server.fixture.ts'
import { limitsContract } from '../contract/limits-contract.ts'
import { warehouseContract } from '../contract/warehouse-contract.ts'
import { SQL_SERVER_LIMITS } from './limits.ts'

const endpoint = await startMssqlEndpoint()
afterAll(async () => {
  await endpoint[Symbol.asyncDispose]()
})

warehouseContract('mssql, SDK protocol tests against the loopback endpoint', async () => {
  await endpoint.reset()
  return await openAt(endpoint.url)
})
limitsContract(async () => {
  await endpoint.reset()
  return await openAt(endpoint.url)
}, SQL_SERVER_LIMITS)

test('what was loaded is read by a program that uses the driver mssql', async () => {
  await endpoint.reset()
  await using it = await openAt(endpoint.url)
  await it.warehouse.replace(titles, batches(manyTitles(3)), { task: 't1', version: 1 })

  const read = await readAsAnalyst<{ title_id: string }>(
    endpoint.url,
    'SELECT [title_id] FROM [mart].[titles] ORDER BY [title_id]',
  )

  expect(read.map(({ title_id: id }) => Number(id))).toEqual([1, 2, 3])
})
