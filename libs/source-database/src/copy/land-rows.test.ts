import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { sha256 } from '@cinelake/core'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import { createDirectoryLake } from '@cinelake/lake/directory'
import { temporaryDirectory } from '@cinelake/testkit'
import { expect, test } from 'vitest'
import { landRows } from './land-rows.ts'
import type { PartLimits } from './part-of-rows.ts'
import type { SourceRow, SourceTable } from '../source-database.ts'

const table: SourceTable = {
  table: { schema: 'public', name: 't' },
  columns: [
    {
      name: 'id',
      sourceType: 'integer',
      type: 'INTEGER',
      nullable: false,
      fromText: (text) => `CAST(${text} AS INTEGER)`,
    },
    { name: 'v', sourceType: 'text', type: 'VARCHAR', nullable: true, fromText: (text) => text },
  ],
  primaryKey: ['id'],
}
async function* batches(count: number, size: number): AsyncGenerator<SourceRow[]> {
  for (let from = 0; from < count; from += size) {
    yield Array.from({ length: Math.min(size, count - from) }, (_, i) => [String(from + i), 'x'.repeat(10)])
  }
}
async function given(limits?: PartLimits, memoryBytes = 1e8) {
  const stack = new AsyncDisposableStack()
  const { path: directory } = stack.use(await temporaryDirectory())
  const lake = stack.use(await createDirectoryLake(directory))
  const engine = stack.use(
    await createDuckDbEngine({
      memoryBytes,
      threads: 2,
      scratchDirectory: join(directory, '.scratch', 'e'),
      directories: [directory],
    }),
  )
  const place = { source: 'billing', server: 'db', database: 'd' }
  const { signal } = new AbortController()
  const target = { table, place, folder: 'raw/t', ...(limits && { limits }), signal, progress: () => {} }
  return {
    directory,
    land: (rows: AsyncIterable<readonly SourceRow[]>) => landRows({ lake, engine }, rows, target),
    session: () => engine.session(),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

test.each([
  ['rows', { rows: 1050, characters: 1e9, vectorCharacters: 1e9 }, [1050, 1050, 400]],
  ['characters', { rows: 1e9, characters: 10_000, vectorCharacters: 1e9 }, [778, 731, 715, 276]],
  [
    'characters in what the engine works on at a time',
    { rows: 1e9, characters: 1e9, vectorCharacters: 28_000 },
    [2500],
  ],
])('a large table becomes several files, none beyond so many %s, in order', async (_, limits, counts) => {
  await using lake = await given(limits)

  const parts = await lake.land(batches(2500, 100))

  expect(parts.map(({ rowCount }) => rowCount)).toEqual(counts)
  expect(parts.map(({ path }) => path)).toEqual(counts.map((_, n) => `raw/t/part-0000${n}.parquet`))
  for (const { path, sha256: digest } of parts) expect(sha256(await readFile(join(lake.directory, path)))).toBe(digest)
  await using session = await lake.session()
  const files = parts.map(({ path }) => `'${join(lake.directory, path)}'`).join(', ')
  const rows = await session.rows<{ id: number }>(`SELECT id FROM read_parquet([${files}])`)
  expect(rows.map(({ id }) => id)).toEqual(Array.from({ length: 2500 }, (_, i) => i))
})

test('a source that fails between two files leaves no scratch behind', async () => {
  await using lake = await given({ rows: 1000, characters: 1e9, vectorCharacters: 1e9 })
  const failing = async function* () {
    yield* batches(1500, 500)
    throw new Error('cut')
  }

  await expect(lake.land(failing())).rejects.toThrow('cut')

  const scratch = await readdir(join(lake.directory, '.scratch'), { recursive: true })
  expect(scratch.filter((name) => name.endsWith('.parquet'))).toEqual([])
})

test('where a file ends depends on the rows alone, not on how they came', async () => {
  await using lake = await given({ rows: 1000, characters: 12_000, vectorCharacters: 1e9 })

  const [one, other] = [await lake.land(batches(2500, 1)), await lake.land(batches(2500, 999))]

  expect(one.length).toBeGreaterThan(2)
  expect(other).toEqual(one)
})

test('rows of a megabyte land within an engine that has little memory', async () => {
  await using lake = await given(undefined, 128 * 1024 * 1024)
  const wide = async function* () {
    for (let id = 0; id < 200; id += 1) {
      const piece = `${id * 7919} `
      yield [[String(id), piece.repeat(1_000_000 / piece.length)]]
    }
  }

  const parts = await lake.land(wide())

  expect(parts.reduce((sum, { rowCount = 0 }) => sum + rowCount, 0)).toBe(200)
})
