import type { SqlEngine, SqlSession } from '@cinelake/engine'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import type { Sample } from '@cinelake/source-kind'
import { temporaryDirectory } from '@cinelake/testkit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tryRows } from './choose-types.ts'
import { draftOf } from './draft.ts'

let directory: Awaited<ReturnType<typeof temporaryDirectory>>
let engine: SqlEngine
let session: SqlSession

beforeAll(async () => {
  directory = await temporaryDirectory()
  engine = await createDuckDbEngine({ memoryBytes: 256 * 1024 * 1024, threads: 1, scratchDirectory: directory.path })
  session = await engine.session()
})

afterAll(async () => {
  await session[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
  await directory[Symbol.asyncDispose]()
})

async function drafted(sample: Sample, dataset: string) {
  return await draftOf({ ...sample, tried: await tryRows(sample, session) }, dataset, session)
}

/** Rows of these columns, each made by its number. */
function sampleOf(
  columns: Readonly<Record<string, (row: number) => string | null>>,
  fields: Partial<Sample> = {},
): Sample {
  const rows = Array.from({ length: 40 }, (_, row) => Object.values(columns).map((cell) => cell(row)))
  return { facts: [], columns: Object.keys(columns).map((name) => ({ name })), rows, isAll: true, ...fields }
}

async function typesOf(columns: Readonly<Record<string, (row: number) => string | null>>, dataset = 'things') {
  return Object.fromEntries(
    (await drafted(sampleOf(columns), dataset)).columns.map(({ name, inferred }) => [name, inferred.type]),
  )
}

const personal = async (dataset: string, ...names: string[]) =>
  (
    await drafted(sampleOf(Object.fromEntries(names.map((name) => [name, (row: number) => `x${row}`]))), dataset)
  ).columns.flatMap(({ name, personal: why }) => (why === undefined ? [] : [name]))

const keyOf = async (sample: Sample, dataset: string) =>
  (await drafted(sample, dataset)).columns.flatMap(({ name, isKey }) => (isKey ? [name] : []))

const count = (row: number) => String(row + 1)

describe('required', () => {
  const requiredOf = async (fields: Partial<Sample>) => {
    const sample = sampleOf({ amount: count, listed: count, named: count, at: count, free: count }, fields)
    const types = ['DECIMAL(12,2)', 'VARCHAR[]', 'VARCHAR', 'DATE', 'INTEGER']
    const columns = sample.columns.map(({ name }, index) => ({
      name,
      type: types[index] ?? '',
      isNeverNull: name !== 'free',
    }))
    return (await drafted({ ...sample, columns, primaryKey: [] }, 'things')).columns.flatMap(({ name, isRequired }) =>
      isRequired ? [name] : [],
    )
  }

  test('is what the database requires, but for what may be there and empty', async () => {
    expect(await requiredOf({ isAll: false })).toEqual(['amount', 'at'])
    expect(await requiredOf({ isAll: false, rows: [] })).toEqual(['amount', 'at'])
  })

  test('is also what all rows have, where all were looked at', async () => {
    expect(await requiredOf({ isAll: true })).toEqual(['amount', 'listed', 'named', 'at', 'free'])
  })
})

describe('types', () => {
  test('codes of digits are text, and coordinates are no amounts', async () => {
    expect(
      await typesOf({
        zip: (row) => String(10_000 + row),
        'address.postalCode': count,
        phone: (row) => String(4_930_123_456 + row),
        lat: (row) => `52.${row % 10}`,
        quantity: count,
      }),
    ).toEqual({
      zip: 'VARCHAR',
      address_postal_code: 'VARCHAR',
      phone: 'VARCHAR',
      lat: 'DOUBLE',
      quantity: 'BIGINT',
    })
  })

  test('amounts have two digits or four behind the point, also where the rows at hand have fewer', async () => {
    expect(
      await typesOf({
        one: (row) => `${row}.5`,
        three: (row) => `${row}.125`,
        wide: (row) => `${'9'.repeat(37)}.${row % 10}`,
      }),
    ).toEqual({ one: 'DECIMAL(18,2)', three: 'DECIMAL(18,4)', wide: 'DECIMAL(38,1)' })
  })
})

describe('a few texts that are written unlike the others', () => {
  const amounts = (row: number) => (row === 7 ? 'abc' : row % 2 === 0 ? `1.${100 + row},90` : '12,50')

  test('are mistakes: the type is that of the others, and how many do not fit is said', async () => {
    const [column] = (await drafted(sampleOf({ amount: amounts }), 'orders')).columns
    expect(column?.inferred).toMatchObject({
      type: 'DECIMAL(18,2)',
      decimal: ',',
      misfitCount: 1,
      note: '1 of 40 values does not fit: a reject',
    })
    expect(await typesOf({ on: (row) => (row === 3 ? 'soon' : `2026-03-${10 + (row % 20)}`) })).toEqual({ on: 'DATE' })
  })

  test('are none where they are many', async () => {
    expect(await typesOf({ mixed: (row) => (row % 5 === 0 ? `word ${row}` : count(row)) })).toEqual({
      mixed: 'VARCHAR',
    })
  })
})

describe('lists', () => {
  test('are words that come back, not numbers with a decimal comma, and not JSON', async () => {
    const json = (row: number) => JSON.stringify({ city: ['Bonn', 'Köln'][row % 2], tags: ['a', 'b'] })
    expect(
      await typesOf({
        genres: (row) => ['Drama, Crime', 'Crime', 'Drama, War'][row % 3] ?? null,
        broken: (row) => ['1,5', '2,5', 'x,5', 'y,5'][row % 4] ?? null,
        profile: json,
      }),
    ).toEqual({ genres: 'VARCHAR[]', broken: 'VARCHAR', profile: 'VARCHAR' })
    expect((await drafted(sampleOf({ profile: json }), 'x')).columns[0]?.inferred.note).toMatch(/^JSON/)
  })
})

test('a column is required where all rows were looked at, and not because the first ones have it', async () => {
  const columns = { id: count, note: (row: number) => `n${row}` }
  const requiredOf = async (isAll: boolean) =>
    (await drafted(sampleOf(columns, { isAll }), 'x')).columns.flatMap(({ name, isRequired }) =>
      isRequired ? [name] : [],
    )

  expect(await requiredOf(true)).toEqual(['id', 'note'])
  expect(await requiredOf(false)).toEqual(['id'])
})

describe('the key', () => {
  test('is the column that is called so, before those that lead to other tables', async () => {
    const columns = { customer_id: count, order_no: count, amount: count }

    expect(await keyOf(sampleOf({ ...columns, id: count }), 'orders')).toEqual(['id'])
    expect(await keyOf(sampleOf(columns), 'orders')).toEqual(['order_no'])
    expect(await keyOf(sampleOf({ sku: (row) => `A-${row}`, name: (row) => `n${row}` }), 'products')).toEqual(['sku'])
  })

  test('is not guessed from a column of another table, unless all rows are there', async () => {
    const columns = { customer_id: count, at: (row: number) => `2026-03-01T10:${10 + row}:00Z` }

    expect(await keyOf(sampleOf(columns, { isAll: false }), 'visits')).toEqual([])
    expect(await keyOf(sampleOf(columns), 'visits')).toEqual(['customer_id'])
  })

  test('that was guessed from some of the rows is to be checked', async () => {
    const noteOf = async (isAll: boolean) =>
      (await drafted(sampleOf({ id: count }, { isAll }), 'x')).columns[0]?.inferred.note

    expect([await noteOf(false), await noteOf(true)]).toEqual(['unique in these rows: check it', undefined])
  })
})

describe('personal data', () => {
  test('is guessed from names, whatever stands before them', async () => {
    expect(
      await personal(
        'things',
        'address.street',
        'homeAddressZip',
        'contact_phone_number',
        'Vorname',
        'geo_lat',
        'billing_iban',
      ),
    ).toEqual(['address_street', 'home_address_zip', 'contact_phone_number', 'vorname', 'geo_lat', 'billing_iban'])
    expect(await personal('things', 'name', 'product_name', 'city', 'status', 'zipped', 'platform')).toEqual([])
  })

  test('is the name in a table of people, and no other name', async () => {
    expect(await personal('customers', 'name')).toEqual(['name'])
    expect(await personal('crm_users', 'name')).toEqual(['name'])
    expect(await personal('products', 'name')).toEqual([])
  })

  test('is found within JSON, by name and by value', async () => {
    const profile = (row: number) =>
      JSON.stringify({ address: { city: 'Bonn', zip: `531${row}` }, contact: [{ way: `u${row}@example.org` }] })
    expect((await drafted(sampleOf({ profile }), 'things')).columns[0]?.personal).toBe(
      'profile.address.zip, profile.contact.way in it',
    )
    const harmless = (row: number) => JSON.stringify({ width: row })
    expect((await drafted(sampleOf({ size: harmless }), 'things')).columns[0]?.personal).toBeUndefined()
  })

  test('is not a flag', async () => {
    const flag = (row: number) => (row % 2 === 0 ? 'true' : 'false')

    expect((await drafted(sampleOf({ is_mobile: flag }), 'x')).columns[0]?.personal).toBeUndefined()
  })
})

test('rules are given for values that say something', async () => {
  const { columns } = await drafted(
    sampleOf({
      one: () => 'same',
      two: (row) => ['a', 'b'][row % 2] ?? null,
      owner_id: count,
      longitude: (row) => `13.${row}`,
      amount: (row) => `${row}.99`,
    }),
    'x',
  )

  expect(columns.flatMap(({ name, values, minimum }) => ((values ?? minimum) === undefined ? [] : [name]))).toEqual([
    'two',
    'amount',
  ])
})
