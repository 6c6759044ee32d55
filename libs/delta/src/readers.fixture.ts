import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { once, openWorkbench, type Workbench } from './delta.fixture.ts'
import type { DeltaTable } from './delta-table.ts'

/** What a reader that others wrote has to find in a version of a table. */
export type Expected = { readonly version: number; readonly rows: readonly Reading[] }

/** A row as every reader can say it. */
export type Reading = {
  readonly id: number
  readonly part: string | null
  readonly name: string | null
  readonly score: string | null
  readonly seen: string
  readonly day: string | null
  readonly tags: string
}

export type TableHistory = {
  readonly bench: Workbench
  readonly table: DeltaTable
  /** Absolute local path. */
  readonly directory: string
  readonly versions: readonly Expected[]
}

/** A table that went through everything: partitions, evolution, merges, replaced partitions, a checkpoint, vacuum. */
export async function aTableWithAHistory(): Promise<TableHistory> {
  const bench = await openWorkbench()
  const table = bench.table()
  const { session } = bench
  const rows = (from: number, to: number, name: string) => `
    SELECT i::INTEGER AS id, CASE i % 3 WHEN 0 THEN NULL WHEN 1 THEN 'a b' ELSE 'ü/%' END AS part, '${name}' || i AS name,
      CASE WHEN i % 4 > 0 THEN (i * 1.25)::DECIMAL(38,10) END AS score,
      TIMESTAMPTZ '2026-03-01 00:00:00.123456+00' + INTERVAL (i) HOUR AS seen, ['x', NULL, name] AS tags
    FROM range(${from}, ${to}) t(i)`
  await table.append(session, rows(0, 30, 'first'), { ...once(), partitionBy: ['part'] })
  await table.append(session, `SELECT *, DATE '2026-03-01' + id AS day FROM (${rows(30, 40, 'second')})`, once())
  await table.merge(session, `SELECT *, NULL::DATE AS day FROM (${rows(25, 45, 'merged')})`, { ...once(), key: ['id'] })
  // Its files have a column that the table has not.
  await using staged = await table.stage(
    session,
    `SELECT *, NULL::DATE AS day, CASE WHEN id = 103 THEN 'odd' END AS why FROM (${rows(100, 110, 'again')}) WHERE part = 'a b'`,
    { partitionBy: ['part'], aside: { when: 'why IS NOT NULL', columns: ['why'] } },
  )
  await table.overwritePartitions(session, staged, once())
  for (let i = 0; i < 9; i += 1)
    await table.append(session, `SELECT *, NULL::DATE AS day FROM (${rows(200 + i, 201 + i, 'more')})`, once())
  const versions: Expected[] = []
  for (const version of [2, 3, 10, 12]) versions.push({ version, rows: await readingsOf(bench, table, version) })
  return { bench, table, directory: join(bench.directory, 'lake', table.path), versions }
}

async function readingsOf(bench: Workbench, table: DeltaTable, version: number): Promise<Reading[]> {
  await using view = await table.view(bench.session, { version })
  return await bench.session.rows<Reading>(`
    SELECT id, part, name, score::VARCHAR AS score, strftime(seen, '%Y-%m-%d %H:%M:%S.%f') AS seen, day::VARCHAR AS day, to_json(tags)::VARCHAR AS tags
    FROM ${view?.relation} ORDER BY id`)
}

const run = promisify(execFile)

/** Runs a Python program that prints one JSON document. */
export async function python<Result>(executable: string, program: string, args: readonly string[]): Promise<Result> {
  const { stdout } = await run(executable, ['-c', program, ...args], { maxBuffer: 64 * 1024 * 1024 })
  return JSON.parse(stdout) as Result
}
