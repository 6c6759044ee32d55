// @module-tag slow: takes long
import { TransientError } from '@cinelake/core'
import type { SqlSession } from '@cinelake/engine'
import type { Lake } from '@cinelake/lake'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { once, openWorkbench, type Workbench } from '../delta.fixture.ts'
import type { ParquetSql } from '../delta-table.ts'

let bench: Workbench
let count = 0
beforeAll(async () => {
  bench = await openWorkbench()
})
afterAll(async () => await bench[Symbol.asyncDispose]())

const aPath = () => `refined/shared_${(count += 1)}`
const dataFiles = async (path: string) => {
  const names: string[] = []
  for await (const { path: name } of bench.lake.list(path)) if (name.endsWith('.zstd.parquet')) names.push(name)
  return names
}

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return await work.then(
    () => undefined,
    (error: unknown) => error,
  )
}

class PowerCut extends TransientError {
  readonly code = 'TEST_POWER_CUT'

  constructor() {
    super('the process died', {})
  }
}

/** A lake with one of its methods replaced. */
function lakeWith(change: Partial<Lake>): Lake {
  return new Proxy(bench.lake, { get: (lake, name) => Reflect.get({ ...lake, ...change }, name) as unknown })
}

/** A lake whose Nth call and all after it fail, as they do for a process that is killed; a write may have been done. */
function lakeThatDies(after: number, done: boolean): { lake: Lake; calls: () => number } {
  let calls = 0
  const lake = new Proxy(bench.lake, {
    get(target, name) {
      const method = Reflect.get(target, name) as unknown
      if (typeof method !== 'function' || name === 'list' || name === 'read') return method
      return async (...args: unknown[]) => {
        calls += 1
        if (calls > after + 1 || (calls === after + 1 && !done)) throw new PowerCut()
        const result: unknown = await Reflect.apply(method, target, args)
        if (calls === after + 1) throw new PowerCut()
        return result
      }
    },
  })
  return { lake, calls: () => calls }
}

/** A lake in which somebody else does something right before each of the first commits. */
function lakeWithRivals(rivals: (() => Promise<unknown>)[]): Lake {
  return lakeWith({
    async putIfAbsent(path, content, options) {
      if (path.endsWith('.json')) await rivals.shift()?.()
      return await bench.lake.putIfAbsent(path, content, options)
    },
  })
}

/** A session that notes how often data files are written. */
function counting(session: SqlSession): ParquetSql & { writes: number } {
  const counted = {
    writes: 0,
    run: async (sql: string) => await session.run(sql),
    describe: async (query: string) => await session.describe(query),
    async rows<Row>(sql: string): Promise<Row[]> {
      if (sql.startsWith('COPY')) counted.writes += 1
      return await session.rows<Row>(sql)
    },
  }
  return counted
}

describe('many writers at once', () => {
  test('each append lands exactly once', async () => {
    const path = aPath()
    const writers = await Promise.all(Array.from({ length: 8 }, async () => await bench.newSession()))

    const results = await Promise.all(
      writers.map(async (session, writer) => {
        const versions: number[] = []
        for (let i = 0; i < 5; i += 1) {
          const { version } = await bench
            .table(path)
            .append(session, `SELECT ${writer}::INTEGER AS writer, ${i}::INTEGER AS i`, once(`writer-${writer}`, i))
          versions.push(version)
        }
        return versions
      }),
    )

    expect(results.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, version) => version))
    expect(await bench.rows(bench.table(path))).toEqual(
      Array.from({ length: 40 }, (_, n) => ({ writer: Math.floor(n / 5), i: n % 5 })),
    )
    expect(await dataFiles(path)).toHaveLength(40)
  })

  test('a task that is delivered to several commits once', async () => {
    const path = aPath()
    const sessions = await Promise.all(Array.from({ length: 6 }, async () => await bench.newSession()))

    const results = await Promise.all(
      sessions.map(async (session) => await bench.table(path).append(session, 'SELECT 1 AS id', once('run/task'))),
    )

    expect(results.map(({ outcome }) => outcome).filter((outcome) => outcome === 'committed')).toHaveLength(1)
    expect(new Set(results.map(({ version, addedRowCount }) => `${version} ${addedRowCount}`))).toEqual(
      new Set(['0 1']),
    )
    expect(await bench.rows(bench.table(path))).toEqual([{ id: 1 }])
    expect(await dataFiles(path)).toHaveLength(1)
  })

  test('merges that count up lose no count', async () => {
    const path = aPath()
    await bench.table(path).append(bench.session, 'SELECT i::INTEGER AS id, 0 AS n FROM range(3) t(i)', once())
    const sessions = await Promise.all(Array.from({ length: 6 }, async () => await bench.newSession()))

    await Promise.all(
      sessions.map(async (session, writer) => {
        for (let i = 0; i < 3; i += 1) {
          await bench.table(path).merge(session, `SELECT ${(writer + i) % 4}::INTEGER AS id, 1 AS n`, {
            ...once(`adder-${writer}`, i),
            key: ['id'],
            resolve: { columns: { n: 'old.n + new.n' } },
          })
        }
      }),
    )

    const rows = (await bench.rows(bench.table(path))) ?? []
    expect(rows.map((row) => row['id'])).toEqual([0, 1, 2, 3])
    expect(rows.reduce((sum, row) => sum + Number(row['n']), 0)).toBe(18)
    expect(await dataFiles(path)).toHaveLength(19)
  })
})

describe('a writer that comes second', () => {
  test('appends all the same, with the files that it has', async () => {
    const path = aPath()
    await bench.table(path).append(bench.session, 'SELECT 1 AS id', once())
    const rival = async () => await bench.table(path).append(await bench.newSession(), 'SELECT 2 AS id', once())
    const session = counting(bench.session)

    const result = await bench.table(path, lakeWithRivals([rival, rival])).append(session, 'SELECT 3 AS id', once())

    expect(result.version).toBe(3)
    expect(session.writes).toBe(1)
    expect((await bench.rows(bench.table(path)))?.map((row) => row['id'])).toEqual([1, 2, 2, 3])
  })

  test('overwrites also what came meanwhile', async () => {
    const path = aPath()
    await bench.table(path).append(bench.session, 'SELECT 1 AS id', once())
    const rival = async () => await bench.table(path).append(await bench.newSession(), 'SELECT 2 AS id', once())
    const session = counting(bench.session)

    const result = await bench.table(path, lakeWithRivals([rival])).overwrite(session, 'SELECT 3 AS id', once())

    expect(result).toMatchObject({ version: 2, removedRowCount: 2 })
    expect(session.writes).toBe(1)
    expect(await bench.rows(bench.table(path))).toEqual([{ id: 3 }])
  })

  test('replaces its partitions also where they grew meanwhile', async () => {
    const path = aPath()
    const rows = (part: string, id: number) => `SELECT '${part}' AS part, ${id} AS id`
    await bench.table(path).append(bench.session, rows('a', 1), { ...once(), partitionBy: ['part'] })
    const rival = async () =>
      await bench.table(path).append(await bench.newSession(), `${rows('a', 2)} UNION ALL ${rows('b', 2)}`, once())

    await bench.table(path, lakeWithRivals([rival])).overwritePartitions(bench.session, rows('a', 3), once())

    expect(await bench.rows(bench.table(path))).toEqual([
      { part: 'a', id: 3 },
      { part: 'b', id: 2 },
    ])
  })

  test('does not merge again when others wrote where its keys cannot be', async () => {
    const path = aPath()
    const rows = (from: number, to: number) => `SELECT i::INTEGER AS id, 0 AS n FROM range(${from}, ${to}) t(i)`
    await bench.table(path).append(bench.session, rows(0, 10), once())
    const rival = async () => await bench.table(path).append(await bench.newSession(), rows(100, 110), once())
    const session = counting(bench.session)

    await bench
      .table(path, lakeWithRivals([rival]))
      .merge(session, 'SELECT 5 AS id, 1 AS n', { ...once(), key: ['id'] })

    expect(session.writes).toBe(1)
    expect((await bench.table(path).snapshot())?.rowCount).toBe(20)
    expect((await bench.rows(bench.table(path)))?.filter((row) => row['n'] === 1)).toEqual([{ id: 5, n: 1 }])
  })

  test.each([
    ['added a row of its key', "SELECT 15 AS id, 'theirs' AS n", 'append'],
    ['rewrote the file that it had read', "SELECT 5 AS id, 'theirs' AS n", 'merge'],
  ] as const)('merges again when another %s', async (_, query, how) => {
    const path = aPath()
    await bench.table(path).append(bench.session, "SELECT i::INTEGER AS id, 'old' AS n FROM range(10) t(i)", once())
    const rival = async () => {
      const session = await bench.newSession()
      if (how === 'append') await bench.table(path).append(session, query, once())
      else await bench.table(path).merge(session, query, { ...once(), key: ['id'] })
    }
    const session = counting(bench.session)

    await bench
      .table(path, lakeWithRivals([rival]))
      .merge(session, "SELECT 5 AS id, 'ours' AS n UNION ALL SELECT 15, 'ours'", {
        ...once(),
        key: ['id'],
        resolve: { columns: { n: "old.n || '+' || new.n" } },
      })

    expect(session.writes).toBe(2)
    const rows = ((await bench.rows(bench.table(path))) ?? []).filter((row) => row['n'] !== 'old')
    expect(rows).toEqual(
      how === 'append'
        ? [
            { id: 5, n: 'old+ours' },
            { id: 15, n: 'theirs+ours' },
          ]
        : [
            { id: 5, n: 'theirs+ours' },
            { id: 15, n: 'ours' },
          ],
    )
    expect(await dataFiles(path)).toHaveLength(3)
  })

  test('takes up the columns that another brought', async () => {
    const path = aPath()
    await bench.table(path).append(bench.session, 'SELECT 1 AS id', once())
    const rival = async () =>
      await bench.table(path).append(await bench.newSession(), "SELECT 2 AS id, 'x' AS more", once())

    const error = await failureOf(
      bench.table(path, lakeWithRivals([rival])).append(bench.session, 'SELECT 3 AS id', once()),
    )

    expect(error).toMatchObject({ code: 'DELTA_SCHEMA_MISMATCH' })
    expect(await dataFiles(path)).toHaveLength(2)
  })

  test('makes no second table when another was first', async () => {
    const path = aPath()
    const rival = async () => await bench.table(path).append(await bench.newSession(), 'SELECT 1::BIGINT AS id', once())

    await bench
      .table(path, lakeWithRivals([rival]))
      .append(bench.session, 'SELECT 2 AS id', { ...once(), configuration: { mine: 'x' } })

    expect(await bench.rows(bench.table(path))).toEqual([{ id: 1 }, { id: 2 }])
    expect(await bench.table(path).snapshot()).toMatchObject({
      columns: [{ type: 'BIGINT' }],
      configuration: { mine: 'x' },
    })
  })

  test('is told when what it was based on is no longer so', async () => {
    const path = aPath()
    await bench.table(path).append(bench.session, 'SELECT 1 AS id', once())
    const rival = async () => await bench.table(path).append(await bench.newSession(), 'SELECT 2 AS id', once())

    const error = await failureOf(
      bench.table(path, lakeWithRivals([rival])).overwrite(bench.session, 'SELECT 3 AS id', { ...once(), basedOn: 0 }),
    )

    expect(error).toMatchObject({ code: 'DELTA_CONFLICT' })
    expect(await dataFiles(path)).toHaveLength(2)
  })
})

describe('an answer that is lost on its way', () => {
  test('to a commit that was made, and now seems to be another’s, is no second commit', async () => {
    const path = aPath()
    const forgetful = lakeWith({
      async putIfAbsent(path, content, options) {
        await bench.lake.putIfAbsent(path, content, options)
        return 'exists'
      },
    })

    const result = await bench.table(path, forgetful).append(bench.session, 'SELECT 1 AS id', once())

    expect(result).toMatchObject({ version: 0, outcome: 'already-committed', addedRowCount: 1 })
    expect(await bench.rows(bench.table(path))).toEqual([{ id: 1 }])
  })
})

describe('a writer that is killed', () => {
  const operations = {
    append: async (path: string, lake: Lake) =>
      await bench.table(path, lake).append(bench.session, "SELECT 7 AS id, 'a' AS part", once('t')),
    overwrite: async (path: string, lake: Lake) =>
      await bench.table(path, lake).overwrite(bench.session, "SELECT 7 AS id, 'a' AS part", once('t')),
    overwritePartitions: async (path: string, lake: Lake) =>
      await bench.table(path, lake).overwritePartitions(bench.session, "SELECT 7 AS id, 'a' AS part", once('t')),
    merge: async (path: string, lake: Lake) =>
      await bench.table(path, lake).merge(bench.session, "SELECT 3 AS id, 'b' AS part", { ...once('t'), key: ['id'] }),
  }
  const AFTER = {
    append: [0, 1, 2, 3, 4, 7],
    overwrite: [7],
    overwritePartitions: [1, 3, 7],
    merge: [0, 1, 2, 3, 4],
  }

  describe.each(Object.keys(operations) as (keyof typeof operations)[])('during %s', (name) => {
    test.each([true, false])(
      'at any point leaves a table that can be read, and a second try ends as the first would have (call done: %s)',
      async (done) => {
        for (let after = 0; ; after += 1) {
          const path = aPath()
          // Nine commits more, so that the one to come also writes a checkpoint.
          await bench
            .table(path)
            .append(
              bench.session,
              "SELECT i::INTEGER AS id, CASE i % 2 WHEN 0 THEN 'a' ELSE 'b' END AS part FROM range(5) t(i)",
              { ...once(), partitionBy: ['part'] },
            )
          for (let version = 1; version <= 9; version += 1) {
            await bench.lake.put(`${path}/_delta_log/${String(version).padStart(20, '0')}.json`, '{"commitInfo":{}}')
          }
          const { lake, calls } = lakeThatDies(after, done)

          await failureOf(operations[name](path, lake))
          const ids = ((await bench.rows(bench.table(path), { order: 'id' })) ?? []).map((row) => row['id'])
          expect([[0, 1, 2, 3, 4], AFTER[name]]).toContainEqual(ids)

          await operations[name](path, bench.lake)
          expect((await bench.rows(bench.table(path), { order: 'id' }))?.map((row) => row['id'])).toEqual(AFTER[name])
          expect(await bench.table(path).snapshot()).toMatchObject({ version: 10 })
          if (calls() <= after) break
        }
      },
    )
  })
})
