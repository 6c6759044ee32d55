// @module-tag slow: takes long
import { startMssqlEndpoint } from '@cinelake/testkit/mssql'
import { afterAll } from 'vitest'
import { openAt } from './mssql.fixture.ts'
import { warehouseContract } from './warehouse-contract.ts'

const endpoint = await startMssqlEndpoint()
afterAll(async () => {
  await endpoint[Symbol.asyncDispose]()
})

warehouseContract('mssql, SDK protocol tests against the loopback endpoint', async () => {
  await endpoint.reset()
  return await openAt(endpoint.url)
})
