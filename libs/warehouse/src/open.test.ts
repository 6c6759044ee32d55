import { silentLog } from '@cinelake/core'
import { createDatabases } from '@cinelake/database/open'
import { temporaryDirectory } from '@cinelake/testkit'
import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import { openWarehouse } from './open.ts'
import { z } from 'zod'
import { warehouseEnv, warehouseSettings } from './warehouse.ts'

const deps = {
  log: silentLog,
  credential: async () => {
    throw new Error('no credential is needed here')
  },
}

test('an embedded database is opened without the drivers of servers', async () => {
  await using directory = await temporaryDirectory()
  await using warehouse = await openWarehouse({ url: `pglite:${directory.path}/database` }, deps)

  expect(await warehouse.tables()).toEqual([])
  const loaded = Object.keys(createRequire(import.meta.url).cache)
  expect(loaded.filter((file) => /node_modules\/(pg|tedious)\//.test(file))).toEqual([])
})

test('a warehouse and what else is in its database share one connection, however it is spelled', async () => {
  await using directory = await temporaryDirectory()
  await using databases = createDatabases(deps)
  const database = await databases.open<unknown>({ url: `pglite:${directory.path}/database` })
  // A directory that is open cannot be opened a second time.
  const warehouse = await openWarehouse({ url: `pglite:${directory.path}/./database/` }, { ...deps, databases })

  await warehouse[Symbol.asyncDispose]()

  expect(database.adapter === 'pglite' && (await database.pglite.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
})

test('an address of a server chooses its adapter', async () => {
  await expect(openWarehouse({ url: 'postgres://loader@127.0.0.1:1/mart' }, deps)).rejects.toMatchObject({
    code: 'WAREHOUSE_UNAVAILABLE',
    message: expect.stringContaining('postgres://127.0.0.1:1/mart'),
  })
  await expect(openWarehouse({ url: 'postgresql://loader@127.0.0.1:1/mart' }, deps)).rejects.toMatchObject({
    code: 'WAREHOUSE_UNAVAILABLE',
    message: expect.stringContaining('postgres://127.0.0.1:1/mart'),
  })
  await expect(openWarehouse({ url: 'mssql://loader:p@127.0.0.1:1/mart' }, deps)).rejects.toMatchObject({
    code: 'WAREHOUSE_UNAVAILABLE',
    message: expect.stringContaining('mssql://127.0.0.1:1/mart'),
  })
})

test('looking into a mart of SQL Server makes nothing', async () => {
  // It brings the driver, of which the first test says that it is not loaded.
  const { startMssqlEndpoint } = await import('@cinelake/testkit/mssql')
  await using endpoint = await startMssqlEndpoint()

  await using looking = await openWarehouse({ url: endpoint.url }, { ...deps, isReadOnly: true })
  expect(await looking.tables()).toEqual([])
  await using working = await openWarehouse({ url: endpoint.url }, deps)
  expect(await working.tables()).toEqual([])
})

test('an address that means nothing is refused without being shown', async () => {
  const open = openWarehouse({ url: 'mysql://root:hunter2@127.0.0.1/mart' }, deps)

  await expect(open).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringMatching(/CINELAKE_WAREHOUSE cannot be used[^]*`postgres:`/),
  })
  await expect(open).rejects.not.toHaveProperty('message', expect.stringContaining('hunter2'))
})

test('without settings the warehouse is embedded', () => {
  const settings = (given: Record<string, string>) => warehouseSettings(z.object(warehouseEnv).parse(given))

  expect(settings({})).toEqual({ url: 'pglite:.cinelake/warehouse', memoryMib: 1024 })
  expect(
    settings({
      CINELAKE_WAREHOUSE: 'postgresql://u@h/d',
      CINELAKE_WAREHOUSE_PASSWORD: 'p',
      CINELAKE_WAREHOUSE_MEMORY_MIB: '256',
    }),
  ).toEqual({ url: 'postgresql://u@h/d', password: 'p', memoryMib: 256 })
  expect(() => settings({ CINELAKE_WAREHOUSE: 'postgress://u:hunter2@h/d' })).toThrow(
    /CINELAKE_WAREHOUSE cannot be used[^]*`pglite:` or `postgres:` .*`duckdb:`, got `postgress:`$/,
  )
})
