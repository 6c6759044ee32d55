// @module-tag slow: runs whole pipelines
import { DuckDBInstance } from '@duckdb/node-api'
import { literal } from '@cinelake/sql'
import { createHash } from 'node:crypto'
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { aStarter, cinelake } from './testing.fixture.ts'

const FORMATS = ['csv', 'parquet', 'xlsx'] as const

let given: Awaited<ReturnType<typeof aStarter>>
let out: string
beforeAll(async () => {
  given = await aStarter()
  out = join(given.folder, '../out')
  await edit(
    'pipeline.yaml',
    /$/,
    `deliver:\n${FORMATS.map(
      (format) =>
        `  as_${format}: { path: ${JSON.stringify(join(out, format))}, format: ${format}, tables: [sales_by_day, { table: orders, as: sales, exclude: [email] }] }\n`,
    ).join('')}`,
  )
})
afterAll(() => given[Symbol.asyncDispose]())

async function edit(file: string, from: RegExp, to: string): Promise<void> {
  const path = join(given.folder, file)
  await writeFile(path, (await readFile(path, 'utf8')).replace(from, to))
}
const run = async (...args: string[]) =>
  await cinelake(['run', given.folder, '--window', '2026-03-01', ...args, '--state', given.state])
const rowsInMart = async (sql: string) => {
  const { out: printed } = await cinelake(['query', sql, '--state', given.state, '--json'])
  return (JSON.parse(printed) as { readonly rows: readonly Record<string, unknown>[] }).rows
}
/** Tasks of a run with what came of them. */
const tasksIn = (notes: string) =>
  Object.fromEntries([...notes.matchAll(/✓ (\w+ \S+) +[\d.]+ \w+ {2}(.*)$/gm)].map(([, task, came]) => [task, came]))
const filesOf = async (format: string) =>
  (await readdir(join(out, format))).filter((name) => name !== '.scratch').sort()

/** The rows of a file by an engine. */
async function rowsIn(file: string): Promise<Record<string, unknown>[]> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const reader = file.endsWith('.parquet') ? 'read_parquet' : 'read_csv'
  const found = await connection.runAndReadAll(`SELECT * FROM ${reader}(${literal(file)})`)
  const rows = found.getRowObjectsJson()
  connection.disconnectSync()
  instance.closeSync()
  return rows
}

test('two tables are handed on in each format with their manifest, once for each version of them', async () => {
  const first = await run()

  expect(first).toMatchObject({ exitCode: 0 })
  for (const format of FORMATS) {
    expect(tasksIn(first.notes)[`deliver as_${format}`]).toMatch(/^\d+ rows, 2 files, /)
    const names = ['sales', 'sales_by_day'].map((table) => `${table}_2026-03-01.${format}`)
    expect(await filesOf(format)).toEqual([`as_${format}_2026-03-01.${format}.manifest.json`, ...names])
    const manifest = JSON.parse(
      await readFile(join(out, format, `as_${format}_2026-03-01.${format}.manifest.json`), 'utf8'),
    ) as { files: { file: string; table: string; rows: number; sha256: string }[] }
    for (const { file, table, rows, sha256 } of manifest.files) {
      const content = await readFile(join(out, format, file))
      const [{ n } = { n: 0 }] = await rowsInMart(`SELECT count(*)::int AS n FROM ${table}`)
      const digest = createHash('sha256').update(content).digest('hex')
      expect({ file, rows, sha256 }).toEqual({ file, rows: n, sha256: digest })
      if (format === 'xlsx') continue
      const found = await rowsIn(join(out, format, file))
      expect(found).toHaveLength(Number(n))
      expect(Object.keys(found[0] ?? {})).not.toContain('email')
    }
  }
})

test('a window that is run again delivers nothing again', async () => {
  const changedAt = async () =>
    await Promise.all(
      FORMATS.map(async (format) => (await stat(join(out, format, `sales_2026-03-01.${format}`))).mtimeMs),
    )
  const before = await changedAt()

  const again = await run('--again')

  expect(again).toMatchObject({ exitCode: 0 })
  for (const format of FORMATS) expect(tasksIn(again.notes)[`deliver as_${format}`]).toMatch(/, already delivered$/)
  expect(await changedAt()).toEqual(before)
})

test('a table whose text changed is handed on anew by --changed, the other one stays', async () => {
  const kept = await stat(join(out, 'csv', 'sales_2026-03-01.csv'))
  await edit('models/sales_by_day.sql', /count\(\*\)/, 'count(*) + 100')

  const changed = await run('--changed')

  expect(changed).toMatchObject({ exitCode: 0 })
  const done = tasksIn(changed.notes)
  expect(Object.keys(done)).toEqual(
    expect.arrayContaining(['build sales_by_day', ...FORMATS.map((format) => `deliver as_${format}`)]),
  )
  expect(Object.keys(done)).not.toContain('refine orders')
  for (const format of ['csv', 'parquet']) {
    const found = await rowsIn(join(out, format, `sales_by_day_2026-03-01.${format}`))
    for (const { orders } of found) expect(Number(orders)).toBeGreaterThan(100)
  }
  expect((await stat(join(out, 'csv', 'sales_2026-03-01.csv'))).mtimeMs).toBe(kept.mtimeMs)
  expect((await run('--changed')).notes).toMatch(/nothing to redo/)
})

test('a file that was taken away is put back by a redo of its delivery', async () => {
  const file = join(out, 'csv', 'sales_2026-03-01.csv')
  const before = await readFile(file)
  await rm(file)

  const redone = await run('--select', 'deliver as_csv')

  expect(redone).toMatchObject({ exitCode: 0 })
  expect(Object.keys(tasksIn(redone.notes))).toEqual(['deliver as_csv'])
  expect(await readFile(file)).toEqual(before)
})
