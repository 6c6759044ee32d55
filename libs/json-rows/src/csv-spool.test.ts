import { truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import type { SqlEngine } from '@cinelake/engine'
import { temporaryDirectory, until } from '@cinelake/testkit'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openCsvSpool, PLAIN_ROWS, RowsLostError } from './csv-spool.ts'
import type { JsonObject } from './json-text.ts'

let stack: AsyncDisposableStack
let directory: string
let engine: SqlEngine
let files = 0
beforeAll(async () => {
  stack = new AsyncDisposableStack()
  directory = stack.use(await temporaryDirectory()).path
  engine = stack.use(
    await createDuckDbEngine({
      memoryBytes: 128 * 1024 * 1024,
      threads: 1,
      scratchDirectory: join(directory, 's'),
      directories: [directory],
    }),
  )
})
afterAll(() => stack.disposeAsync())

async function spoolOf(pages: readonly (readonly JsonObject[])[]) {
  const spool = await openCsvSpool(join(directory, `spool-${(files += 1)}`))
  try {
    for (const page of pages) {
      await spool.add(page, (error) => {
        throw error
      })
    }
    return spool
  } catch (error) {
    await spool[Symbol.asyncDispose]()
    throw error
  }
}

async function textOf(pages: readonly (readonly JsonObject[])[]): Promise<string> {
  await using spool = await spoolOf(pages)
  const blocks: Uint8Array[] = []
  for await (const block of spool.content()) blocks.push(block)
  return Buffer.concat(blocks).toString()
}

test('rows that came before a column was known get an empty cell for it', async () => {
  expect(await textOf([[{ a: 1 }, { a: 'two\n"lines"', b: 2 }], [{ c: 3 }], []])).toBe(
    'a,b,c\n1,,\n"two\n""lines""",2,\n,,3\n',
  )
})

test('a row of nothing is still a row', async () => {
  expect(await textOf([[{ a: null }, {}]])).toBe('a\n""\n""\n')
  expect(await textOf([[{}, {}]])).toBe('""\n""\n""\n')
})

test('a row of nothing has no value in any column that comes later', async () => {
  expect(await textOf([[{}, { a: 1 }, { b: '' }]])).toBe('a,b\n,\n1,\n,""\n')
  expect(await textOf([[{ a: null }], [{ a: '' }], [{ b: 2 }]])).toBe('a,b\n,\n"",\n,2\n')
})

test('rows that were superseded are left out, whatever stands beside them', async () => {
  const file = join(directory, `spool-${(files += 1)}`)
  await using spool = await openCsvSpool(file, { ...PLAIN_ROWS, key: ['id'] })
  const pages = [
    [{ id: 1, t: '"\n,' }, { id: 2 }],
    [{ id: 3, t: 'x' }],
    [
      { id: 1, t: 'y' },
      { id: 4, u: 1 },
    ],
    [{ id: 4 }],
  ]
  for (const page of pages) {
    await spool.add(page, (error) => {
      throw error
    })
  }
  const blocks: Uint8Array[] = []
  for await (const block of spool.content(await spool.superseded())) blocks.push(block)

  expect(Buffer.concat(blocks).toString()).toBe('id,t,u\n2,,\n3,x,\n1,y,\n4,,\n')
})

test('a record of more bytes than a CSV reader takes is completed as it is', async () => {
  const text = `"${'x,'.repeat(1_500_000)}`

  expect(await textOf([[{ id: 1, text }], [{ id: 2, text: null, more: 1 }]])).toBe(
    `id,text,more\n1,"${text.replaceAll('"', '""')}",\n2,,1\n`,
  )
})

test.each([
  ['copied', [[{ a: 1, b: 1 }], [{ a: 2, b: 2 }]]],
  ['completed', [[{ a: 1 }], [{ a: 2, b: 2 }]]],
])('a spool that was cut is an error, where its rows are %s', async (way, pages) => {
  await using spool = await spoolOf(pages)
  let whole = 0
  for await (const block of spool.content()) whole += block.byteLength
  expect(whole).toBe('a,b\n1,1\n2,2\n'.length - (way === 'completed' ? 1 : 0))
  await truncate(join(directory, `spool-${files}`), 1)

  const reading = async () => {
    for await (const block of spool.content()) expect(block.byteLength).toBeLessThan(10)
  }
  await expect(reading()).rejects.toThrow(RowsLostError)
})

test('records with ever new fields end in an error, not in a full disk', async () => {
  const pages = Array.from({ length: 3 }, (_, page) => [
    { id: page, byUser: Object.fromEntries(Array.from({ length: 900 }, (__, user) => [`u${page}-${user}`, 1])) },
  ])

  await expect(spoolOf(pages)).rejects.toThrow(/expected at most 2000 fields in all records together, got more/)
})

test('whatever the records hold, another reader finds the same rows', async () => {
  const value = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.constantFrom('"', ',', '\n', '\r\n', ' ', '""', '\\', "'", ''),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
  )
  const record = fc.dictionary(fc.constantFrom('id', 'name, or so', 'say "x"', 'n\nl', 'e'), value, {
    noNullPrototype: true,
  })
  await using session = await engine.session()
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(record, { maxLength: 8 }), { minLength: 1, maxLength: 5 }), async (pages) => {
      const records = pages.flat()
      const columns = [...new Set(records.flatMap((one) => Object.keys(one)))]
      // NUL ends a text in many readers; the reader used here is one of them.
      fc.pre(columns.length > 0 && !JSON.stringify(records).includes('\\u0000'))
      const file = join(directory, 'read.csv')
      await writeFile(file, await textOf(pages))

      const declared = columns.map((_, index) => `'c${index}': 'VARCHAR'`).join(', ')
      const rows = await session.rows(
        `SELECT * FROM read_csv('${file}', columns = {${declared}}, auto_detect = false, header = true, delim = ',', quote = '"', escape = '"', new_line = '\\n', null_padding = false)`,
      )

      const nothing = (value: unknown) =>
        value === undefined || value === null || value === ''
          ? null
          : JSON.stringify(value).replace(/^"[^]*"$/, (text) => JSON.parse(text) as string)
      expect(rows.map((row) => Object.values(row).map(nothing))).toEqual(
        records.map((one) => columns.map((column) => nothing(one[column]))),
      )
    }),
    { numRuns: 60 },
  )
})

test('rows that were written are not kept in memory', async () => {
  await using spool = await openCsvSpool(join(directory, 'large'))
  const page = Array.from({ length: 1000 }, (_, id): JsonObject => ({ id, text: 'x'.repeat(1000) }))
  const before = heldBytes()
  for (let number = 0; number < 40; number += 1) {
    await spool.add(page, (error) => {
      throw error
    })
  }
  // Buffers that nobody has any more are given back when the collector gets to it, not at its first pass.
  await until('the rows are given back', () => heldBytes() - before < 10_000_000)
  let sizeBytes = 0
  for await (const block of spool.content()) sizeBytes += block.byteLength

  expect(spool.rowCount).toBe(40_000)
  expect(sizeBytes).toBeGreaterThan(40_000_000)
})

/** Memory that is in use once the garbage is collected. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
