// @module-tag slow: needs a server or a container
import { createExclusive, startPostgresServer } from '@cinelake/sample-company'
import { findPostgres } from '@cinelake/testkit/postgres'
import { PGlite } from '@electric-sql/pglite'
import pg from 'pg'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { cinelake } from './testing.fixture.ts'
import { givenFolder } from './try.fixture.ts'

/** A database of its own, empty, with the address that its owner has. */
type Place = AsyncDisposable & { readonly url: string }

const { server, missing } = await findPostgres()
afterAll(async () => await server?.[Symbol.asyncDispose]())

const SERVERS: readonly { readonly name: string; readonly isMissing: boolean; readonly open: () => Promise<Place> }[] =
  [
    {
      name: `PostgreSQL${missing === undefined ? '' : ` (${missing})`}`,
      isMissing: server === undefined,
      open: async () => await server!.createDatabase(),
    },
    { name: 'the embedded PostgreSQL behind its socket', isMissing: false, open: embedded },
  ]

async function embedded(): Promise<Place> {
  const database = await PGlite.create()
  const login = { user: 'postgres', password: 'p@ss:/', databaseName: 'shop' }
  const listening = await startPostgresServer({ database, exclusive: createExclusive(), port: 0, ...login })
  return {
    url: `postgres://postgres:${encodeURIComponent(login.password)}@127.0.0.1:${listening.port}/shop`,
    async [Symbol.asyncDispose]() {
      await listening[Symbol.asyncDispose]()
      await database.close()
    },
  }
}

const TABLES = `
CREATE SCHEMA sales;
CREATE TYPE sales.mood AS ENUM ('calm', 'cross');
CREATE TABLE sales."Customer Accounts" (
  "Customer No" bigint PRIMARY KEY, "firstName" text NOT NULL, email text, "Birth Date" date, balance numeric(12,2) NOT NULL,
  score double precision, boundless numeric, active boolean NOT NULL, country char(2), tags text[], sizes int[], meta jsonb,
  created timestamp NOT NULL, updated timestamptz NOT NULL, opens time, ref uuid, photo bytea, feel sales.mood, small smallint,
  "select" int, "Größe" real, span interval, zip int, lng numeric(9,4), one text);
INSERT INTO sales."Customer Accounts"
  SELECT i, 'Ann ' || i, CASE WHEN i = 150 THEN NULL ELSE 'ann' || i || '@example.org' END, date '1970-01-01' + i, i * 13.37 - 100,
    i * 0.1, i::numeric / 3, i % 5 <> 0, (array['DE','FR','NL'])[1 + i % 3], array['a', 'b' || i % 3], array[i], '{"k": 1}',
    timestamp '2026-01-01 10:00' + i * interval '1 hour', timestamptz '2026-02-28 10:00+01', '09:00', gen_random_uuid(),
    '\\xdeadbeef', 'calm', i % 100, i, i * 1.5, '1 day', 10000 + i, -13.2, 'same'
  FROM generate_series(1, 250) AS i;
CREATE TABLE line_items (order_no int, line int, item text, PRIMARY KEY (order_no, line));
INSERT INTO line_items SELECT o, l, 'item ' || l FROM generate_series(1, 5) AS o, generate_series(1, 3) AS l;
CREATE TABLE visits (customer_id int, at timestamptz);
INSERT INTO visits SELECT i, now() FROM generate_series(1, 120) AS i;
CREATE TABLE nothing (id int PRIMARY KEY, note text);
CREATE VIEW sales.busy AS SELECT 1 AS "Id", 'x'::text AS note;`

describe.each(SERVERS)('a table of $name', ({ isMissing, open }) => {
  describe.skipIf(isMissing)('tried', () => {
    let stack: AsyncDisposableStack
    beforeEach(() => void (stack = new AsyncDisposableStack()))
    afterEach(() => stack.disposeAsync())

    async function given(datasets: string, rest = '') {
      const { url } = stack.use(await open())
      const client = new pg.Client({ connectionString: url })
      await client.connect()
      await client.query(TABLES)
      await client.end()
      const address = new URL(url)
      const ERP_PASSWORD = decodeURIComponent(address.password)
      address.password = 'PASSWORD'
      const text = address.href.replace('PASSWORD', '${secret:ERP_PASSWORD}')
      const source = `  erp:\n    type: database\n    url: ${text}\n    datasets:\n${datasets.replaceAll(/^/gm, '      ')}\n`
      return stack.use(await givenFolder(source, {}, { rest, settings: { ERP_PASSWORD } }))
    }

    test('is drafted with its types and its key, and all of it is refined without a reject', async () => {
      const {
        try: tryIt,
        contract,
        text,
        validate,
        run,
      } = await given('accounts: { table: sales.Customer Accounts }', 'serve: [accounts]\n')

      const looked = await tryIt('erp/accounts')
      const written = await tryIt('erp/accounts', '--write')

      expect([looked.exitCode, written.exitCode, (await validate()).exitCode]).toEqual([0, 0, 0])
      expect(looked.out).toContain('sales.Customer Accounts, 25 columns')
      expect(looked.out).not.toMatch(/@example\.org|calm|deadbeef/)
      const { properties } = (await contract('accounts')).schema[0] ?? { properties: [] }
      expect(properties.map(({ name, logicalType, physicalType }) => [name, physicalType ?? logicalType])).toEqual([
        ['customer_no', 'integer'],
        ['first_name', 'string'],
        ['email', 'string'],
        ['birth_date', 'date'],
        ['balance', 'DECIMAL(12,2)'],
        ['score', 'number'],
        ['boundless', 'string'],
        ['active', 'boolean'],
        ['country', 'string'],
        ['tags', 'array'],
        ['sizes', 'string'],
        ['meta', 'string'],
        ['created', 'timestamp'],
        ['updated', 'timestamp'],
        ['opens', 'time'],
        ['ref', 'string'],
        ['photo', 'string'],
        ['feel', 'string'],
        ['small', 'INTEGER'],
        ['select', 'INTEGER'],
        ['größe', 'number'],
        ['span', 'string'],
        ['zip', 'INTEGER'],
        ['lng', 'DECIMAL(9,4)'],
        ['one', 'string'],
      ])
      expect(properties.flatMap(({ name, primaryKey }) => (primaryKey === true ? [name] : []))).toEqual(['customer_no'])
      // NOT NULL; but a text may be there and empty, which counts as no value.
      expect(properties.flatMap(({ name, required }) => (required === true ? [name] : []))).toEqual([
        'customer_no',
        'balance',
        'active',
        'created',
        'updated',
      ])
      expect(parse(await text('pipeline.yaml'))).toMatchObject({
        serve: [{ table: 'accounts', exclude: ['first_name', 'email', 'birth_date', 'zip', 'lng'] }],
      })
      const done = await run()
      expect([done.exitCode, done.notes]).toEqual([0, expect.stringContaining('250 rows')])
      // The 150th has no e-mail address: what 100 rows have is not required of all.
      expect(done.notes).not.toContain('rejected')
    })

    test('says of a time without a zone what it is taken for, and gives no rule for what says nothing', async () => {
      const { try: tryIt, contract } = await given('accounts: { table: sales.Customer Accounts }')

      const { out } = await tryIt('erp/accounts', '--write', '--show-values')

      expect(out).toMatch(/created +TIMESTAMP WITH TIME ZONE .*taken for UTC/)
      expect(out).not.toMatch(/updated +TIMESTAMP WITH TIME ZONE .*taken for UTC/)
      const { properties } = (await contract('accounts')).schema[0] ?? { properties: [] }
      const rules = properties.flatMap(({ name, quality }) => (quality === undefined ? [] : [name]))
      expect(rules).toEqual(['score', 'country', 'small', 'select', 'größe', 'zip'])
    })

    test('gives no rule with values of it unasked', async () => {
      const { try: tryIt, contract } = await given('accounts: { table: sales.Customer Accounts }')

      await tryIt('erp/accounts', '--write')

      const { properties } = (await contract('accounts')).schema[0] ?? { properties: [] }
      const rules = properties.flatMap(({ name, quality }) => (quality === undefined ? [] : [name]))
      expect(rules).toEqual(['score', 'small', 'select', 'größe', 'zip'])
    })

    test('has the key that the database knows, and none where a column may as well lead to another table', async () => {
      const {
        try: tryIt,
        contract,
        validate,
        run,
      } = await given(
        'items: { table: public.line_items }\nvisits: { table: public.visits, mode: append }\nnothing: { table: public.nothing }\nbusy: { table: sales.busy }',
      )

      for (const name of ['items', 'visits', 'nothing', 'busy'])
        expect(await tryIt(`erp/${name}`, '--write')).toMatchObject({ exitCode: 0 })

      const keysOf = async (name: string) =>
        (await contract(name)).schema[0]?.properties.flatMap(({ name: column, primaryKey, primaryKeyPosition }) =>
          primaryKey === true ? [`${String(column)}:${String(primaryKeyPosition)}`] : [],
        )
      expect(await keysOf('items')).toEqual(['order_no:1', 'line:2'])
      expect(await keysOf('visits')).toEqual([])
      expect(await keysOf('nothing')).toEqual(['id:undefined'])
      expect(await keysOf('busy')).toEqual(['id:undefined'])
      expect([(await validate()).exitCode, (await run()).exitCode]).toEqual([0, 0])
    })

    test('that is not there, or not for this user, is told with what to do, and without the password', async () => {
      const { folder, state, try: tryIt } = await given('gone: { table: public.line_item }')

      const gone = await tryIt('erp/gone')
      const refused = await cinelake(['try', 'erp/gone', folder, '--state', state], { ERP_PASSWORD: 'wr0ng-one' })
      const secret = await cinelake(['try', 'erp/gone', folder, '--state', state])

      expect([gone.exitCode, gone.notes]).toEqual([2, expect.stringContaining("correct the dataset's `table`")])
      expect([refused.exitCode, refused.notes]).toEqual([2, expect.stringContaining('refused the login')])
      expect(refused.notes).not.toContain('wr0ng-one')
      expect([secret.exitCode, secret.notes]).toEqual([2, expect.stringContaining('ERP_PASSWORD')])
    })
  })
})
