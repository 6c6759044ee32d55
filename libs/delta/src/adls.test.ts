import { createAdlsLake } from '@cinelake/lake/adls'
import { startAdlsEndpoint, type AdlsEndpoint, type Target } from '@cinelake/testkit/adls'
import { temporaryDirectory } from '@cinelake/testkit'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { once, openWorkbench, type Workbench } from './delta.fixture.ts'

let stack: AsyncDisposableStack
let endpoint: AdlsEndpoint
let bench: Workbench
let count = 0
beforeAll(async () => {
  stack = new AsyncDisposableStack()
  const { path } = stack.use(await temporaryDirectory())
  endpoint = stack.use(await startAdlsEndpoint({ directory: join(path, 'account'), containers: ['lake'] }))
  bench = stack.use(
    await openWorkbench({
      openLake: (directory) =>
        createAdlsLake({
          url: `abfs://lake@${endpoint.account.name}.127.0.0.1:${endpoint.port}/tables`,
          connectionString: endpoint.connectionString,
          credential: () => Promise.reject(new Error('not needed')),
          scratch: { directory: join(directory, 'scratch'), limitBytes: 50_000_000 },
          tuning: { retryDelayMs: 1, maxRetryDelayMs: 5, blockBytes: 100_000 },
        }),
    }),
  )
})
afterAll(() => stack.disposeAsync())

const aPath = () => `refined/far_${(count += 1)}`
const isCommit = ({ method, path, query }: Target) =>
  method === 'PUT' && !query.has('comp') && /_delta_log\/\d+\.json$/.test(path)
const isData = ({ method, path }: Target) => method === 'PUT' && path.endsWith('.parquet')
const dataFiles = async (table: string) => {
  const names: string[] = []
  for await (const { path } of bench.lake.list(table)) if (path.endsWith('.zstd.parquet')) names.push(path)
  return names
}

// SDK protocol tests against the loopback endpoint: the rules themselves are tested over a directory.
describe('a Delta table in Azure', () => {
  test('is created, appended to, overwritten and merged into; every version can be read, checkpoints too', async () => {
    const table = bench.table(aPath())
    await table.append(bench.session, 'SELECT i::INTEGER AS id, 0 AS n FROM range(3) t(i)', once())
    for (let i = 3; i < 12; i += 1) await table.append(bench.session, `SELECT ${i}::INTEGER AS id, 0 AS n`, once())
    await table.merge(bench.session, 'SELECT 2::INTEGER AS id, 7 AS n', { ...once(), key: ['id'] })
    const merged = await bench.rows(table)
    await table.overwrite(bench.session, 'SELECT 1::INTEGER AS id, 1 AS n', once())

    expect(merged).toHaveLength(12)
    expect(merged?.[2]).toEqual({ id: 2, n: 7 })
    expect(await bench.rows(table)).toEqual([{ id: 1, n: 1 }])
    expect(await bench.rows(table, { version: 0 })).toHaveLength(3)
    expect(await bench.lake.stat(`${table.path}/_delta_log/_last_checkpoint`)).toBeDefined()
    expect((await bench.table(table.path).snapshot())?.version).toBe(11)
  })

  test('of many partitions is one scan, whose partitions are told apart by the names of their folders', async () => {
    const table = bench.table(aPath())
    const days = `SELECT DATE '2026-01-01' + i::INTEGER AS day, i AS n FROM range(60) t(i)`
    await table.append(bench.session, days, { ...once(), partitionBy: ['day'] })

    await using view = await table.view(bench.session)
    const relation = view?.relation ?? ''

    expect(relation.match(/read_parquet\(/g)).toHaveLength(1)
    expect(await bench.session.rows(`SELECT n FROM ${relation} WHERE day = DATE '2026-02-01'`)).toEqual([{ n: 31 }])
  })

  test('takes each append of many writers at once exactly once', async () => {
    const path = aPath()
    const writers = await Promise.all(Array.from({ length: 5 }, async () => await bench.newSession()))

    const versions = await Promise.all(
      writers.map(async (session, writer) => {
        const mine: number[] = []
        for (let i = 0; i < 3; i += 1) {
          const query = `SELECT ${writer}::INTEGER AS writer, ${i}::INTEGER AS i`
          mine.push((await bench.table(path).append(session, query, once(`${path} ${writer}`, i))).version)
        }
        return mine
      }),
    )

    expect(versions.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 15 }, (_, version) => version))
    expect(await bench.rows(bench.table(path))).toEqual(
      Array.from({ length: 15 }, (_, n) => ({ writer: Math.floor(n / 3), i: n % 3 })),
    )
    expect(await dataFiles(path)).toHaveLength(15)
  })

  test('has a commit once whose answer is lost, and it is known as one’s own', async () => {
    const path = aPath()
    const lost = endpoint.faults.add({ when: isCommit, times: 2, mishap: { kind: 'lose-answer' } })

    const first = await bench.table(path).append(bench.session, 'SELECT 1 AS id', once())
    const second = await bench.table(path).append(bench.session, 'SELECT 2 AS id', once())

    expect(lost.happened).toBe(2)
    expect([first, second]).toMatchObject([
      { version: 0, outcome: 'committed' },
      { version: 1, outcome: 'committed' },
    ])
    expect(await bench.rows(bench.table(path))).toEqual([{ id: 1 }, { id: 2 }])
    expect(await dataFiles(path)).toHaveLength(2)
  })

  test('has a commit once, also when it cannot be known whether it was made before the next attempt', async () => {
    const path = aPath()
    const task = once('ott@2026-03-01/refine titles')
    // The commit is made; all answers are lost, and so are those to the question what became of it.
    const lost = endpoint.faults.add({ when: isCommit, times: 6, mishap: { kind: 'lose-answer' } })
    const silent = endpoint.faults.add({
      when: ({ method, path: asked }) => method === 'HEAD' && asked.includes('_delta_log'),
      times: 100,
      mishap: { kind: 'refuse', status: 503, code: 'ServerBusy' },
    })

    await expect(bench.table(path).append(bench.session, 'SELECT 1 AS id', task)).rejects.toMatchObject({
      code: 'LAKE_UNAVAILABLE',
      retryable: true,
    })
    endpoint.faults.clear()
    const again = await bench.table(path).append(bench.session, 'SELECT 1 AS id', task)

    expect(lost.happened + silent.happened).toBeGreaterThan(1)
    expect(again).toMatchObject({ version: 0, outcome: 'already-committed', addedRowCount: 1 })
    expect(await bench.rows(bench.table(path))).toEqual([{ id: 1 }])
    expect(await dataFiles(path)).toHaveLength(1)
  })

  test('is whole after uploads that were cut, damaged and refused', async () => {
    const path = aPath()
    const faults = [
      endpoint.faults.add({ when: isData, mishap: { kind: 'cut-request', afterBytes: 50_000 } }),
      endpoint.faults.add({ when: isData, mishap: { kind: 'corrupt-request', atByte: 700 } }),
      endpoint.faults.add({ when: isData, mishap: { kind: 'refuse', status: 503, code: 'ServerBusy' } }),
    ]

    await bench
      .table(path)
      .append(bench.session, 'SELECT i::INTEGER AS id, md5(i::VARCHAR) AS text FROM range(20000) t(i)', once())

    expect(faults.map(({ happened }) => happened)).toEqual([1, 1, 1])
    await using view = await bench.table(path).view(bench.session)
    expect(
      await bench.session.rows(
        `SELECT count(*)::INTEGER AS n, count(*) FILTER (text = md5(id::VARCHAR))::INTEGER AS good FROM ${view?.relation}`,
      ),
    ).toEqual([{ n: 20_000, good: 20_000 }])
  })
})
