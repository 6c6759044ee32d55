// @module-tag slow: takes long
import { silentLog } from '@cinelake/core'
import { startMssqlEndpoint } from '@cinelake/testkit/mssql'
import { expect, test } from 'vitest'
import { createWarehouse, openDatabase, takeDatabase } from './open.ts'
import { noCredential } from './postgres.fixture.ts'

test('a database of SQL Server is one process’s until it lets go', async () => {
  await using endpoint = await startMssqlEndpoint()
  const open = async () => await openDatabase({ url: endpoint.url }, { credential: noCredential, log: silentLog })
  await using one = await open()
  await using other = await open()

  const taken = await takeDatabase(one)
  await expect(takeDatabase(other)).rejects.toMatchObject({ code: 'WAREHOUSE_TAKEN', retryable: true })

  await taken[Symbol.asyncDispose]()
  await using again = await takeDatabase(other)
  expect(again).toBeDefined()
})

test('an embedded database has its directory’s lock', async () => {
  await using database = await openDatabase({ url: 'pglite:' }, { credential: noCredential, log: silentLog })

  await using one = await takeDatabase(database)
  await using other = await takeDatabase(database)

  expect([one, other]).toHaveLength(2)
})

test('looking into a mart of SQL Server makes nothing', async () => {
  await using endpoint = await startMssqlEndpoint()
  await using database = await openDatabase({ url: endpoint.url }, { credential: noCredential, log: silentLog })

  await using looking = await createWarehouse(database, { isReadOnly: true })
  expect(await looking.tables()).toEqual([])
  await using working = await createWarehouse(database)
  expect(await working.tables()).toEqual([])
})
