// @module-tag slow: takes long
import { literal } from '@cinelake/sql'
import {
  array,
  assert,
  asyncProperty,
  bigInt,
  constantFrom,
  date,
  double,
  integer,
  nat,
  string,
  uniqueArray,
  type Arbitrary,
} from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { once, openWorkbench, type Workbench } from '../delta.fixture.ts'

let bench: Workbench
let count = 0
beforeAll(async () => {
  bench = await openWorkbench()
})
afterAll(async () => await bench[Symbol.asyncDispose]())

const text = (value: string) => `decode(unhex('${Buffer.from(value).toString('hex')}'))`

/** SQL of keys of each type, with the values at which bounds are hard to state. */
const keys: [string, Arbitrary<string>][] = [
  ['INTEGER', integer().map(String)],
  ['BIGINT', bigInt({ min: -(2n ** 63n) + 1n, max: 2n ** 63n - 1n }).map(String)],
  [
    'DECIMAL(38,10)',
    bigInt({ min: -(10n ** 37n), max: 10n ** 37n }).map(
      (value) =>
        `${value / 10n ** 10n}.${String(value < 0n ? -value : value)
          .padStart(10, '0')
          .slice(-10)}`,
    ),
  ],
  ['DOUBLE', double({ noNaN: true }).map((value) => literal(String(value).toLowerCase()))],
  [
    'VARCHAR',
    string({ unit: 'binary', minLength: 1, maxLength: 50 }).map((value) => text(value.replaceAll('\0', '0'))),
  ],
  [
    'VARCHAR',
    array(constantFrom('a', 'ä', '😀', '\uffff'), { minLength: 28, maxLength: 40 }).map((parts) =>
      text(parts.join('')),
    ),
  ],
  [
    'DATE',
    date({ noInvalidDate: true, min: new Date('0001-01-01'), max: new Date('9999-12-31') }).map((value) =>
      literal(value.toISOString().slice(0, 10)),
    ),
  ],
  [
    'TIMESTAMPTZ',
    bigInt({ min: -62135596800000000n, max: 253402300799999999n }).map((micros) => `make_timestamptz(${micros})`),
  ],
  ['TIMESTAMPTZ', nat({ max: 5000 }).map((micros) => `make_timestamptz(1767225600000000 + ${micros})`)],
  ['BOOLEAN', constantFrom('true', 'false')],
  ['BLOB', string({ unit: 'binary', maxLength: 4 }).map((value) => `unhex('${Buffer.from(value).toString('hex')}')`)],
]

test.each(keys)('a merge by %s finds every key in whatever file it is', async (type, key) => {
  const property = asyncProperty(
    uniqueArray(key, { minLength: 1, maxLength: 12 }),
    nat({ max: 3 }),
    async (values, nulls) => {
      const table = bench.table(`pruning/table_${(count += 1)}`)
      const query = (name: string, keep: (index: number) => boolean) => {
        const tuples = [...values, ...(nulls === 0 ? ['NULL'] : [])]
          .filter((_, index) => keep(index))
          .map((value) => `(CAST(${value} AS ${type}))`)
        return tuples.length === 0
          ? undefined
          : `SELECT k, '${name}' AS name FROM (SELECT DISTINCT k FROM (VALUES ${tuples.join(', ')}) t(k))`
      }
      for (const file of [0, 1, 2]) {
        const rows = query('old', (index) => index % 3 === file)
        if (rows !== undefined) await table.append(bench.session, rows, once())
      }
      const before = await bench.rows(table, {
        columns: 'count(DISTINCT k)::INTEGER AS n, bool_or(k IS NULL) AS nothing',
      })

      await table.merge(bench.session, query('new', () => true) ?? '', { ...once(), key: ['k'] })

      expect(
        await bench.rows(table, {
          columns:
            "count(*) FILTER (name = 'new')::INTEGER AS merged, count(*) FILTER (name = 'old')::INTEGER AS missed",
        }),
      ).toEqual([{ merged: Number(before?.[0]?.['n']) + (before?.[0]?.['nothing'] === true ? 1 : 0), missed: 0 }])
    },
  )
  await assert(property, { numRuns: 12 })
})
