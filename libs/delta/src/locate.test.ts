import { tmpdir } from 'node:os'
import { createDirectoryLake } from '@cinelake/lake/directory'
import type { Lake } from '@cinelake/lake'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import { temporaryDirectory } from '@cinelake/testkit'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { locateRejects, locateTable, tableTakenByOther } from './locate.ts'
import { createDeltaTable } from './table.ts'

const stack = new AsyncDisposableStack()
let engine: Awaited<ReturnType<typeof createDuckDbEngine>>
let lake: Lake
let now = new Date('2026-03-10T00:00:00Z')

beforeAll(async () => {
  const scratch = stack.use(await temporaryDirectory()).path
  engine = stack.use(
    await createDuckDbEngine({
      memoryBytes: 256 * 1024 ** 2,
      threads: 1,
      scratchDirectory: scratch,
      directories: [tmpdir()],
    }),
  )
})
afterAll(async () => await stack.disposeAsync())

beforeEach(async (context) => {
  const directory = await temporaryDirectory()
  lake = await createDirectoryLake(directory.path)
  now = new Date('2026-03-10T00:00:00Z')
  context.onTestFinished(async () => {
    await lake[Symbol.asyncDispose]()
    await directory[Symbol.asyncDispose]()
  })
})

const tableAt = (path: string) => createDeltaTable({ lake, path, clock: () => now })

async function write(path: string, pipeline: string, window = '2026-03-01'): Promise<void> {
  await using session = await engine.session()
  const txn = { appId: `${pipeline}@${window}/refine orders`, version: 1 }
  await tableAt(path).append(session, `SELECT 1::BIGINT AS id, '${pipeline}' AS made_by`, { txn })
}

test('a table that is not there yet will be in the folder of its pipeline', async () => {
  expect(await locateTable(lake, 'shop', 'orders')).toBe('refined/shop/orders')
  expect(await locateRejects(lake, 'shop', 'orders')).toBe('refined/shop/_rejects/orders')
})

test('a table of before goes on where it is, for the pipeline that made it and no other', async () => {
  await write('refined/orders', 'shop')
  await write('refined/_rejects/orders', 'shop')

  expect(await locateTable(lake, 'shop', 'orders')).toBe('refined/orders')
  expect(await locateRejects(lake, 'shop', 'orders')).toBe('refined/_rejects/orders')
  expect(await locateTable(lake, 'starter', 'orders')).toBe('refined/starter/orders')
  expect(await locateRejects(lake, 'starter', 'orders')).toBe('refined/starter/_rejects/orders')
  expect(await locateTable(lake, 'sho', 'orders')).toBe('refined/sho/orders')
})

test('of two pipelines that wrote into one table the first keeps it, and the other is known to have rows there', async () => {
  await write('refined/orders', 'starter')
  await write('refined/orders', 'shop')

  expect(await locateTable(lake, 'starter', 'orders')).toBe('refined/orders')
  expect(await locateTable(lake, 'shop', 'orders')).toBe('refined/shop/orders')
  expect(await tableTakenByOther(lake, 'shop', 'orders')).toEqual({ path: 'refined/orders', owner: 'starter' })
  expect(await tableTakenByOther(lake, 'starter', 'orders')).toBeUndefined()
  expect(await tableTakenByOther(lake, 'third', 'orders')).toBeUndefined()
  expect(await tableTakenByOther(lake, 'shop', 'customers')).toBeUndefined()
})

test('a table in the folder of its pipeline is used, whatever was there before', async () => {
  await write('refined/shop/orders', 'shop')
  await write('refined/orders', 'shop')

  expect(await locateTable(lake, 'shop', 'orders')).toBe('refined/shop/orders')
})

test('a table of before whose first commits were cleaned up is known by its checkpoint', async () => {
  for (let day = 1; day <= 12; day += 1) await write('refined/orders', 'shop', `2026-03-${day}`)
  for (let version = 0; version < 10; version += 1) {
    await lake.delete(`refined/orders/_delta_log/${String(version).padStart(20, '0')}.json`)
  }

  expect(await locateTable(lake, 'shop', 'orders')).toBe('refined/orders')
  expect(await locateTable(lake, 'starter', 'orders')).toBe('refined/starter/orders')
})

test('the vacuum of a table deletes nothing of a pipeline that is called like it', async () => {
  await write('refined/orders', 'shop')
  await write('refined/orders/customers', 'orders')
  await write('refined/orders/_rejects/customers', 'orders')
  await lake.put('refined/orders/left-over.parquet', 'of a writer that died')
  const before: string[] = []
  for await (const { path } of lake.list('refined')) before.push(path)
  now = new Date('2027-03-10T00:00:00Z')

  expect(await locateTable(lake, 'orders', 'customers')).toBe('refined/orders/customers')
  expect(await tableAt('refined/orders').vacuum({ retentionMs: 1000 })).toEqual(['refined/orders/left-over.parquet'])

  const after: string[] = []
  for await (const { path } of lake.list('refined')) after.push(path)
  expect(after).toEqual(before.filter((path) => !path.endsWith('left-over.parquet')))
})
