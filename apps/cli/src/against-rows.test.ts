// @module-tag slow: starts programs
import { startAdlsEndpoint } from '@cinelake/testkit/adls'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { RowComparison, TableRows } from './against/compare-rows.ts'
import { aStarter, cinelake } from './testing.fixture.ts'

const CUSTOMERS = `apiVersion: v3.1.0
kind: DataContract
id: starter-customers
version: 1.0.0
status: active
schema:
  - name: customers
    properties:
      - { name: customer, logicalType: string, primaryKey: true, required: true }
      - { name: city, logicalType: string, required: true }
`

const MODELS = {
  sales_by_city: `/*
key: [city]
*/
SELECT city, count(*) AS orders, sum(amount) AS sales, avg(amount) AS mean_order
FROM orders JOIN customers USING (customer)
GROUP BY city
`,
  city_share: `/*
key: [city]
*/
SELECT city, sales, sales / (SELECT sum(sales) FROM sales_by_city) AS share FROM sales_by_city
`,
  sales_by_email: `/*
key: [email]
*/
SELECT coalesce(email, 'none') AS email, sum(amount) AS sales FROM orders GROUP BY 1
`,
  amounts: 'SELECT amount, ordered_on FROM orders\n',
  customer_days: `/*
materialization: merge
key: [customer, ordered_on]
*/
SELECT customer, ordered_on, count(*) AS orders FROM orders
WHERE ordered_on >= CAST(:window_start AS DATE) GROUP BY ALL
`,
  customer_cities: `/*
materialization: history
key: [customer]
*/
SELECT customer, city FROM customers
`,
}

/** The starter with a second dataset and models that join, derive, count and merge, in a repository of its own. */
async function aShop() {
  const given = await aStarter()
  const root = dirname(given.folder)
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', root, '-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args])
  const at = (file: string) => join(given.folder, file)
  await mkdir(at('customers'))
  await writeFile(at('customers/customers_2026-03-01.csv'), 'customer,city\nC-7,Bonn\nC-9,Ulm\nC-12,Bonn\nC-3,Jena\n')
  await writeFile(at('customers/customers_2026-03-02.csv'), 'customer,city\nC-7,Bonn\nC-9,Ulm\nC-12,Kiel\nC-3,Jena\n')
  await writeFile(at('contracts/customers.yaml'), CUSTOMERS)
  for (const [name, sql] of Object.entries(MODELS)) await writeFile(at(`models/${name}.sql`), sql)
  const text = await readFile(at('pipeline.yaml'), 'utf8')
  const source = `sources:
  people:
    type: files
    path: ${given.folder}/customers
    datasets:
      customers: { files: 'customers_{yyyy}-{MM}-{dd}.csv', mode: snapshot }
`
  const served = '  - sales_by_day\n  - sales_by_city\n  - { table: city_share, as: shares }\n'
  await writeFile(at('pipeline.yaml'), text.replace('sources:\n', source).replace('  - sales_by_day\n', served))
  git('init', '-q', '-b', 'main')
  git('add', 'starter')
  git('commit', '-q', '-m', 'the shop')
  return { ...given, root, git }
}

/** What is in a directory, as one digest. */
async function digestOf(directory: string): Promise<string> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const paths = entries.map((entry) => join(entry.parentPath, entry.name)).sort()
  const hash = createHash('sha256')
  const files = new Set(entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)))
  for (const path of paths) hash.update(path).update(files.has(path) ? await readFile(path) : '')
  return hash.digest('hex')
}

describe('the rows that another text changes', () => {
  let shop: Awaited<ReturnType<typeof aShop>>
  beforeAll(async () => {
    shop = await aShop()
    const ran = await cinelake([
      'run',
      shop.folder,
      '--from',
      '2026-03-01',
      '--to',
      '2026-03-02',
      '--state',
      shop.state,
    ])
    if (ran.exitCode !== 0) throw new Error(ran.notes)
  })
  afterEach(() => {
    shop.git('checkout', '-q', '.')
    shop.git('clean', '-qfd', 'starter')
  })
  afterAll(async () => await shop[Symbol.asyncDispose]())

  async function edit(file: string, ...changes: [from: string, to: string][]): Promise<void> {
    const path = join(shop.folder, file)
    let text = await readFile(path, 'utf8')
    for (const [from, to] of changes) {
      expect(text).toContain(from)
      text = text.replaceAll(from, to)
    }
    await writeFile(path, text)
  }

  /** `plan --against main`, which leaves lake, run history and mart as they are, to the byte. */
  async function against(...args: string[]): Promise<string> {
    const before = await digestOf(shop.state)
    const { exitCode, out, notes } = await cinelake([
      'plan',
      shop.folder,
      '--against',
      'main',
      '--state',
      shop.state,
      ...args,
    ])
    expect({ exitCode, notes }).toEqual({ exitCode: 0, notes: '' })
    expect(await digestOf(shop.state)).toBe(before)
    return out
  }

  async function rowsOf(...args: string[]): Promise<RowComparison & { of: (table: string) => TableRows | undefined }> {
    const { rows } = JSON.parse(await against('--json', ...args)) as { rows: RowComparison }
    return { ...rows, of: (table) => rows.tables.find((each) => each.table === table) }
  }

  test('of a changed filter are told by key, with what they do to measures', async () => {
    await edit('models/sales_by_city.sql', ['GROUP BY', 'WHERE amount BETWEEN 10 AND 1000\nGROUP BY'])

    const out = await against()

    expect(out.slice(out.indexOf('### Rows'))).toBe(`### Rows

Made under both texts for window 2026-03-02, over the tables as they are. What another window brought stays as it is; \`--from\` takes more.

| table | before | after | new | gone | changed |
|---|--:|--:|--:|--:|--:|
| \`sales_by_city\` | 4 | 3 | 0 | 1 | 1 |
| \`city_share\` | 4 | 3 | 0 | 1 | 3 |

- \`sales_by_city\`: other values in \`orders\` (1), \`sales\` (1), \`mean_order\` (1)
- \`sales_by_city\`: for example gone \`city=Kiel\`; changed \`city=Ulm\`
- \`city_share\`: other values in \`share\` (3), \`sales\` (1)
- \`city_share\`: for example gone \`city=Kiel\`; changed \`city=Bonn\`, \`city=Jena\`, \`city=Ulm\`

### Measures

| in the mart | measure | total | before | after |
|---|---|---|--:|--:|
| \`sales_by_city\` | \`orders\` | sum | 5 | 3 |
| \`sales_by_city\` | \`sales\` | sum | 1,336.65 | 124.90 |
| \`sales_by_city\` | \`mean_order\` | mean | 172.6 | 41.633333 |
| \`shares\` | \`sales\` | sum | 1,336.65 | 124.90 |
| \`shares\` | \`share\` | mean | 0.25 | 0.333333 |
`)
  })

  test('of a changed join are told', async () => {
    await edit('models/sales_by_city.sql', [
      'JOIN customers USING (customer)',
      "JOIN customers ON customers.customer = orders.customer AND city <> 'Ulm'",
    ])

    expect((await rowsOf()).of('sales_by_city')).toMatchObject({
      before: 4,
      after: 3,
      changes: { added: 0, gone: 1, changed: 0, examples: { gone: ['city=Ulm'] } },
    })
  })

  test('of a narrowed contract are rejects; all windows together come out as after a rebuild', async () => {
    await edit('contracts/orders.yaml', ['DECIMAL(12,2)', 'DECIMAL(5,2)'])

    const some = await rowsOf()
    const all = await rowsOf('--from', '2026-03-01', '--to', '2026-03-02')

    expect(some).toMatchObject({ windows: ['2026-03-02'], landed: 2 })
    expect(some.of('orders')).toMatchObject({ before: 2, after: 2, changes: { gone: 0 } })
    expect(some.of('orders')?.notes.join()).toMatch(/only rows of these windows .* 1 of 5 rows does not fit/)
    expect(some.of('sales_by_day')?.notes).toEqual(['made from rows of these windows alone'])
    expect(all.windows).toEqual(['2026-03-01', '2026-03-02'])
    expect(all.of('orders')).toMatchObject({
      before: 5,
      after: 4,
      changes: { added: 0, gone: 1, changed: 0, examples: { gone: ['order_id=1002'] } },
      rejected: { before: { amount_is_positive: 1 }, after: { amount_is_positive: 1, 'type(amount)': 1 } },
      notes: [],
    })
    expect(all.of('sales_by_day')?.measures).toMatchObject([
      { as: 'sales_by_day', column: 'orders', before: '5', after: '4' },
      { as: 'sales_by_day', column: 'sales', before: '1336.65', after: '132.15' },
    ])
  })

  test('that break a new rule of severity `warn` are in the table, and no rejects', async () => {
    const rule =
      '          - { name: amount_is_usual, type: custom, engine: cinelake, implementation: amount < 100, severity: warn }\n'
    await edit('contracts/orders.yaml', ['            severity: error\n', `            severity: error\n${rule}`])

    const { of } = await rowsOf('--from', '2026-03-01', '--to', '2026-03-02')

    expect(of('orders')).toMatchObject({ before: 5, after: 5 })
    const rejected = { amount_is_positive: 1, 'type(ordered_on)': 1 }
    expect(of('orders')?.rejected).toEqual({ before: rejected, after: rejected })
  })

  test('of a renamed column are the same, and the column reaches what is made from it', async () => {
    await edit('contracts/customers.yaml', [
      '{ name: city, logicalType: string, required: true }',
      '{ name: town, logicalType: string, required: true, customProperties: [{ property: cinelake.renamedFrom, value: [city] }] }',
    ])
    await edit('pipeline.yaml', ['mode: snapshot }', 'mode: snapshot, columns: { town: [city] } }'])
    await edit('models/sales_by_city.sql', ['SELECT city', 'SELECT town AS city'], ['GROUP BY city', 'GROUP BY town'])
    await edit('models/customer_cities.sql', ['city', 'town AS city'])

    const out = await against()

    expect(out).toContain('| `customers` | `town` | **breaking** | renamed: city → town |')
    expect(out).toContain(
      '  - `town`: `sales_by_city` (`city`), `city_share` (`city`), `customer_cities` (`city`); in the mart `sales_by_city` (`city`), `shares` (`city`)',
    )
    expect(out).toContain('The same rows: `customers`, `sales_by_city`, `city_share`, `customer_cities`.\n')
    expect(out).toContain('The same: `sales_by_city.orders`')
  })

  test('of a new model are counted, and those of one that is gone as well', async () => {
    await writeFile(join(shop.folder, 'models/top.sql'), 'SELECT max(amount) AS largest FROM orders\n')
    await rm(join(shop.folder, 'models/amounts.sql'))

    const rows = await rowsOf()

    expect(rows.tables).toMatchObject([
      { table: 'top', before: null, after: 1 },
      { table: 'amounts', before: 5, after: null },
    ])
    expect(await against()).toContain('| `amounts` | 5 |  |  |  |  |')
  })

  test('of a personal key are shown without a value of it', async () => {
    await edit('models/sales_by_email.sql', ['GROUP BY', 'WHERE amount > 20 GROUP BY'])

    const out = await against()
    const json = await against('--json')

    expect(out).toContain('`sales_by_email`: for example gone `email=***`')
    for (const text of [out, json]) expect(text).not.toMatch(/c7@example|c12@example|C-7/)
  })

  test('of a table without a key are compared as wholes', async () => {
    await edit('models/amounts.sql', ['amount, ordered_on', 'abs(amount - 12) AS amount, ordered_on'])

    expect((await rowsOf()).of('amounts')).toMatchObject({
      key: [],
      before: 5,
      after: 5,
      changes: { added: 5, gone: 5, changed: 0 },
      notes: ['has no key: rows are compared as wholes'],
    })
  })

  test('of a table with another key are compared as wholes', async () => {
    await edit('models/sales_by_city.sql', ['key: [city]', 'key: [city, orders]'])

    expect((await rowsOf()).of('sales_by_city')).toMatchObject({
      key: [],
      changes: { added: 0, gone: 0 },
      notes: ['has another key: rows are compared as wholes'],
    })
  })

  test('of a merged table are those of the windows; what others brought stays', async () => {
    await edit('models/customer_days.sql', ['count(*)', 'count(*) + 1'])

    expect((await rowsOf()).of('customer_days')).toMatchObject({
      before: 5,
      after: 5,
      changes: { changed: 2, columns: { orders: 2 } },
    })
    const all = await rowsOf('--from', '2026-03-01', '--to', '2026-03-02')
    expect(all.of('customer_days')).toMatchObject({ before: 5, after: 5, changes: { changed: 5 } })
  })

  test('of a history are those of each window, which reads its inputs as they were then', async () => {
    await edit('models/customer_cities.sql', [
      'SELECT customer, city',
      "SELECT customer, replace(city, 'Jena', 'Gera') AS city",
    ])

    expect((await rowsOf()).of('customer_cities')).toMatchObject({
      before: 5,
      after: 6,
      changes: { added: 1, gone: 0, changed: 1, columns: { valid_to: 1, is_current: 1 } },
    })
    const all = await rowsOf('--from', '2026-03-01', '--to', '2026-03-02')
    expect(all.of('customer_cities')).toMatchObject({
      before: 5,
      after: 5,
      changes: {
        added: 0,
        gone: 0,
        changed: 1,
        columns: { city: 1 },
        examples: { changed: [expect.stringMatching(/^customer=C-3 valid_from=2026-03-01/)] },
      },
    })
  })

  test('of a text that cannot be carried out say why, and so do those that depend on it', async () => {
    await edit('models/sales_by_city.sql', [
      'GROUP BY city',
      'GROUP BY city UNION ALL SELECT city, 1, 1, 1 FROM customers',
    ])

    const rows = await rowsOf()

    expect(rows.of('sales_by_city')).toMatchObject({ before: 4, after: null })
    expect(rows.of('sales_by_city')?.notes.join()).toMatch(/cannot be made under this text: .*unique\(city\)/)
    expect(rows.of('city_share')?.notes).toEqual([
      'cannot be made under this text: `sales_by_city`, which it reads, could not be made',
    ])
  })

  test('that cannot be read make the command fail, which tells what the text changes all the same', async () => {
    await edit('models/amounts.sql', ['amount, ordered_on', 'amount'])
    const folder = join(shop.state, 'lake/refined/starter/orders')
    const [part = ''] = (await readdir(folder)).filter((name) => name.endsWith('.parquet'))
    await rename(join(folder, part), join(shop.root, part))

    const { exitCode, out } = await cinelake(['plan', shop.folder, '--against', 'main', '--state', shop.state])

    await rename(join(shop.root, part), join(folder, part))
    expect(exitCode).toBe(1)
    expect(out).toContain('| `amounts` | `ordered_on` | **breaking** | dropped: DATE |')
    expect(out).toMatch(/No rows were compared: .*refined\/starter\/orders/)
  })

  test('are not looked for offline, in a window in which nothing landed, or where nothing was run', async () => {
    await edit('models/sales_by_city.sql', ['GROUP BY', 'WHERE amount > 20\nGROUP BY'])

    expect(await against('--offline')).toContain('No rows were compared: no lake was looked at (`--offline`).\n')
    expect(await against('--window', '2026-03-09')).toContain('nothing has landed in these windows [lake=')
    const elsewhere = join(shop.root, 'nothing')
    const { out } = await cinelake(['plan', shop.folder, '--against', 'main', '--state', elsewhere])
    expect(out).toMatch(/No rows were compared: no run has made tables yet \[lake=file:.*nothing\/lake\]\./)
    expect(out).toContain('Reached: `sales_by_city.orders`, `sales_by_city.sales`')
    await expect(readdir(elsewhere)).rejects.toThrow('ENOENT')
  })
})

test('the rows of a lake with an address are compared without a write to it', async () => {
  await using opening = new AsyncDisposableStack()
  const shop = opening.use(await aShop())
  const writes: string[] = []
  await mkdir(join(shop.root, 'account'))
  const endpoint = opening.use(
    await startAdlsEndpoint({
      directory: join(shop.root, 'account'),
      containers: ['lake'],
      onRequest: ({ method, path }) => {
        if (method !== 'GET' && method !== 'HEAD') writes.push(`${method} ${path}`)
      },
    }),
  )
  const { account, port } = endpoint
  const settings = {
    CINELAKE_LAKE: `abfs://lake@${account.name}.127.0.0.1:${port}`,
    CINELAKE_LAKE_CONNECTION_STRING: `AccountName=${account.name};AccountKey=${account.key}`,
  }
  const place = [shop.folder, '--window', '2026-03-01', '--state', shop.state]
  expect(await cinelake(['run', ...place], settings)).toMatchObject({ exitCode: 0 })
  const file = join(shop.folder, 'models/sales_by_city.sql')
  await writeFile(file, (await readFile(file, 'utf8')).replace('GROUP BY', 'WHERE amount > 20\nGROUP BY'))
  writes.length = 0

  const { exitCode, out } = await cinelake(['plan', ...place, '--against', 'main'], settings)

  expect({ exitCode, writes }).toEqual({ exitCode: 0, writes: [] })
  expect(out).toContain('| `sales_by_city` | 2 | 2 | 0 | 0 | 1 |')
})
