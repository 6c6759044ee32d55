// @module-tag slow: takes long
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import { temporaryDirectory } from '@cinelake/testkit'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { crc32, inflateRawSync } from 'node:zlib'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aStarter, cinelake, type Result } from './testing.fixture.ts'

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url))
const ENDLESS = 'SELECT count(*) FROM generate_series(1, 1000000000) a, generate_series(1, 1000000000) b'

let starter: Awaited<ReturnType<typeof aStarter>>
let files: Awaited<ReturnType<typeof temporaryDirectory>>
beforeAll(async () => {
  starter = await aStarter()
  files = await temporaryDirectory()
  for (const window of ['2026-03-01', '2026-03-02']) {
    const { exitCode, notes } = await cinelake(['run', starter.folder, '--window', window, '--state', starter.state])
    if (exitCode !== 0) throw new Error(notes)
  }
})
afterAll(async () => {
  await files[Symbol.asyncDispose]()
  await starter[Symbol.asyncDispose]()
})

const query = async (...args: string[]): Promise<Result> => await cinelake(['query', ...args, '--state', starter.state])

/** The command line as a process of its own. */
function start(...args: string[]) {
  const child = spawn(process.execPath, ['--conditions=@cinelake/source', MAIN, ...args, '--state', starter.state])
  const printed = { out: '', notes: '' }
  child.stdout.on('data', (text) => (printed.out += String(text)))
  child.stderr.on('data', (text) => (printed.notes += String(text)))
  const ended = once(child, 'close').then(([exitCode]) => ({ exitCode: exitCode as number | null, ...printed }))
  return { child, printed, ended }
}

describe('a query that does not run', () => {
  test.each([
    ['SELECT * FROM ordrs', '  SELECT * FROM ordrs\n                ^\n  did you mean `orders`?'],
    ['SELECT amont FROM orders', '  SELECT amont FROM orders\n         ^\n  did you mean `amount`?'],
    ['SELECT 1,\n  amount\nFROM orderz', '  FROM orderz\n       ^\n  did you mean `orders`?'],
    ['SELECT * FROM zzzzzzzz', 'expected one of `orders`, `sales_by_day`'],
    ['SELEC 1', '  SELEC 1\n  ^'],
  ])('%j is shown with the place, and with what was meant', async (sql, shown) => {
    const { exitCode, notes } = await query(sql)

    expect(notes).toContain(shown)
    expect(exitCode).toBe(2)
  })

  test('on the lake is shown in the same way', async () => {
    const { exitCode, notes } = await query('--lake', 'SELECT * FROM ordrs')

    expect(notes).toContain('  SELECT * FROM ordrs\n                ^\n  did you mean `orders`?')
    expect(exitCode).toBe(2)
  })

  test('programs get the position', async () => {
    const { out } = await query('SELECT * FROM ordrs', '--json')

    expect(JSON.parse(out)).toMatchObject({ error: { code: 'WAREHOUSE_QUERY_INVALID', context: { position: 15 } } })
  })
})

describe('what a table is', () => {
  test('is described by the database, and by the contract', async () => {
    const { out } = await cinelake(['describe', 'orders', '--state', starter.state])

    expect(out).toMatch(
      /^starter\.orders\nOrders of the shop, one row each\.\nmade by pipeline starter, from its table orders\n5 rows, version 1, loaded /,
    )
    expect(out).toMatch(/^order_id +bigint +key +The order's number\.$/m)
    expect(await query('DESCRIBE orders')).toMatchObject({ exitCode: 0, out: expect.stringContaining('order_id') })
    expect((await query('SHOW TABLES;')).out).toContain('sales_by_day')
    const json = await cinelake(['describe', 'starter.orders', '--json', '--state', starter.state])
    expect(JSON.parse(json.out)).toMatchObject({
      pipeline: 'starter',
      columns: [{ name: 'order_id', isKey: true }, {}, {}, {}, {}],
    })
  })

  test('one that is not there is not described', async () => {
    const { exitCode, notes } = await cinelake(['describe', 'ordrs', '--state', starter.state])

    expect(notes).toContain('did you mean `orders`?')
    expect(exitCode).toBe(2)
  })
})

describe('a refined table that is not served', () => {
  let given: Awaited<ReturnType<typeof aStarter>>
  beforeAll(async () => {
    given = await aStarter()
    const file = join(given.folder, 'pipeline.yaml')
    await writeFile(file, (await readFile(file, 'utf8')).replace(/^ +- \{ table: orders.*\n/m, ''))
    const { exitCode, notes } = await cinelake(['run', given.folder, '--window', '2026-03-01', '--state', given.state])
    if (exitCode !== 0) throw new Error(notes)
  })
  afterAll(async () => await given[Symbol.asyncDispose]())

  test.each([
    ['query', 'SELECT * FROM orders'],
    ['describe', 'orders'],
  ])('is told to be one, with how it is read: %s', async (...args) => {
    const { exitCode, notes } = await cinelake([...args, '--state', given.state])

    const sql = 'SELECT * FROM orders'
    expect(notes).toContain(
      `orders is a refined table, and the mart has none of that name: \`npx cinelake query --lake "${sql}"\` reads it in the lake`,
    )
    expect(exitCode).toBe(2)
    expect((await cinelake(['query', '--lake', sql, '--state', given.state])).exitCode).toBe(0)
  })
})

describe('the lake', () => {
  test('refined tables, their versions and rejects are queried by name', async () => {
    const count = async (relation: string) =>
      JSON.parse((await query('--lake', '--json', `SELECT count(*) AS count FROM ${relation}`)).out) as unknown

    expect(await count('orders')).toMatchObject({ rows: [{ count: 5 }] })
    expect(await count('"orders@0"')).toMatchObject({ rows: [{ count: 3 }] })
    expect(await count('_rejects.orders')).toMatchObject({ rows: [{ count: 2 }] })
    expect(await count('orders JOIN sales_by_day ON true')).toMatchObject({ rows: [{ count: 10 }] })
  })

  test('nothing in it is changed', async () => {
    const file = join(starter.state, 'lake', 'written.csv')
    for (const sql of [
      'DROP VIEW orders',
      'SELECT 1; SELECT 2',
      'CREATE TABLE t AS SELECT 1',
      `COPY (SELECT 1) TO '${file}'`,
      `EXPLAIN ANALYZE COPY (SELECT 1) TO '${file}'`,
      `EXPLAIN (ANALYZE) COPY (SELECT 1) TO '${file}'`,
      `SELECT * FROM read_text('${file}')`,
      "SELECT getenv('PATH')",
    ]) {
      expect(await query('--lake', sql)).toMatchObject({ exitCode: 2 })
    }
    await expect(stat(file)).rejects.toThrow('ENOENT')
  })

  test('a query that takes too long is stopped', async () => {
    const { exitCode, notes } = await query(
      '--lake',
      '--timeout',
      '0.5',
      'SELECT count(*) FROM range(1000000000) a, range(1000000000) b',
    )

    expect(notes).toContain('within 0.5 s')
    expect(exitCode).toBe(2)
  })
})

describe('rows for other programs', () => {
  const SQL = `SELECT order_id, ordered_on, amount, updated_at, '=1+1' AS formula, NULL AS nothing, true AS yes FROM orders ORDER BY order_id`

  test('as CSV on standard output, all of them, guarded where that is wanted', async () => {
    const { out, exitCode } = await query(
      `SELECT n, '=1+1' AS f FROM generate_series(1, 5000) n ORDER BY n`,
      '--csv',
      '--guard-formulas',
    )
    const lines = out.trimEnd().split('\n')

    expect(exitCode).toBe(0)
    expect(lines).toHaveLength(5001)
    expect(lines[0]).toBe('n,f')
    expect(lines[5000]).toBe("5000,'=1+1")
    expect((await query('SELECT n FROM generate_series(1, 5000) n', '--csv', '--limit', '3')).out).toBe('n\n1\n2\n3\n')
    expect((await query('SELECT 1 AS a WHERE false', '--csv')).out).toBe('a\n')
  })

  test('as Parquet, with the types of the mart', async () => {
    const file = join(files.path, 'orders.parquet')
    expect(await query(SQL, '--output', file)).toMatchObject({ exitCode: 0, notes: `${file}: 5 rows\n` })

    await using engine = await createDuckDbEngine({ memoryBytes: 2 ** 28, threads: 1, scratchDirectory: files.path })
    await using session = await engine.session()
    const columns = await session.describe(`SELECT * FROM read_parquet('${file}')`)
    expect(columns.map(({ type }) => type)).toEqual([
      'BIGINT',
      'DATE',
      'DECIMAL(6,2)',
      'TIMESTAMP WITH TIME ZONE',
      'VARCHAR',
      'VARCHAR',
      'BOOLEAN',
    ])
    expect(await session.rows(`SELECT order_id, amount, formula FROM read_parquet('${file}') LIMIT 1`)).toEqual([
      { order_id: 1001, amount: '24.90', formula: '=1+1' },
    ])
  })

  test('as an Excel workbook, whose texts are no formulas', async () => {
    const file = join(files.path, 'orders.xlsx')
    expect((await query(SQL, '--output', file)).exitCode).toBe(0)

    const sheet = await unzipped(file, 'xl/worksheets/sheet1.xml')
    expect(sheet).toContain('<c r="A2"><v>1001</v></c><c r="B2" s="1"><v>46082</v></c><c r="C2"><v>24.90</v></c>')
    expect(sheet).toContain('<t xml:space="preserve">=1+1</t>')
    expect(sheet).not.toContain('<f>')
    expect(sheet.match(/<row /g)).toHaveLength(6)
    expect(await unzipped(file, 'xl/workbook.xml')).toContain('<sheet name="Rows"')
  })

  test('a file that is there stays, unless it is to be replaced; a query that fails leaves none', async () => {
    const file = join(files.path, 'kept.csv')
    await writeFile(file, 'mine')
    const refused = await query('SELECT 1 AS one', '--output', file)
    expect(refused).toMatchObject({ exitCode: 2, notes: expect.stringContaining('--force') })
    expect(await readFile(file, 'utf8')).toBe('mine')
    expect((await query('SELECT 1/0 AS one', '--output', file, '--force')).exitCode).toBe(2)
    expect(await readFile(file, 'utf8')).toBe('mine')
    expect((await query('SELECT 1 AS one', '--output', file, '--force')).exitCode).toBe(0)
    expect(await readFile(file, 'utf8')).toBe('one\n1\n')
    expect((await query('SELECT 1/0', '--output', join(files.path, 'none.jsonl'))).exitCode).toBe(2)
    expect((await readdir(files.path)).filter((name) => /part|none/.test(name))).toEqual([])
  })

  test.each([
    [['--csv', '--xlsx'], 'expected one format'],
    [['--parquet'], 'expected --output FILE'],
    [['--output', 'rows.txt'], 'ends in .csv'],
    [['--guard-formulas'], 'with CSV'],
    [['--force'], 'expected --output FILE'],
  ])('%j is bad usage', async (args, problem) => {
    const { exitCode, notes } = await query('SELECT 1', ...args)

    expect(notes).toContain(problem)
    expect(exitCode).toBe(2)
  })
})

describe('other processes', () => {
  test('read beside one that reads, and beside a run', async () => {
    const reading = start('query', 'SELECT pg_sleep(4)')
    const others = [start('query', 'SELECT 41 + 1 AS answer', '--csv'), start('status'), start('tables')]
    const [answer, status, tables] = await Promise.all(others.map(async ({ ended }) => await ended))

    expect(answer).toMatchObject({ exitCode: 0, out: 'answer\n42\n' })
    expect(status).toMatchObject({ exitCode: 0, out: expect.stringContaining('starter@2026-03-01') })
    expect(tables).toMatchObject({ exitCode: 0, out: expect.stringContaining('sales_by_day') })
    expect(await reading.ended).toMatchObject({ exitCode: 0 })

    const running = start('run', starter.folder, '--window', '2026-03-01', '--again')
    const beside = await start('query', 'SELECT count(*) AS count FROM orders', '--csv').ended
    expect(beside).toMatchObject({ exitCode: 0, out: 'count\n5\n' })
    expect(await running.ended).toMatchObject({ exitCode: 0 })
  })

  test.each(['SIGINT', 'SIGTERM'] as const)('%s ends a query at once, and the database is whole', async (signal) => {
    const { child, ended } = start('query', ENDLESS)
    await expect
      .poll(
        async () =>
          await stat(`${starter.state}/warehouse.sock`).then(
            () => true,
            () => false,
          ),
      )
      .toBe(true)
    child.kill(signal)

    expect(await ended).toMatchObject({ exitCode: 130 })
    expect((await query('SELECT count(*) AS count FROM orders', '--csv')).out).toBe('count\n5\n')
  })

  test('tools connect to the mart that is served, also while a run works', async () => {
    const { child, printed, ended } = start('serve', '--json')
    await expect.poll(() => printed.out).toContain('}')
    const { port, user, database, passwordFile } = JSON.parse(printed.out) as Record<string, string>
    expect((await stat(passwordFile ?? '')).mode & 0o777).toBe(0o600)
    const password = (await readFile(passwordFile ?? '', 'utf8')).trim()
    const client = new pg.Client({
      host: '127.0.0.1',
      port: Number(port),
      user: user ?? '',
      database: database ?? '',
      password,
    })
    await client.connect()
    const count = async () => (await client.query('SELECT count(*)::int AS count FROM orders')).rows as unknown

    expect(await count()).toEqual([{ count: 5 }])
    const running = start('run', starter.folder, '--window', '2026-03-02', '--again')
    for (let round = 0; round < 5; round += 1) expect(await count()).toEqual([{ count: 5 }])
    expect(await running.ended).toMatchObject({ exitCode: 0 })
    await expect(client.query('DROP TABLE orders')).rejects.toThrow('read only')
    await client.end()
    child.kill('SIGINT')

    expect(await ended).toMatchObject({ exitCode: 0 })
  })

  test('a mart on a server is not served again', async () => {
    const { exitCode, notes } = await cinelake(['serve'], { CINELAKE_WAREHOUSE: 'postgres://u@h/d' })

    expect(notes).toContain('connect your tool to that server')
    expect(exitCode).toBe(2)
  })
})

describe('tables of one name in two pipelines', () => {
  let both: Awaited<ReturnType<typeof aStarter>>
  const ask = async (...args: string[]): Promise<Result> => await cinelake([...args, '--state', both.state])
  beforeAll(async () => {
    both = await aStarter()
    const other = join(both.folder, '..', 'shop')
    await cp(both.folder, other, { recursive: true })
    const file = join(other, 'pipeline.yaml')
    await writeFile(file, (await readFile(file, 'utf8')).replace(/^pipeline: starter$/m, 'pipeline: shop'))
    for (const [folder, window] of [
      [both.folder, '2026-03-01'],
      [other, '2026-03-01'],
      [other, '2026-03-02'],
    ] as const) {
      const { exitCode, notes } = await ask('run', folder, '--window', window)
      if (exitCode !== 0) throw new Error(notes)
    }
  })
  afterAll(async () => {
    await both[Symbol.asyncDispose]()
  })

  test('are listed with their schemas, and described by name and schema', async () => {
    expect((await ask('tables')).out).toMatch(/^shop\.orders +5 [\s\S]*^starter\.orders +3 /m)
    expect(await ask('describe', 'orders')).toMatchObject({
      exitCode: 2,
      notes: expect.stringContaining('write shop.orders or starter.orders'),
    })
    expect((await ask('describe', 'shop.orders')).out).toContain('made by pipeline shop, from its table orders\n5 rows')
  })

  test.each([[[]], [['--lake']]])(
    'are queried with their schema or pipeline, and refused without (%j)',
    async (where) => {
      const count = async (table: string) =>
        await ask('query', ...where, '--csv', `SELECT count(*) AS count FROM ${table}`)

      expect(await count('shop.orders')).toMatchObject({ exitCode: 0, out: 'count\n5\n' })
      expect(await count('starter.orders')).toMatchObject({ exitCode: 0, out: 'count\n3\n' })
      expect(await count('orders')).toMatchObject({
        exitCode: 2,
        notes: expect.stringContaining('write shop.orders or starter.orders'),
      })
    },
  )

  test('are queried in the lake with their versions and rejects', async () => {
    const count = async (table: string) =>
      await ask('query', '--lake', '--csv', `SELECT count(*) AS count FROM ${table}`)

    expect((await count('shop."orders@0"')).out).toBe('count\n3\n')
    expect((await count('_rejects."shop.orders"')).out).toBe('count\n2\n')
    expect((await count('_rejects.orders')).notes).toContain(
      'write _rejects."shop.orders" or _rejects."starter.orders"',
    )
  })
})

/** One file of an archive, found by its central directory. */
async function unzipped(file: string, name: string): Promise<string> {
  const bytes = await readFile(file)
  const end = bytes.lastIndexOf('PK\u0005\u0006', undefined, 'latin1')
  let at = bytes.readUInt32LE(end + 16)
  for (let left = bytes.readUInt16LE(end + 10); left > 0; left -= 1) {
    const [compressed, nameLength, start] = [
      bytes.readUInt32LE(at + 20),
      bytes.readUInt16LE(at + 28),
      bytes.readUInt32LE(at + 42),
    ]
    if (bytes.toString('utf8', at + 46, at + 46 + nameLength) === name) {
      const content = inflateRawSync(bytes.subarray(start + 30 + nameLength, start + 30 + nameLength + compressed))
      if (crc32(content) !== bytes.readUInt32LE(at + 16)) throw new Error(`${name} is damaged`)
      return content.toString()
    }
    at += 46 + nameLength
  }
  throw new Error(`there is no ${name}`)
}
