import { existsSync, readdirSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CancelledError, reportError } from '@cinelake/core'
import { assert, asyncProperty, bigInt } from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createDuckDbEngine } from './duckdb.ts'
import type { EngineRow, SqlEngine, SqlSession } from '../engine.ts'
import { SqlFailedError, SqlInvalidError } from '../errors.ts'

const MIB = 1024 * 1024
let directory: string
let engine: SqlEngine
let session: SqlSession

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cinelake-engine-'))
  engine = await createDuckDbEngine({
    memoryBytes: 200 * MIB,
    threads: 2,
    scratchDirectory: join(directory, 'scratch'),
    directories: [directory],
  })
  session = await engine.session()
})

afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
})

async function valueOf(expression: string): Promise<unknown> {
  const [row] = await session.rows(`SELECT ${expression} AS v`)
  return row?.['v']
}

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return await work.then(
    () => undefined,
    (error: unknown) => error,
  )
}

async function* batches<Row>(...rows: Row[][]): AsyncGenerator<Row[]> {
  yield* rows
}

describe('values lose nothing on their way', () => {
  test.each<[string, unknown]>([
    ['NULL', null],
    ['true', true],
    ['42::TINYINT', 42],
    ['9007199254740991::BIGINT', 9007199254740991],
    ['9007199254740993::BIGINT', 9007199254740993n],
    ['(-9223372036854775807 - 1)::BIGINT', -9223372036854775808n],
    ['170141183460469231731687303715884105727::HUGEINT', 170141183460469231731687303715884105727n],
    ['5::HUGEINT', 5],
    ['12.34::DECIMAL(38,10)', '12.3400000000'],
    ['-0.0000000001::DECIMAL(38,10)', '-0.0000000001'],
    ['8.7::DECIMAL(3,1)', '8.7'],
    ['0.1::DOUBLE', 0.1],
    ["'infinity'::DOUBLE", Infinity],
    ["DATE '2026-02-28'", '2026-02-28'],
    ["DATE '0044-03-15 (BC)'", '0044-03-15 (BC)'],
    ["TIMESTAMPTZ '2026-03-01 00:00:00.123456+01'", '2026-02-28T23:00:00.123456Z'],
    ["TIMESTAMPTZ '1969-12-31 23:59:59.999999+00'", '1969-12-31T23:59:59.999999Z'],
    ["TIMESTAMPTZ '2026-03-01'", '2026-03-01T00:00:00.000000Z'],
    ["TIMESTAMPTZ 'infinity'", 'infinity'],
    ["TIMESTAMP '2026-03-01 10:00:00.5'", '2026-03-01T10:00:00.500000'],
    ["'2026-03-01 10:00:00'::TIMESTAMP_S", '2026-03-01T10:00:00.000000'],
    ["'2026-03-01 10:00:00.123'::TIMESTAMP_MS", '2026-03-01T10:00:00.123000'],
    ["'2026-03-01 10:00:00.123456789'::TIMESTAMP_NS", '2026-03-01T10:00:00.123456789'],
    ["TIME '10:11:12.5'", '10:11:12.5'],
    ["'a''b'", "a'b"],
    ["''", ''],
    ["['a', NULL, 'c']", ['a', null, 'c']],
    ['[9007199254740993, 1]', [9007199254740993n, 1]],
    ["'\\x00\\xFFab'::BLOB", new Uint8Array([0, 255, 97, 98])],
    ["{'a': 1, 'b': [1.50::DECIMAL(4,2)]}", { a: 1, b: ['1.50'] }],
    ["MAP {'k': 1}", [{ key: 'k', value: 1 }]],
    ['\'{"a": 1}\'::JSON', '{"a": 1}'],
    ["'b'::ENUM('a', 'b')", 'b'],
    ["'6ccd780c-baba-1026-9564-5b8c656024db'::UUID", '6ccd780c-baba-1026-9564-5b8c656024db'],
    ["INTERVAL '90 minutes'", '01:30:00'],
  ])('%s', async (expression, expected) => {
    expect(await valueOf(expression)).toEqual(expected)
  })

  test('instants of any year from 1 to 9999 round-trip to the microsecond', async () => {
    const micros = bigInt({ min: -62135596800000000n, max: 253402300799999999n })
    await assert(
      asyncProperty(micros, async (value) => {
        const text = await valueOf(`make_timestamptz(${value})`)
        expect(await valueOf(`epoch_us(TIMESTAMPTZ '${String(text)}')::VARCHAR`)).toBe(String(value))
      }),
      { numRuns: 100 },
    )
  })

  test('blobs stay what they were after the result is gone', async () => {
    const rows: EngineRow[] = []
    for await (const batch of session.stream("SELECT encode('x' || i) AS b FROM range(10000) t(i)")) rows.push(...batch)

    expect(Buffer.from(rows[9_999]?.['b'] as Uint8Array).toString()).toBe('x9999')
  })
})

describe('sessions', () => {
  test('do not see the temporary tables of each other', async () => {
    await using other = await engine.session()
    await session.run('CREATE OR REPLACE TEMP TABLE mine AS SELECT 1 AS a')

    expect(await failureOf(other.rows('SELECT * FROM mine'))).toBeInstanceOf(SqlInvalidError)
    expect(await session.rows('SELECT * FROM mine')).toEqual([{ a: 1 }])
  })

  test('run the statements that they are given at once one after another', async () => {
    await session.run('CREATE OR REPLACE TEMP TABLE steps (n INTEGER)')

    await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        session.run(`INSERT INTO steps SELECT ${n} WHERE (SELECT count(*) FROM steps) = ${n}`),
      ),
    )

    expect(await session.rows('SELECT count(*) AS n FROM steps')).toEqual([{ n: 20 }])
  })

  test('keep the order of a file, so that line numbers can be counted', async () => {
    const file = join(directory, 'lines.csv')
    await writeFile(file, Array.from({ length: 300_000 }, (_, line) => `${line}\n`).join(''))

    const [row] = await session.rows(
      `SELECT count(*) AS wrong FROM (SELECT column0 AS n, row_number() OVER () - 1 AS line FROM read_csv('${file}', header = false)) WHERE n <> line`,
    )

    expect(row).toEqual({ wrong: 0 })
  })

  test('are in UTC', async () => {
    expect(await valueOf("current_setting('TimeZone')")).toBe('UTC')
  })

  test('run several statements in one call', async () => {
    await session.run('CREATE OR REPLACE TEMP TABLE a AS SELECT 1 AS x; INSERT INTO a VALUES (2)')

    expect(await session.rows('SELECT sum(x)::INTEGER AS x FROM a')).toEqual([{ x: 3 }])
  })
})

describe('a stream', () => {
  test('gives every row once, in batches', async () => {
    let sum = 0
    let batchCount = 0
    for await (const batch of session.stream('SELECT i FROM range(100000) t(i)')) {
      batchCount += 1
      for (const row of batch) sum += Number(row['i'])
    }

    expect(sum).toBe(4_999_950_000)
    expect(batchCount).toBeGreaterThan(40)
  })

  test('may be left early, and the session goes on', async () => {
    for await (const _ of session.stream('SELECT i FROM range(10000000) t(i)')) break

    expect(await valueOf('1')).toBe(1)
  })

  test('refuses other statements of its session instead of waiting for ever', async () => {
    const stream = session.stream('SELECT i FROM range(100000) t(i)')
    await stream[Symbol.asyncIterator]().next()

    await expect(session.rows('SELECT 1')).rejects.toThrow('read the stream to its end first')
    await stream[Symbol.asyncIterator]().return?.()
    expect(await valueOf('1')).toBe(1)
  })

  test('ends with the error that a late row causes', async () => {
    const read = async () => {
      for await (const _ of session.stream(
        "SELECT CASE WHEN i > 500000 THEN ('x' || i)::INTEGER END AS v FROM range(1000000) t(i)",
      ));
    }

    expect(await failureOf(read())).toMatchObject({ code: 'ENGINE_SQL_FAILED', position: { line: 1 } })
    expect(await valueOf('1')).toBe(1)
  })

  test('keeps the order that the query asks for, whatever the number of threads', async () => {
    let next = 0
    for await (const batch of session.stream('SELECT i FROM range(300000) t(i) ORDER BY hash(i), i;'))
      next += batch.length

    expect(next).toBe(300_000)
    let last = 300_000
    for await (const batch of session.stream('SELECT i FROM range(300000) t(i) ORDER BY i DESC -- all of them')) {
      for (const row of batch) {
        if (Number(row['i']) !== last - 1) throw new Error(`the row after ${last} came late`)
        last -= 1
      }
    }
    expect(last).toBe(0)
  })

  test('has columns of one name as the engine tells them apart, and no other', async () => {
    const rows: EngineRow[] = []
    for await (const batch of session.stream('SELECT 1 AS a, 2 AS a, NULL AS c')) rows.push(...batch)

    expect(rows).toEqual([{ a: 1, a_1: 2, c: null }])
  })
})

describe('describing a query', () => {
  test('gives names and types without running it', async () => {
    expect(
      await session.describe(
        '-- note\nWITH a AS (SELECT error(\'never\')) SELECT 1::BIGINT AS id, now() AS at, 8.7::DECIMAL(3,1) AS score, [\'a\'] AS "Ta""gs" FROM a',
      ),
    ).toEqual([
      { name: 'id', type: 'BIGINT' },
      { name: 'at', type: 'TIMESTAMP WITH TIME ZONE' },
      { name: 'score', type: 'DECIMAL(3,1)' },
      { name: 'Ta"gs', type: 'VARCHAR[]' },
    ])
  })

  test('names the place of a mistake', async () => {
    const error = await failureOf(session.describe("SELECT 'ü' AS u,\n  scor\nFROM (SELECT 1 AS score)"))

    expect(error).toMatchObject({ code: 'ENGINE_SQL_INVALID', retryable: false, position: { line: 2, column: 3 } })
    expect((error as Error).message).toContain('"scor" not found')
  })

  test('names the place of a mistake of syntax', async () => {
    const error = await failureOf(session.describe("SELECT 'ü🎬', FROM FROM a"))

    expect(error).toMatchObject({ code: 'ENGINE_SQL_INVALID', position: { line: 1, column: 20 } })
  })

  test('refuses a second statement without running it', async () => {
    await session.run('CREATE OR REPLACE TEMP TABLE kept AS SELECT 1 AS a')

    expect(await failureOf(session.describe('SELECT 1; DROP TABLE kept'))).toBeInstanceOf(SqlInvalidError)
    expect(await session.rows('SELECT a FROM kept')).toEqual([{ a: 1 }])
  })
})

describe('parsing', () => {
  test('gives a tree of each text, or what is wrong with it, in order, and runs nothing', async () => {
    const texts = ["SELECT 'ü' AS \"it's\"", 'SELEC 1', 'DROP TABLE nothing', 'SELECT a FROM no_such_table', 'SELEC 1']

    const trees = await session.parse(texts)

    expect(trees).toMatchObject([
      { error: false, statements: [{ node: { select_list: [{ alias: "it's", value: { value: 'ü' } }] } }] },
      { error: true, error_type: 'parser', position: '0' },
      { error: true, error_type: 'not implemented' },
      { error: false, statements: [{ node: { from_table: { table_name: 'no_such_table' } } }] },
      { error: true, error_type: 'parser' },
    ])
    expect(await session.parse([])).toEqual([])
  })

  test('a NUL is an error in its text, and in no other', async () => {
    expect(await session.parse(['SELECT 1 \0 FROM a', 'SELECT 2'])).toMatchObject([
      { error: true, position: '9' },
      { error: false },
    ])
  })

  test('parses a text once', async () => {
    const [first] = await session.parse(['SELECT 1 AS once'])
    const again = await session.parse(['SELECT 2 AS other', 'SELECT 1 AS once'])

    expect(again[1]).toBe(first)
  })

  test('forgets texts that were not asked for lately', async () => {
    const [first] = await session.parse(['SELECT 1 AS once'])
    await session.parse(Array.from({ length: 1000 }, (_, index) => `SELECT ${index}`))
    const [again] = await session.parse(['SELECT 1 AS once'])

    expect(again).toEqual(first)
    expect(again).not.toBe(first)
  })
})

describe('appending text', () => {
  test('puts rows of any batch size into a table, NULL as NULL', async () => {
    await session.run('CREATE OR REPLACE TEMP TABLE raw (a VARCHAR, b VARCHAR)')
    const rows = Array.from({ length: 5000 }, (_, i): (string | null)[] => [`ä${i}`, i % 2 === 0 ? null : ''])

    const appended = await session.append('raw', batches(rows.slice(0, 1), [], rows.slice(1, 4500), rows.slice(4500)))

    expect(appended).toBe(5000)
    expect(
      await session.rows(
        "SELECT count(DISTINCT a)::INTEGER AS n, count(b)::INTEGER AS filled, min(a) AS first FROM raw WHERE a LIKE 'ä%'",
      ),
    ).toEqual([{ n: 5000, filled: 2500, first: 'ä0' }])
  })

  test('passes on the failure of its source', async () => {
    await session.run('CREATE OR REPLACE TEMP TABLE raw (a VARCHAR)')
    async function* failing() {
      yield [['1']]
      throw new CancelledError('reading')
    }

    expect(await failureOf(session.append('raw', failing()))).toBeInstanceOf(CancelledError)
    expect(await valueOf('1')).toBe(1)
  })

  test('refuses a row that is too short, and a table that is not there', async () => {
    await session.run('CREATE OR REPLACE TEMP TABLE raw (a VARCHAR, b VARCHAR)')

    await expect(session.append('raw', batches([['1']]))).rejects.toThrow('1 values')
    await expect(session.append('nowhere', batches([['1']]))).rejects.toThrow('nowhere')
  })
})

describe('stopping', () => {
  test.each([0, 1, 30])('interrupts a statement %d ms after it was given', async (delayMs) => {
    const abort = new AbortController()
    // Hours of work: what is not interrupted does not end in the time of a test.
    const work = session.run(
      'CREATE OR REPLACE TEMP TABLE long AS SELECT sum(a.i * b.i) FROM range(5000000) a(i), range(5000000) b(i)',
      { signal: abort.signal },
    )
    setTimeout(() => abort.abort(), delayMs)

    expect(await failureOf(work)).toBeInstanceOf(CancelledError)
    expect(await valueOf('1')).toBe(1)
  })

  test('does not start what was stopped before', async () => {
    expect(await failureOf(session.rows('SELECT 1', { signal: AbortSignal.abort() }))).toBeInstanceOf(CancelledError)
  })

  test('stops a stream', async () => {
    const abort = new AbortController()
    const read = async () => {
      for await (const _ of session.stream('SELECT i FROM range(100000000) t(i)', { signal: abort.signal }))
        abort.abort()
    }

    expect(await failureOf(read())).toBeInstanceOf(CancelledError)
    expect(await valueOf('1')).toBe(1)
  })

  test('a disposed session stops its work and lets the engine close', async () => {
    const own = await createDuckDbEngine({
      memoryBytes: 100 * MIB,
      threads: 1,
      scratchDirectory: join(directory, 'own'),
    })
    const busy = await own.session()
    const work = failureOf(
      busy.run('CREATE TEMP TABLE long AS SELECT sum(a.i * b.i) FROM range(300000) a(i), range(300000) b(i)'),
    )

    await own[Symbol.asyncDispose]()

    expect(await work).toBeInstanceOf(CancelledError)
    expect(readdirSync(join(directory, 'own'))).toEqual([])
  })
})

describe('errors', () => {
  test('a value that does not convert is terminal and not shown', async () => {
    const error = await failureOf(
      session.rows("SELECT v::DECIMAL(3,1) FROM (SELECT unnest(['1', 'somebody@example.org 5551234']) AS v)"),
    )

    expect(error).toMatchObject({ code: 'ENGINE_SQL_FAILED', retryable: false, context: { kind: 'Conversion' } })
    expect(reportError(error).message).not.toMatch(/somebody|555/)
    expect(reportError(error).message).toContain('to DECIMAL')
  })

  test.each([
    "SELECT * FROM read_csv('FILE', columns = {'a': 'INTEGER'}, auto_detect = false, header = false)",
    "CREATE OR REPLACE TEMP TABLE k (a VARCHAR PRIMARY KEY); INSERT INTO k SELECT 'secret' FROM range(2)",
    "SELECT strptime('secret', '%Y')",
    "SELECT (i || '0000000000')::BIGINT * 9000000000 FROM range(5555555, 5555556) t(i)",
  ])('no value of a row is in the message of %s', async (sql) => {
    const file = join(directory, 'secret.csv')
    await writeFile(file, 'secret\n')

    const error = await failureOf(session.run(sql.replace('FILE', file)))

    expect(error).toBeInstanceOf(SqlFailedError)
    expect(reportError(error).message).not.toMatch(/secret(?!\.csv)|5555/)
  })

  test('SQL that does not parse names line and column', async () => {
    expect(await failureOf(session.run('SELECT 1\nFORM x y'))).toMatchObject({
      code: 'ENGINE_SQL_INVALID',
      position: { line: 2 },
    })
  })

  test('a file that is not there is transient and named', async () => {
    const error = await failureOf(session.rows(`SELECT * FROM read_parquet('${directory}/nowhere/x.parquet')`))

    expect(error).toMatchObject({ code: 'ENGINE_FILE_UNUSABLE' })
    expect((error as Error).message).toContain('/nowhere/x.parquet')
  })

  test('a statement beyond the memory limit says what to do, and the engine goes on', async () => {
    const error = await failureOf(session.run('SELECT list(md5(i::VARCHAR)) FROM range(30000000) t(i)'))

    expect(error).toMatchObject({ code: 'ENGINE_OUT_OF_MEMORY' })
    expect((error as Error).message).toMatch(/MiB used\); raise its memory limit/)
    expect(await valueOf('1')).toBe(1)
  })

  test('a full scratch disk is told apart from full memory', async () => {
    await using small = await createDuckDbEngine({
      memoryBytes: 60 * MIB,
      threads: 2,
      scratchDirectory: join(directory, 'full'),
      spillBytes: MIB,
    })
    await using own = await small.session()

    const error = await failureOf(
      own.run(
        'CREATE TEMP TABLE big AS SELECT md5(i::VARCHAR) AS a, md5((i + 1)::VARCHAR) AS b FROM range(5000000) t(i)',
      ),
    )

    expect(error).toMatchObject({ code: 'ENGINE_DISK_FULL' })
    expect((error as Error).message).toContain(join(directory, 'full'))
    expect((error as Error).message).toContain('CINELAKE_SCRATCH_MIB')
  })

  test('a scratch directory that cannot be made is named', async () => {
    const file = join(directory, 'a-file')
    await writeFile(file, '')

    const error = await failureOf(
      createDuckDbEngine({ memoryBytes: 100 * MIB, threads: 1, scratchDirectory: join(file, 'x') }),
    )

    expect(error).toMatchObject({ code: 'ENGINE_FILE_UNUSABLE' })
  })
})

test('beyond its memory the engine spills into a directory of its own, gone when it closes', async () => {
  const scratchDirectory = join(directory, 'spill')
  const small = await createDuckDbEngine({ memoryBytes: 60 * MIB, threads: 2, scratchDirectory })
  const own = await small.session()

  await own.run('CREATE TEMP TABLE big AS SELECT md5(i::VARCHAR) AS a FROM range(4000000) t(i)')
  expect(readdirSync(scratchDirectory)).toHaveLength(1)
  await small[Symbol.asyncDispose]()

  expect(existsSync(scratchDirectory)).toBe(true)
  expect(readdirSync(scratchDirectory)).toEqual([])
})

test.each([
  ['read to its end', Number.POSITIVE_INFINITY],
  ['left unread', 1],
])('what a session made for itself is gone when it closes, with a stream of it %s', async (_, batchCount) => {
  const before = await tableBytes()
  const own = await engine.session()
  await own.run('CREATE TEMP TABLE "a ""table""" AS SELECT i, md5(i::VARCHAR) AS hash FROM range(100000) t(i)')
  await own.run('CREATE TEMP VIEW "a view" AS FROM "a ""table"""')
  let read = 0
  for await (const _ of own.stream('FROM "a view"')) if ((read += 1) === batchCount) break

  await own[Symbol.asyncDispose]()

  expect(await tableBytes()).toBe(before)
})

/** Bytes that tables without a file hold in the whole engine. */
async function tableBytes(): Promise<number> {
  const sql = `SELECT sum(memory_usage_bytes)::DOUBLE AS bytes FROM duckdb_memory() WHERE tag = 'IN_MEMORY_TABLE'`
  return (await session.rows<{ bytes: number }>(sql))[0]?.bytes ?? Number.NaN
}
