import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { sha256 } from '@cinelake/core'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import { createDirectoryLake } from '@cinelake/lake/directory'
import { temporaryDirectory } from '@cinelake/testkit'
import { expect, test } from 'vitest'
import { landRows } from './land-rows.ts'
import type { SourceRow, SourceTable } from './source-database.ts'

const table: SourceTable = {
  table: { schema: 'public', name: 't' },
  columns: [
    { name: 'id', sourceType: 'integer', type: 'INTEGER', fromText: (text) => `CAST(${text} AS INTEGER)` },
    { name: 'v', sourceType: 'text', type: 'VARCHAR', fromText: (text) => text },
  ],
  primaryKey: ['id'],
}
async function* batches(count: number, size: number): AsyncGenerator<SourceRow[]> {
  for (let from = 0; from < count; from += size) {
    yield Array.from({ length: Math.min(size, count - from) }, (_, i) => [String(from + i), 'x'.repeat(10)])
  }
}
async function given(limits: { rows: number; characters: number }) {
  const stack = new AsyncDisposableStack()
  const { path: directory } = stack.use(await temporaryDirectory())
  const lake = stack.use(await createDirectoryLake(directory))
  const engine = stack.use(
    await createDuckDbEngine({ memoryBytes: 1e8, threads: 2, scratchDirectory: join(directory, '.scratch', 'e') }),
  )
  const place = { source: 'billing', server: 'db', database: 'd' }
  const target = { table, place, folder: 'raw/t', limits, signal: new AbortController().signal, progress: () => {} }
  return {
    directory,
    land: (rows: AsyncIterable<readonly SourceRow[]>) => landRows({ lake, engine }, rows, target),
    session: () => engine.session(),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

test.each([
  ['rows', { rows: 1000, characters: 1e9 }, [1000, 1000, 500]],
  ['characters', { rows: 1e9, characters: 10_000 }, [800, 800, 800, 100]],
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
  await using lake = await given({ rows: 1000, characters: 1e9 })
  const failing = async function* () {
    yield* batches(1500, 500)
    throw new Error('cut')
  }

  await expect(lake.land(failing())).rejects.toThrow('cut')

  const scratch = await readdir(join(lake.directory, '.scratch'), { recursive: true })
  expect(scratch.filter((name) => name.endsWith('.parquet'))).toEqual([])
})
