import { silentLog } from '@cinelake/core'
import { temporaryDirectory } from '@cinelake/testkit'
import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import { createWarehouse, openDatabase } from './open.ts'
import { warehouseEnv, warehouseSettings } from './warehouse-settings.ts'

const deps = {
  log: silentLog,
  credential: async () => {
    throw new Error('no credential is needed here')
  },
}

test('an embedded database is opened without the drivers of servers', async () => {
  await using directory = await temporaryDirectory()
  await using database = await openDatabase({ url: `pglite:${directory.path}/database` }, deps)
  await using warehouse = await createWarehouse(database)

  expect(await warehouse.tables()).toEqual([])
  const loaded = Object.keys(createRequire(import.meta.url).cache)
  expect(loaded.filter((file) => /node_modules\/(pg|tedious)\//.test(file))).toEqual([])
})

test('an address of a server chooses its adapter', async () => {
  await using postgres = await openDatabase({ url: 'postgres://loader@127.0.0.1:1/mart' }, deps)
  expect(postgres).toMatchObject({ dialect: 'postgres', location: 'postgres://127.0.0.1:1/mart' })
  await expect(createWarehouse(postgres)).rejects.toMatchObject({ code: 'WAREHOUSE_UNAVAILABLE' })

  await expect(openDatabase({ url: 'mssql://loader:p@127.0.0.1:1/mart' }, deps)).rejects.toMatchObject({
    code: 'WAREHOUSE_UNAVAILABLE',
    message: expect.stringContaining('mssql://127.0.0.1:1/mart'),
  })
})

test('an address that means nothing is refused without being shown', async () => {
  const open = openDatabase({ url: 'mysql://root:hunter2@127.0.0.1/mart' }, deps)

  await expect(open).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('`postgres:`') })
  await expect(open).rejects.not.toHaveProperty('message', expect.stringContaining('hunter2'))
})

test('without settings the database is embedded', () => {
  expect(warehouseSettings({ CINELAKE_WAREHOUSE: warehouseEnv.CINELAKE_WAREHOUSE.parse(undefined) })).toEqual({
    url: 'pglite:.cinelake/warehouse',
  })
  expect(warehouseSettings({ CINELAKE_WAREHOUSE: 'postgres://u@h/d', CINELAKE_WAREHOUSE_PASSWORD: 'p' })).toEqual({
    url: 'postgres://u@h/d',
    password: 'p',
  })
})
