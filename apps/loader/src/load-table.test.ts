// @module-tag slow: takes long
import { runTaskWorker, type CommandOf, type TaskContext } from '@cinelake/bus'
import { createMemoryBus } from '@cinelake/bus/memory'
import type { Event } from '@cinelake/contracts'
import { silentLog, systemClock } from '@cinelake/core'
import { createDeltaTable, type DeltaTable } from '@cinelake/delta'
import type { SqlEngine } from '@cinelake/engine'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import type { Lake } from '@cinelake/lake'
import { createDirectoryLake } from '@cinelake/lake/directory'
import { freezePipeline, type CheckedPipeline } from '@cinelake/pipeline'
import { aCommandHeader, temporaryDirectory, until } from '@cinelake/testkit'
import type { Warehouse } from '@cinelake/warehouse'
import { createPgliteWarehouse } from '@cinelake/warehouse/pglite'
import { openPgliteDatabase, type PgliteDatabase } from '@cinelake/database/pglite'
import * as fc from 'fast-check'
import { cp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createLoad } from './load-table.ts'

const columns = [
  { name: 'id', type: 'BIGINT', required: true },
  { name: 'name', type: 'VARCHAR', maxLength: 20, required: false, description: 'What it is called.' },
  { name: 'tags', type: 'VARCHAR[]', required: false },
  { name: 'at', type: 'TIMESTAMP WITH TIME ZONE', required: false },
]
const pipeline: CheckedPipeline = {
  format: 1,
  name: 'shop',
  schedule: { every: 'day', timeZone: 'UTC', start: '2026-03-01', delayMs: 0 },
  retry: { maxAttempts: 1, backoffMs: 0, maxBackoffMs: 0 },
  sources: [],
  datasets: [],
  models: [],
  serve: [
    { table: 'orders', as: 'shop_orders', columns, primaryKey: ['id'] },
    { table: 'keyless', as: 'keyless', columns, primaryKey: [] },
  ],
}
const frozen = freezePipeline(pipeline)
const work: TaskContext = { signal: new AbortController().signal, progress: () => {} }

const stack = new AsyncDisposableStack()
let database: PgliteDatabase<unknown>
let engine: SqlEngine
let lake: Lake
let warehouse: Warehouse
let orders: DeltaTable
let commits = 0

beforeAll(async () => {
  const directory = stack.use(await temporaryDirectory()).path
  const limits = {
    memoryBytes: 256 * 1024 * 1024,
    threads: 2,
    scratchDirectory: join(directory, 'scratch'),
    directories: [tmpdir()], // each test has a lake of its own there
  }
  engine = stack.use(await createDuckDbEngine(limits))
  database = stack.use(await openPgliteDatabase(join(directory, 'warehouse')))
})
afterAll(async () => await stack.disposeAsync())

beforeEach(async (context) => {
  await database.pglite.exec('DROP SCHEMA IF EXISTS mart, loader, shop, sales CASCADE')
  warehouse = await createPgliteWarehouse(database)
  const directory = await temporaryDirectory()
  lake = await createDirectoryLake(directory.path)
  await lake.putIfAbsent(frozen.path, frozen.text)
  orders = createDeltaTable({ lake, path: 'refined/shop/orders', clock: systemClock })
  context.onTestFinished(async () => {
    await lake[Symbol.asyncDispose]()
    await directory[Symbol.asyncDispose]()
  })
})

/** Rows of an order table, from ids. */
const numbered = (from: number, to: number, name = `'order ' || id`) =>
  `SELECT id::BIGINT AS id, ${name} AS name, [name, 'x'] AS tags, TIMESTAMPTZ '2026-03-01 00:00:00Z' AS "at"
   FROM range(${from}, ${to}) AS r(id)`

const txn = () => {
  commits += 1
  return { txn: { appId: 'test', version: commits } }
}

async function write(how: 'overwrite' | 'append' | 'merge', query: string, table = orders): Promise<number> {
  await using session = await engine.session()
  const result =
    how === 'merge'
      ? await table.merge(session, query, { ...txn(), key: ['id'] })
      : await table[how](session, query, txn())
  return result.version
}

function command(version: number, table = 'orders'): CommandOf<'load'> {
  const pipelineRef = { name: pipeline.name, digest: frozen.digest }
  return { ...aCommandHeader({ task: `load ${table}`, pipeline: pipelineRef }), kind: 'load', table, version }
}

const load = async (version: number, table = 'orders', context = work) =>
  await createLoad({ lake, engine, warehouse, clock: systemClock, log: silentLog })(command(version, table), context)

/** `file:/…` */
const folderOf = ({ location }: Lake) => location.slice('file:'.length)

const mart = async () => (await warehouse.query('SELECT * FROM shop_orders ORDER BY id', { limit: 100_000 })).rows

async function refined(version: number): Promise<unknown[]> {
  await using session = await engine.session()
  await using view = await orders.view(session, { version })
  return await session.rows(
    `SELECT id, name, tags, strftime("at", '%Y-%m-%dT%H:%M:%SZ') AS "at" FROM ${view?.relation ?? ''} ORDER BY id`,
  )
}

test('the first load copies everything, a second load of the same version does nothing', async () => {
  const version = await write('overwrite', numbered(0, 5000))

  expect(await load(version)).toEqual({
    balance: { unit: 'rows', in: 5000, out: 5000, rejected: 0, duplicates: 0 },
    output: {
      kind: 'loaded',
      table: 'orders',
      version,
      id: (await orders.snapshot())?.id,
      outcome: 'replaced',
      sentRowCount: 5000,
    },
  })
  expect(await mart()).toEqual(await refined(version))
  expect(await load(version)).toMatchObject({
    balance: { in: 5000, out: 5000 },
    output: { outcome: 'already-loaded', sentRowCount: 0 },
  })
})

test('a text that begins with a byte order mark keeps it', async () => {
  await load(await write('overwrite', numbered(0, 3, `chr(65279) || 'x'`)))
  const { rows } = await database.pglite.query(
    `SELECT encode(convert_to(name, 'UTF8'), 'hex') AS hex FROM shop.shop_orders WHERE id = 1`,
  )
  expect(rows).toEqual([{ hex: 'efbbbf78' }])
})

test('after a merge of a few rows only those are sent', async () => {
  await load(await write('overwrite', numbered(0, 1000)))
  const version = await write('merge', numbered(995, 1003, `'changed'`))

  expect(await load(version)).toMatchObject({
    balance: { in: 1003, out: 1003 },
    output: { outcome: 'changed', sentRowCount: 8, version },
  })
  expect(await mart()).toEqual(await refined(version))
})

test('rows that are gone are deleted', async () => {
  await load(await write('overwrite', numbered(0, 100)))
  const version = await write('overwrite', numbered(3, 100))

  expect(await load(version)).toMatchObject({ output: { outcome: 'changed', sentRowCount: 3 } })
  expect(await mart()).toEqual(await refined(version))
})

test('a table written anew with the same rows sends none of them', async () => {
  await load(await write('overwrite', numbered(0, 1000)))
  const version = await write('overwrite', numbered(0, 1000))

  expect(await load(version)).toMatchObject({ output: { outcome: 'changed', sentRowCount: 0 } })
  expect(await warehouse.loaded({ schema: 'shop', name: 'shop_orders' })).toMatchObject({ version })
})

test('several versions are caught up on at once', async () => {
  await load(await write('overwrite', numbered(0, 1000)))
  await write('append', numbered(1000, 1010))
  await write('merge', numbered(5, 6, `'changed'`))
  const version = await write('append', numbered(2000, 2001))

  expect(await load(version)).toMatchObject({ output: { outcome: 'changed', sentRowCount: 12 } })
  expect(await mart()).toEqual(await refined(version))
})

test('where most rows changed, all are sent', async () => {
  await load(await write('overwrite', numbered(0, 100)))
  const version = await write('overwrite', numbered(40, 140))

  expect(await load(version)).toMatchObject({ output: { outcome: 'replaced', sentRowCount: 100 } })
  expect(await mart()).toEqual(await refined(version))
})

test('a table without a key is always sent whole', async () => {
  const keyless = createDeltaTable({ lake, path: 'refined/shop/keyless', clock: systemClock })
  await load(await write('overwrite', numbered(0, 10), keyless), 'keyless')
  const version = await write('append', numbered(0, 1), keyless)

  expect(await load(version, 'keyless')).toMatchObject({
    balance: { in: 11, out: 11 },
    output: { outcome: 'replaced', sentRowCount: 11 },
  })
})

test('a command that comes late does not take the table back', async () => {
  const first = await write('overwrite', numbered(0, 10))
  const second = await write('append', numbered(10, 12))
  await load(second)

  expect(await load(first)).toMatchObject({
    balance: { in: 12, out: 12 },
    output: { outcome: 'already-loaded', version: second, sentRowCount: 0 },
  })
  expect(await mart()).toHaveLength(12)
})

test('a lake that was begun anew is loaded whole, whatever the numbers of its versions', async () => {
  await load(await write('overwrite', numbered(0, 10)))
  await load(await write('append', numbered(10, 12)))
  await using other = await temporaryDirectory()
  await lake[Symbol.asyncDispose]()
  lake = await createDirectoryLake(other.path)
  await lake.putIfAbsent(frozen.path, frozen.text)
  orders = createDeltaTable({ lake, path: 'refined/shop/orders', clock: systemClock })

  const version = await write('overwrite', numbered(50, 53))

  expect(await load(version)).toMatchObject({ output: { outcome: 'replaced', version: 0 } })
  expect(await mart()).toEqual(await refined(version))
})

test('a table that began a new life is loaded whole, also where version and number of rows are the same', async () => {
  await load(await write('overwrite', numbered(0, 10)))
  await rm(join(folderOf(lake), 'refined'), { recursive: true })

  const version = await write('overwrite', numbered(50, 60))

  expect(await load(version)).toMatchObject({ output: { outcome: 'replaced', version: 0 } })
  expect(await mart()).toEqual(await refined(version))
})

test('an older copy put back in the lake does not take the mart back: it is told', async () => {
  const folder = join(folderOf(lake), 'refined')
  const first = await write('overwrite', numbered(0, 10))
  await cp(folder, `${folder}_older`, { recursive: true })
  await load(await write('append', numbered(10, 12)))
  await rm(folder, { recursive: true })
  await cp(`${folder}_older`, folder, { recursive: true })

  await expect(load(first)).rejects.toMatchObject({ code: 'TABLE_LOST', retryable: false })
  expect(await mart()).toHaveLength(12)
})

test('a version that is pinned of another table is not loaded', async () => {
  const version = await write('overwrite', numbered(0, 10))
  const late = { ...command(version), tableId: 'of another' }

  await expect(
    createLoad({ lake, engine, warehouse, clock: systemClock, log: silentLog })(late, work),
  ).rejects.toMatchObject({ code: 'TABLE_REPLACED' })
})

test('a table that was loaded before identities were noted gets its own with the next load', async () => {
  const first = await write('overwrite', numbered(0, 10))
  await load(first)
  await database.pglite.exec('ALTER TABLE loader.loaded_tables DROP COLUMN table_id')
  warehouse = await createPgliteWarehouse(database)
  expect(await warehouse.loaded({ schema: 'shop', name: 'shop_orders' })).toMatchObject({
    version: first,
    tableId: null,
  })
  expect(await load(first)).toMatchObject({ output: { outcome: 'already-loaded' } })

  const version = await write('append', numbered(10, 11))

  expect(await load(version)).toMatchObject({ output: { outcome: 'changed', sentRowCount: 1 } })
  expect(await warehouse.loaded({ schema: 'shop', name: 'shop_orders' })).toMatchObject({
    version,
    tableId: (await orders.snapshot())?.id,
  })
})

test('where the files of the loaded version are vacuumed away, all rows are sent', async () => {
  await load(await write('overwrite', numbered(0, 100)))
  const version = await write('overwrite', numbered(1, 100))
  const later = () => new Date(Date.now() + 3_600_000)
  const removed = await createDeltaTable({ lake, path: 'refined/shop/orders', clock: later }).vacuum({ retentionMs: 1 })
  expect(removed).not.toEqual([])

  expect(await load(version)).toMatchObject({ output: { outcome: 'replaced', sentRowCount: 99 } })
  expect(await mart()).toEqual(await refined(version))
})

test('whatever happens to the refined table, the loaded one has its rows', async () => {
  const step = fc.record({
    how: fc.constantFrom('overwrite', 'merge' as const),
    from: fc.integer({ min: 0, max: 30 }),
    count: fc.integer({ min: 0, max: 30 }),
    name: fc.constantFrom(`'a'`, `'b' || id % 3`, 'NULL'),
    isLoaded: fc.boolean(),
  })
  await write('overwrite', numbered(0, 20))

  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 5 }), async (steps) => {
      let version = 0
      for (const { how, from, count, name, isLoaded } of steps) {
        version = await write(how, numbered(from, from + count, `(${name})::VARCHAR`))
        if (isLoaded) await load(version)
      }
      await load(version)
      expect(await mart()).toEqual(await refined(version))
    }),
    { numRuns: 8 },
  )
})

test('the table carries what the contract says about its columns', async () => {
  await load(await write('overwrite', numbered(0, 1)))

  const { rows } = await database.pglite.query(
    `SELECT column_name, data_type, character_maximum_length AS length, is_nullable,
      col_description('shop.shop_orders'::regclass, ordinal_position) AS comment
     FROM information_schema.columns WHERE table_schema = 'shop' AND column_name IN ('id', 'name') ORDER BY 1`,
  )
  expect(rows).toEqual([
    { column_name: 'id', data_type: 'bigint', length: null, is_nullable: 'NO', comment: null },
    {
      column_name: 'name',
      data_type: 'character varying',
      length: 20,
      is_nullable: 'YES',
      comment: 'What it is called.',
    },
  ])
})

describe('whose a table of the mart is', () => {
  /** A load by another pipeline, or by a text of this one that names a schema. */
  const loadAs = async (name: string, version: number, schema?: string) => {
    const text = freezePipeline({ ...pipeline, name, ...(schema === undefined ? {} : { schema }) })
    await lake.putIfAbsent(text.path, text.text)
    const header = command(version)
    const given = { ...header, run: `${name}@2026-03-01`, pipeline: { name, digest: text.digest } }
    return await createLoad({ lake, engine, warehouse, clock: systemClock, log: silentLog })(given, work)
  }
  const ordersOf = (path: string) => createDeltaTable({ lake, path, clock: systemClock })
  const byPipeline = async (table: DeltaTable, name: string, query: string) => {
    await using session = await engine.session()
    const { txn } = txnOf(name)
    return (await table.append(session, query, { txn })).version
  }
  const txnOf = (name: string) => ({ txn: { ...txn().txn, appId: `${name}@2026-03-01/refine orders ${commits}` } })
  const count = async (table: string) => (await warehouse.query(`SELECT id FROM ${table}`)).rows.length

  test('two pipelines serve tables of one name, each in its own schema', async () => {
    await load(await write('overwrite', numbered(0, 3)))
    await loadAs('sales', await byPipeline(ordersOf('refined/sales/orders'), 'sales', numbered(0, 5)))

    expect([await count('shop.shop_orders'), await count('sales.shop_orders')]).toEqual([3, 5])
    expect(await warehouse.tables()).toMatchObject([
      { schema: 'sales', name: 'shop_orders', pipeline: 'sales' },
      { schema: 'shop', name: 'shop_orders', pipeline: 'shop' },
    ])
  })

  test('in one schema the second is refused, by name and with what to do, and nothing is changed', async () => {
    await load(await write('overwrite', numbered(0, 3)))
    const version = await byPipeline(ordersOf('refined/sales/orders'), 'sales', numbered(0, 3))

    const refused = loadAs('sales', version, 'shop')

    await expect(refused).rejects.toMatchObject({ code: 'WAREHOUSE_TABLE_TAKEN', retryable: false })
    await expect(refused).rejects.toThrow(
      /table=shop\.shop_orders, pipeline=sales.*got one of pipeline shop.*`as` under `serve`.*`schema` in pipeline\.yaml/,
    )
    expect(await warehouse.tables()).toMatchObject([{ schema: 'shop', pipeline: 'shop', version: 0 }])
  })

  test('a pipeline that has tables in mart from before goes on there, with new tables as well', async () => {
    await loadAs('shop', await write('overwrite', numbered(0, 3)), 'mart')
    const keyless = createDeltaTable({ lake, path: 'refined/shop/keyless', clock: systemClock })

    await load(await write('overwrite', numbered(0, 4)))
    await load(await write('append', numbered(0, 2), keyless), 'keyless')

    expect([await count('mart.shop_orders'), await count('mart.keyless')]).toEqual([4, 2])
    expect(await warehouse.schemas()).toEqual(['mart'])
  })

  test('what is left in another schema is told', async () => {
    await loadAs('shop', await write('overwrite', numbered(0, 3)), 'mart')

    const { quality } = await loadAs('shop', await write('overwrite', numbered(0, 4)), 'sales')

    expect(quality).toMatchObject([{ rule: 'left_in_schema', severity: 'warn', failed: 1 }])
    expect(quality?.[0]?.detail).toMatch(/^mart\.shop_orders is loaded no more/)
    expect([await count('mart.shop_orders'), await count('sales.shop_orders')]).toEqual([3, 4])
  })

  test('a table that two pipelines had made together is loaded by the one that owns it, not by the other', async () => {
    const shared = ordersOf('refined/orders')
    await byPipeline(shared, 'shop', numbered(0, 3))
    const version = await byPipeline(shared, 'sales', numbered(3, 5))
    // The loader of before: whoever came last.
    const rows = async function* () {
      yield [{ id: 1, name: 'x', tags: null, at: null }]
    }
    const table = { name: 'shop_orders', columns, primaryKey: ['id'] }
    await warehouse.replace(table, rows(), { task: 'sales@2026-03-01/load orders/1', version })
    await warehouse.replace({ ...table, name: 'other' }, rows(), { task: 'shop@2026-03-01/load other/1', version: 0 })

    expect(await load(version)).toMatchObject({ output: { outcome: 'replaced', version } })
    expect(await load(version)).toMatchObject({ output: { outcome: 'already-loaded' } })
    const own = await byPipeline(ordersOf('refined/sales/orders'), 'sales', numbered(0, 1))
    await loadAs('sales', own)

    expect([await count('mart.shop_orders'), await count('sales.shop_orders')]).toEqual([5, 1])
  })
})

describe('what cannot be loaded', () => {
  test('a table that the pipeline does not serve', async () => {
    await expect(load(0, 'other')).rejects.toMatchObject({ code: 'LOADER_TABLE_NOT_SERVED', retryable: false })
  })

  test('a table that is not in the lake', async () => {
    await expect(load(0)).rejects.toMatchObject({ code: 'LOADER_TABLE_MISSING', retryable: false })
  })

  test('rows that the database refuses: the old rows stay, and no value is told', async () => {
    await load(await write('overwrite', numbered(0, 3)))
    const version = await write('overwrite', numbered(0, 3, `repeat('secret', 9)`))

    await expect(load(version)).rejects.toThrow(/column name/)
    await expect(load(version)).rejects.not.toThrow(/secret/)
    expect(await mart()).toHaveLength(3)
    expect(await warehouse.loaded({ schema: 'shop', name: 'shop_orders' })).toMatchObject({ version: version - 1 })
  })

  test('anything after the service was told to stop: the old rows stay', async () => {
    await load(await write('overwrite', numbered(0, 3)))
    const version = await write('overwrite', numbered(10, 60_000))
    const stop = new AbortController()
    const progress = () => stop.abort(new Error('SIGTERM'))

    await expect(load(version, 'orders', { signal: stop.signal, progress })).rejects.toMatchObject({ retryable: true })
    expect(await mart()).toHaveLength(3)

    await load(version)
    expect(await mart()).toHaveLength(59_990)
  })
})

test('a command that is delivered twice, to two workers at once, loads the table once', async () => {
  await using bus = createMemoryBus()
  const version = await write('overwrite', numbered(0, 20_000))
  const events: Event[] = []
  await bus.subscribe('test', async (event) => void events.push(event))
  const handlers = { load: createLoad({ lake, engine, warehouse, clock: systemClock, log: silentLog }) }
  const worker = { bus, queue: 'loader' as const, worker: 'test', handlers, clock: systemClock, log: silentLog }
  await using _worker = await runTaskWorker({ ...worker, options: { concurrency: 2 } })

  bus.faults.duplicateNext('loader')
  await bus.send('loader', command(version))
  await until('both are done', () => events.filter(({ kind }) => kind === 'task.succeeded').length === 2)

  const outputs = events.flatMap((event) => (event.kind === 'task.succeeded' ? [event.output] : []))
  expect(outputs.map((output) => ('outcome' in output ? output.outcome : '')).sort()).toEqual([
    'already-loaded',
    'replaced',
  ])
  expect(await mart()).toHaveLength(20_000)
})
