import { fitsSql, isLossless } from '@cinelake/core'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openWorkbench, type Workbench } from '../delta.fixture.ts'

let bench: Workbench
beforeAll(async () => {
  bench = await openWorkbench()
})
afterAll(async () => await bench[Symbol.asyncDispose]())

const decimal = fc
  .integer({ min: 1, max: 38 })
  .chain((precision) => fc.integer({ min: 0, max: precision }).map((scale) => `DECIMAL(${precision},${scale})`))
const plain = fc.constantFrom(
  'BOOLEAN',
  'TINYINT',
  'SMALLINT',
  'INTEGER',
  'BIGINT',
  'FLOAT',
  'DOUBLE',
  'VARCHAR',
  'DATE',
  'TIMESTAMP WITH TIME ZONE',
)
const scalar = fc.oneof(plain, decimal)
const type = fc.oneof(
  scalar,
  scalar.map((item) => `${item}[]`),
)

const digits = (length: number) =>
  fc.array(fc.integer({ min: 0, max: 9 }), { minLength: length, maxLength: length }).map((all) => all.join(''))
const BITS: Readonly<Record<string, bigint>> = { TINYINT: 7n, SMALLINT: 15n, INTEGER: 31n, BIGINT: 63n }

/** A value of a type as a SQL literal, those at the edge of it often. */
function literalOf(name: string): fc.Arbitrary<string> {
  if (name.endsWith('[]')) {
    const item = name.slice(0, -2)
    return fc.array(literalOf(item), { maxLength: 3 }).map((items) => `CAST([${items.join(', ')}] AS ${name})`)
  }
  const bits = BITS[name]
  if (bits !== undefined) {
    const limit = 2n ** bits
    const edge = fc.constantFrom(-limit, limit - 1n, 0n, -1n)
    return fc.oneof(edge, fc.bigInt({ min: -limit, max: limit - 1n })).map((value) => `CAST('${value}' AS ${name})`)
  }
  const [, precision = '', scale = ''] = /^DECIMAL\((\d+),(\d+)\)$/.exec(name) ?? []
  if (precision !== '') {
    const all = fc.oneof(
      fc.constantFrom('9', '0').map((digit) => digit.repeat(Number(precision))),
      digits(Number(precision)),
    )
    return fc.tuple(fc.constantFrom('', '-'), all).map(([sign, text]) => {
      const point = Number(precision) - Number(scale)
      return `CAST('${sign}${text.slice(0, point) || '0'}.${text.slice(point)}' AS ${name})`
    })
  }
  if (name === 'BOOLEAN') return fc.constantFrom('true', 'false')
  if (name === 'DATE')
    return fc.integer({ min: -700_000, max: 2_900_000 }).map((days) => `(DATE '1970-01-01' + ${days})`)
  if (name === 'FLOAT') return fc.float().map((value) => `CAST('${value}' AS FLOAT)`)
  if (name === 'DOUBLE') return fc.double().map((value) => `CAST('${value}' AS DOUBLE)`)
  if (name === 'VARCHAR') return fc.string().map((value) => `'${value.replaceAll("'", "''").replaceAll('\0', '')}'`)
  return fc.integer({ min: 0, max: 2 ** 31 }).map((seconds) => `to_timestamp(${seconds})`)
}

describe('a type that another one is said to hold', () => {
  test('gives every value back', async () => {
    const cast = fc
      .tuple(type, type)
      .filter(([from, to]) => from !== to && isLossless(from, to))
      .chain(([from, to]) => literalOf(from).map((value) => ({ from, to, value })))
    await fc.assert(
      fc.asyncProperty(cast, async ({ from, to, value }) => {
        const sql = `SELECT CAST(CAST(v AS ${to}) AS ${from}) IS NOT DISTINCT FROM v AS same FROM (SELECT ${value} AS v)`
        expect(await bench.session.rows(sql)).toEqual([{ same: true }])
      }),
      { numRuns: 400 },
    )
  })

  test('fits with any value, and a value that fits into another type comes back', async () => {
    const pair = fc.tuple(scalar, scalar).chain(([from, to]) => literalOf(from).map((value) => ({ from, to, value })))
    await fc.assert(
      fc.asyncProperty(pair, async ({ from, to, value }) => {
        const sql = `SELECT ${fitsSql('v', from, to)} AS fits, TRY_CAST(TRY_CAST(v AS ${to}) AS ${from}) = v AS same FROM (SELECT ${value} AS v)`
        const [row] = await bench.session.rows<{ fits: boolean; same: boolean | null }>(sql)
        expect(isLossless(from, to) ? row : { fits: row?.fits, same: row?.fits === true ? row.same : true }).toEqual({
          fits: isLossless(from, to) ? true : row?.fits,
          same: true,
        })
      }),
      { numRuns: 400 },
    )
  })

  test.each([
    ['INTEGER', 'BIGINT', true],
    ['BIGINT', 'INTEGER', false],
    ['INTEGER', 'DOUBLE', true],
    ['BIGINT', 'DOUBLE', false],
    ['INTEGER', 'DECIMAL(10,0)', true],
    ['INTEGER', 'DECIMAL(11,2)', false],
    ['BIGINT', 'DECIMAL(19,0)', true],
    ['BIGINT', 'DECIMAL(20,2)', false],
    ['DECIMAL(10,2)', 'DECIMAL(12,2)', true],
    ['DECIMAL(10,2)', 'DECIMAL(12,4)', true],
    ['DECIMAL(10,2)', 'DECIMAL(12,5)', false],
    ['DECIMAL(10,2)', 'DECIMAL(9,2)', false],
    ['DECIMAL(9,0)', 'INTEGER', true],
    ['DECIMAL(10,0)', 'INTEGER', false],
    ['DECIMAL(10,2)', 'VARCHAR', true],
    ['DOUBLE', 'VARCHAR', false],
    ['DATE', 'VARCHAR', true],
    ['DATE', 'TIMESTAMP WITH TIME ZONE', false],
    ['TIMESTAMP WITH TIME ZONE', 'DATE', false],
    ['INTEGER[]', 'VARCHAR[]', true],
    ['INTEGER', 'INTEGER[]', false],
    ['VARCHAR[]', 'VARCHAR', false],
  ])('%s to %s: %s', (from, to, expected) => {
    expect(isLossless(from, to)).toBe(expected)
  })
})
