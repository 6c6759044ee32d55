import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import { identifier } from '@cinelake/sql'
import { temporaryDirectory } from '@cinelake/testkit'
import { expect, test } from 'vitest'
import { type WarehouseLimits, limitRules } from '../limits.ts'
import type { WarehouseTable } from '../warehouse.ts'
import type { OpenWarehouse } from './given.fixture.ts'

/** Values that the engine has, as its SQL, by type. */
const AWKWARD: readonly (readonly [type: string, ...values: readonly string[]])[] = [
  [
    'DATE',
    `DATE 'infinity'`,
    `DATE '-infinity'`,
    `DATE '0044-03-15 (BC)'`,
    `DATE '5000-01-01 (BC)'`,
    `DATE '0001-01-01'`,
    `DATE '9999-12-31'`,
    `DATE '10000-01-01'`,
    `DATE '5877000-01-01'`,
  ],
  [
    'TIMESTAMP WITH TIME ZONE',
    `TIMESTAMPTZ 'infinity'`,
    `TIMESTAMPTZ '-infinity'`,
    `TIMESTAMPTZ '0044-03-15 (BC) 10:00:00.5+00'`,
    `TIMESTAMPTZ '5000-01-01 (BC) 00:00:00+00'`,
    `TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'`,
    `TIMESTAMPTZ '12000-01-01 00:00:00+00'`,
    `TIMESTAMPTZ '294247-01-01 00:00:00+00'`,
  ],
  ['TIME', `TIME '24:00:00'`, `TIME '23:59:59.999999'`],
  [
    'DOUBLE',
    `'nan'::DOUBLE`,
    `'infinity'::DOUBLE`,
    `'-infinity'::DOUBLE`,
    `1.7976931348623157e308::DOUBLE`,
    `5e-324::DOUBLE`,
  ],
  ['DECIMAL(38,0)', `99999999999999999999999999999999999999::DECIMAL(38,0)`],
]

/** Texts of a key; random, so that an index does not compress them. */
const KEYS = [
  'a',
  '🎬',
  ...[449, 450, 451, 900, 2600, 2680, 2690, 2705, 9000].map(noise),
  '日'.repeat(450),
  '🎬'.repeat(225),
  '🎬'.repeat(226),
]

function noise(length: number): string {
  let state = length
  return Array.from({ length }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return String.fromCodePoint(33 + (Math.floor(state / 65_536) % 90))
  }).join('')
}

/** What the rules let through the warehouse holds: there is no third way for a value. */
export function limitsContract(open: OpenWarehouse, limits: WarehouseLimits): void {
  test.each(AWKWARD)('a %s is held as it is, or a limit refuses it', async (type, ...values) => {
    await using engine = await anEngine()
    await using session = await engine.session()
    const table: WarehouseTable = {
      name: 'awkward',
      columns: [
        { name: 'id', type: 'INTEGER', required: true },
        { name: 'v', type, required: false },
      ],
      primaryKey: ['id'],
    }
    const rules = limitRules(limits, table).map(({ expression }) => `(${expression})`)
    await using opened = await open()
    for (const [id, value] of values.entries()) {
      const rows = await session.rows<Record<string, never>>(
        `SELECT ${id} AS id, v FROM (SELECT ${value} AS v) WHERE ${['true', ...rules].join(' AND ')}`,
      )
      const options = { task: `t${id}`, version: id }
      await opened.warehouse.replace(table, batch(rows), options)
      const found = await opened.warehouse.query('SELECT v FROM awkward')
      expect([value, ...found.rows.map(({ v }) => comparable(v))]).toEqual([
        value,
        ...rows.map(({ v }) => comparable(v)),
      ])
    }
  })

  test('a text of a key is held, or its limit refuses it', async () => {
    await using engine = await anEngine()
    await using session = await engine.session()
    const table: WarehouseTable = {
      name: 'keyed',
      columns: [{ name: 'k', type: 'VARCHAR', required: true }],
      primaryKey: ['k'],
    }
    const rules = limitRules(limits, table).map(({ expression }) => `(${expression})`)
    await using opened = await open()
    for (const [index, key] of KEYS.entries()) {
      const rows = await session.rows<{ k: string }>(
        `SELECT k FROM (SELECT '${key.replaceAll("'", "''")}' AS ${identifier('k')}) WHERE ${['true', ...rules].join(' AND ')}`,
      )
      await opened.warehouse.replace(table, batch(rows), { task: `t${index}`, version: index })
      expect((await opened.warehouse.query('SELECT k FROM keyed')).rows).toEqual(rows)
      // A limit refuses long keys alone.
      expect(key.length < 400 && rows.length === 0).toBe(false)
    }
  })
}

async function anEngine() {
  const directory = await temporaryDirectory()
  return await createDuckDbEngine({
    memoryBytes: 256 * 1024 * 1024,
    threads: 1,
    scratchDirectory: `${directory.path}/scratch`,
    directories: [directory.path],
  })
}

async function* batch<Row>(rows: readonly Row[]) {
  yield rows
}

/** Databases write the same instant and the same number each in their own way. */
function comparable(value: unknown): string {
  return String(value)
    .replace(/^(.*?) BC$/, '$1 (BC)')
    .replace(/^(\d+-\d\d-\d\d) \(BC\)(.+)$/, '$1$2 (BC)')
    .replace(/(\.\d*?)0+(Z?)(?= |$)/, '$1$2')
    .replace(/\.(Z?)(?= |$)/, '$1')
    .replace(/(?:\+00(?::?00)?)(?= |$)/, 'Z')
    .replace(/^(\d+-\d\d-\d\d) (?=\d\d:)/, '$1T')
}
