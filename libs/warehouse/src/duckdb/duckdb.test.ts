// @module-tag slow: kills processes
import { temporaryDirectory } from '@cinelake/testkit'
import { DuckDBInstance } from '@duckdb/node-api'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { inspect } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import { batches, manyTitles, read, title, titles } from '../contract/given.fixture.ts'
import { limitsContract } from '../contract/limits-contract.ts'
import { warehouseContract } from '../contract/warehouse-contract.ts'
import type { Warehouse, WarehouseTable } from '../warehouse.ts'
import { openDuckDbWarehouse } from './duckdb.ts'
import { createDuckDbFile } from './file.ts'

const directory = await temporaryDirectory()
afterAll(async () => await directory[Symbol.asyncDispose]())

let count = 0
const newFile = () => join(directory.path, `${(count += 1)}.duckdb`)

// DuckDB calls a database by the stem of its file. The tables of the contract are in `mart` and `shop`.
describe.each(['mart', 'MART', 'shop', `my "own" mart's 1.0`])('%s.duckdb', (name) => {
  warehouseContract('duckdb', async () => {
    const warehouse = await openDuckDbWarehouse(join(directory.path, `${(count += 1)}`, `${name}.duckdb`))
    return { warehouse, [Symbol.asyncDispose]: async () => await warehouse[Symbol.asyncDispose]() }
  })
})

limitsContract(async () => {
  const warehouse = await openDuckDbWarehouse(join(directory.path, `${(count += 1)}`, 'mart.duckdb'))
  return { warehouse, [Symbol.asyncDispose]: async () => await warehouse[Symbol.asyncDispose]() }
}, {})

test.each(['memory', 'loader', 'system', 'temp', 'main'])(
  'a file may be called as DuckDB or the bookkeeping calls something: %s',
  async (name) => {
    await using warehouse = await openDuckDbWarehouse(join(directory.path, `${(count += 1)}`, `${name}.duckdb`))
    await warehouse.replace({ ...titles, schema: 'memory' }, batches(manyTitles(2)), { task: 't', version: 1 })

    expect((await warehouse.query('SELECT count(*) AS n FROM memory.titles')).rows).toEqual([{ n: 2 }])
  },
)

/** As an analyst has the file, with DuckDB itself. */
async function inDuckDb(file: string, sql: string): Promise<unknown[]> {
  const instance = await DuckDBInstance.create(file)
  const connection = await instance.connect()
  try {
    return (await connection.runAndReadAll(sql)).getRowObjectsJson()
  } finally {
    connection.disconnectSync()
    instance.closeSync()
  }
}

const load = async (warehouse: Warehouse, rowCount: number, version: number) =>
  await warehouse.replace(titles, batches(manyTitles(rowCount)), { task: 't', version })

test('the file opens with DuckDB between loads: native types, descriptions, and views that stay', async () => {
  const file = newFile()
  await using warehouse = await openDuckDbWarehouse(file)
  await load(warehouse, 3, 1)

  await inDuckDb(file, 'CREATE VIEW mart.best AS SELECT title_id, genres[1] AS genre FROM mart.titles WHERE score > 7')
  await load(warehouse, 4, 2)

  expect(await inDuckDb(file, 'SELECT count(*)::INTEGER AS rows, min(genre) AS genre FROM mart.best')).toEqual([
    { rows: 4, genre: 'drama' },
  ])
  expect(
    await inDuckDb(
      file,
      `SELECT column_name, data_type, comment FROM duckdb_columns() WHERE table_name = 'titles' AND column_index IN (1, 4)`,
    ),
  ).toEqual([
    { column_name: 'title_id', data_type: 'BIGINT', comment: 'The key.' },
    { column_name: 'genres', data_type: 'VARCHAR[]', comment: '' },
  ])
  expect(await warehouse.describe()).toMatchObject([
    { name: 'best', columns: [{ name: 'title_id', isKey: false }, { name: 'genre' }] },
    {
      name: 'titles',
      description: titles.description,
      columns: [{ isKey: true, description: 'The key.' }, {}, {}, {}, {}],
    },
  ])
})

test('while another process has the file open, it is said which one; when it is killed, nothing of its load is there', async () => {
  const file = newFile()
  await using warehouse = await openDuckDbWarehouse(file)
  await load(warehouse, 2, 1)
  const child = fork(new URL('child.fixture.ts', import.meta.url), [file], {
    execArgv: ['--conditions=@cinelake/source'],
  })
  await once(child, 'message')

  await expect(read(warehouse)).rejects.toMatchObject({
    code: 'WAREHOUSE_FILE_IN_USE',
    retryable: true,
    message: expect.stringMatching(new RegExp(`PID ${child.pid}.*close it there.*CINELAKE_WAREHOUSE`)),
  })

  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
  expect(await read(warehouse)).toEqual(manyTitles(2))
  await load(warehouse, 5, 2)
  expect(await read(warehouse)).toEqual(manyTitles(5))
  expect(await inDuckDb(file, `SELECT table_name FROM duckdb_tables() WHERE schema_name = 'mart'`)).toEqual([
    { table_name: 'titles' },
  ])
  expect((await readdir(directory.path)).filter((name) => name.startsWith(`${count}.`))).toEqual([`${count}.duckdb`])
}, 90_000)

test('a process that waits for the file goes on once it is free', async () => {
  const file = newFile()
  await using warehouse = await openDuckDbWarehouse(file)
  const child = fork(new URL('child.fixture.ts', import.meta.url), [file], {
    execArgv: ['--conditions=@cinelake/source'],
  })
  await once(child, 'message')

  const loading = load(warehouse, 2, 1)
  await pause(300)
  child.kill('SIGKILL')

  await loading
  expect(await read(warehouse)).toEqual(manyTitles(2))
}, 60_000)

test('waiting for the file is part of the time of a query, and ends when the work is cancelled', async () => {
  const file = newFile()
  await using warehouse = await openDuckDbWarehouse(file)
  const child = fork(new URL('child.fixture.ts', import.meta.url), [file], {
    execArgv: ['--conditions=@cinelake/source'],
  })
  await once(child, 'message')

  // The file stays taken: none of these ends by itself before 20 s, when it would be another error.
  await expect(warehouse.query('SELECT 1', { timeoutMs: 300 })).rejects.toThrow(/longer than a query may \(0\.3 s\)/)
  const stop = new AbortController()
  const waiting = [
    warehouse.query('SELECT 1', { signal: stop.signal }),
    warehouse.replace(titles, batches(manyTitles(1)), { task: 't', version: 2, signal: stop.signal }),
  ]
  setTimeout(() => stop.abort(), 200)
  for (const one of waiting) await expect(one).rejects.toMatchObject({ code: 'WORK_CANCELLED' })

  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}, 60_000)

test('a query whose time ended while the file was opened does not begin', async () => {
  const file = createDuckDbFile(newFile(), { isReadOnly: false })
  const stop = new AbortController()
  let hasBegun = false

  const using = file.use(async () => void (hasBegun = true), stop.signal)
  // Opening takes more than one turn of the loop of events.
  stop.abort()

  await expect(using).rejects.toThrow(/abort/i)
  expect(hasBegun).toBe(false)
})

test('a process has a file open once: who wants to write waits for who only reads', async () => {
  const path = newFile()
  await load(await openDuckDbWarehouse(path), 2, 1)
  const reading = createDuckDbFile(path, { isReadOnly: true })
  const [started, over] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const used = reading.use(async () => {
    started.resolve()
    await over.promise
  })
  await started.promise

  const writing = openDuckDbWarehouse(path)
  setTimeout(() => over.resolve(), 150)
  await using warehouse = await writing
  await used

  expect(await read(warehouse)).toEqual(manyTitles(2))
})

test('a table that a person made is not touched, and neither is a view', async () => {
  const file = newFile()
  await using warehouse = await openDuckDbWarehouse(file)
  await inDuckDb(file, 'CREATE TABLE mart.titles AS SELECT 1 AS mine')

  await expect(load(warehouse, 2, 1)).rejects.toMatchObject({ code: 'WAREHOUSE_TABLE_TAKEN' })
  expect(await inDuckDb(file, 'FROM mart.titles')).toEqual([{ mine: 1 }])

  await inDuckDb(file, 'DROP TABLE mart.titles; CREATE VIEW mart.titles AS SELECT 2 AS mine')
  await expect(load(warehouse, 2, 1)).rejects.toMatchObject({ code: 'WAREHOUSE_TABLE_TAKEN' })
})

test('looking makes nothing: without a file there is nothing to look into, and a file stays as it is', async () => {
  const file = newFile()
  await expect(openDuckDbWarehouse(file, { isReadOnly: true })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('run a pipeline first'),
  })
  expect(await readdir(directory.path)).not.toContain(`${count}.duckdb`)

  await load(await openDuckDbWarehouse(file), 2, 1)
  await using looking = await openDuckDbWarehouse(file, { isReadOnly: true })

  expect(await read(looking)).toEqual(manyTitles(2))
  expect(await looking.tables()).toMatchObject([{ name: 'titles', rowCount: 2 }])
  await expect(load(looking, 3, 2)).rejects.toThrow(/read-only/)
})

test('what is no DuckDB file is left alone', async () => {
  const file = newFile()
  await writeFile(file, 'a letter of somebody'.repeat(1000))

  await expect(openDuckDbWarehouse(file)).rejects.toMatchObject({ code: 'WAREHOUSE_FILE_INVALID', retryable: false })
  await expect(openDuckDbWarehouse('')).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
})

test.each([
  `SELECT * FROM read_text('/etc/hostname')`,
  `SELECT * FROM '/etc/hostname'`,
  `ATTACH '/tmp/other.duckdb' AS other`,
  `SET memory_limit = '100GB'`,
  `INSTALL httpfs`,
  // Some of these end the process, others change the file or the engine.
  `SELECT * FROM enable_logging('QueryLog', storage => 'file', storage_config => {'path': '/tmp/x'})`,
  `FROM (SELECT 1) AS one, LATERAL (FROM "ENABLE_LOGGING"(storage := 'file'))`,
  `SELECT * FROM checkpoint()`,
  `SELECT write_log('x')`,
  `SELECT * FROM truncate_duckdb_logs()`,
  `SELECT * FROM loader.loaded_tables`,
  `SELECT * FROM titles, "Loader"."loaded_tables"`,
  `SUMMARIZE loader.loaded_tables`,
  `SELECT * FROM query('FROM loader.loaded_tables')`,
  `CALL checkpoint()`,
  `EXPLAIN SELECT 1`,
])('%s is refused: a query reaches the file and nothing else', async (sql) => {
  await using warehouse = await openDuckDbWarehouse(newFile())

  await expect(warehouse.query(sql)).rejects.toMatchObject({ code: 'WAREHOUSE_QUERY_INVALID' })
})

test('a query may ask for the time and for chance, for a summary, and for the tables of the mart', async () => {
  await using warehouse = await openDuckDbWarehouse(newFile())
  await load(warehouse, 3, 1)
  const first = async (sql: string) => (await warehouse.query(sql)).rows[0]

  expect(
    await first('SELECT now() > current_date AS later, random() < 1 AS less FROM titles USING SAMPLE 1 ROWS'),
  ).toEqual({ later: true, less: true })
  expect(await first('SUMMARIZE titles')).toMatchObject({ column_name: 'title_id', min: '1', max: '3' })
  expect(await first('DESCRIBE mart.titles')).toMatchObject({ column_name: 'title_id', column_type: 'BIGINT' })
  expect(
    await first(`SELECT table_name FROM information_schema.tables WHERE table_schema = 'mart' ORDER BY ALL`),
  ).toEqual({ table_name: 'titles' })
  await expect(warehouse.query(`SELECT 'ü', checkpoint()`)).rejects.toMatchObject({
    position: 13,
    message: expect.stringContaining('`checkpoint` is none of the functions that a query may call'),
  })
})

test('DuckDB’s message is shown once, in words', async () => {
  await using warehouse = await openDuckDbWarehouse(newFile())
  const inspected = async (work: Promise<unknown>) => inspect(await work.catch((error: unknown) => error), { depth: 9 })

  const said = [
    await inspected(warehouse.query('SELECT * FROM titels')),
    await inspected(load(await openDuckDbWarehouse(newFile(), { memoryMib: 1 }), 50_000, 1)),
    await inspected(
      warehouse.replace({ ...titles, columns: [{ name: 'x', type: 'NO_TYPE', required: false }] }, batches([]), {
        task: 't',
        version: 1,
      }),
    ),
  ]

  expect(said[0]).toContain('titels does not exist')
  expect(said[1]).toContain('WAREHOUSE_UNAVAILABLE')
  expect(said[2]).toContain('WAREHOUSE_REFUSED')
  expect(said.filter((text) => text.includes('exception_type'))).toEqual([])
})

test('DuckDB keeps as much in memory as the setting says', async () => {
  await using warehouse = await openDuckDbWarehouse(newFile(), { memoryMib: 64 })

  expect((await warehouse.query(`SELECT current_setting('memory_limit') AS size`)).rows).toEqual([{ size: '64.0 MiB' }])
})

test('a query that takes too long is stopped, and the next one runs', async () => {
  await using warehouse = await openDuckDbWarehouse(newFile())
  const endless = 'SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range + b.range = 1'

  await expect(warehouse.query(endless, { timeoutMs: 300 })).rejects.toThrow(/longer than a query may \(0\.3 s\)/)
  const stop = new AbortController()
  const stopped = warehouse.query(endless, { signal: stop.signal })
  setTimeout(() => stop.abort(), 200)
  await expect(stopped).rejects.toMatchObject({ code: 'WORK_CANCELLED' })

  expect((await warehouse.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
})

test('a query that fails half-way gives no rows', async () => {
  await using warehouse = await openDuckDbWarehouse(newFile())
  const taken: unknown[] = []

  const reading = warehouse.readAll(
    `SELECT CASE WHEN range = 90000 THEN error('boom') ELSE range::VARCHAR END AS text FROM range(100000)`,
    async ({ rows }) => void taken.push(rows),
  )

  await expect(reading).rejects.toThrow(/boom/)
  expect(taken).toEqual([])
})

test('what looks like the end of a statement in a text stays, and an order is kept', async () => {
  await using warehouse = await openDuckDbWarehouse(newFile())

  expect((await warehouse.query(`SELECT ';-- not the end' AS text`)).rows).toEqual([{ text: ';-- not the end' }])
  const { rows, truncated } = await warehouse.query(
    'SELECT range AS n FROM range(50000) ORDER BY n DESC /* last */ ;',
    {
      limit: 5000,
    },
  )
  expect(rows.map(({ n }) => n)).toEqual(Array.from({ length: 5000 }, (_, index) => 49_999 - index))
  expect(truncated).toBe(true)
  const empty: unknown[] = []
  await warehouse.readAll(
    'SELECT 1 AS one WHERE false',
    async ({ columns, rows: none }) => void empty.push(columns, none),
  )
  expect(empty).toEqual([[{ name: 'one', type: 'INTEGER' }], []])
})

test('lists are DuckDB’s own, what is made of fields is JSON, and bytes come back', async () => {
  const file = newFile()
  await using warehouse = await openDuckDbWarehouse(file)
  const table: WarehouseTable = {
    name: 'kinds',
    columns: [
      { name: 'days', type: 'DATE[]', required: false },
      { name: 'amounts', type: 'DECIMAL(9,2)[]', required: false },
      { name: 'thing', type: 'STRUCT(a INTEGER)', required: false },
      { name: 'bytes', type: 'BLOB', required: false },
      { name: 'real', type: 'DOUBLE', required: false },
    ],
    primaryKey: [],
  }
  const row = {
    days: ['2024-02-29'],
    amounts: ['1.50', null],
    thing: { a: 1 },
    bytes: new Uint8Array([0, 255]),
    real: -0,
  }

  await warehouse.replace(table, batches([row]), { task: 't', version: 1 })

  expect((await warehouse.query('FROM kinds')).rows).toEqual([row])
  expect(await inDuckDb(file, `SELECT thing ->> 'a' AS a, days[1]::VARCHAR AS day FROM mart.kinds`)).toEqual([
    { a: '1', day: '2024-02-29' },
  ])
  for (const real of [Number.NaN, Number.POSITIVE_INFINITY]) {
    await warehouse.replace(table, batches([{ ...row, real }]), { task: 't', version: real > 0 ? 3 : 2 })
    expect((await warehouse.query('SELECT real FROM kinds')).rows).toEqual([{ real }])
  }
})

test('a load much larger than one piece holds all rows, and repeated keys in changes are refused', async () => {
  await using warehouse = await openDuckDbWarehouse(newFile())
  async function* many() {
    for (let start = 0; start < 60_000; start += 3000) yield manyTitles(3000, start)
  }
  await warehouse.replace(titles, many(), { task: 't', version: 1, rowCount: 60_000 })
  expect((await warehouse.query('SELECT count(DISTINCT title_id) AS n FROM titles')).rows).toEqual([{ n: 60_000 }])

  const changes = { upserts: batches([title(1), title(1)]), deletes: batches([]), since: 1 }
  await expect(warehouse.applyChanges(titles, changes, { task: 't', version: 2 })).rejects.toThrow(/key is not unique/)
  expect(await warehouse.loaded(titles)).toMatchObject({ version: 1, rowCount: 60_000 })
})
