// @module-tag slow: starts programs
import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { assert, asyncProperty, constantFrom } from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ALLOWED_FUNCTIONS, ALLOWED_TABLE_FUNCTIONS, CLOCK_WORDS, UNREPEATABLE_FUNCTIONS } from './allowed-functions.ts'
import { createDuckDbEngine } from './duckdb.ts'
import type { SqlEngine, SqlSession } from '../engine.ts'
import { refuseForeignSql } from '../errors.ts'

type EngineFunction = {
  readonly name: string
  readonly kind: string
  readonly stability: string | null
  readonly effects: boolean | null
}

let directory: string
let engine: SqlEngine
let session: SqlSession
let functions: readonly EngineFunction[]

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cinelake-audit-'))
  engine = await createDuckDbEngine({
    memoryBytes: 200 * 1024 * 1024,
    threads: 2,
    scratchDirectory: join(directory, 'scratch'),
  })
  session = await engine.session()
  await session.run('CREATE TEMP TABLE orders (id BIGINT, email VARCHAR, placed TIMESTAMP)')
  functions = await session.rows<EngineFunction>(
    `SELECT DISTINCT lower(function_name) AS name, function_type AS kind, stability, has_side_effects AS effects
     FROM duckdb_functions() ORDER BY ALL`,
  )
})
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
})

const audit = async (sql: string) => (await session.audit(sql, { tables: ['orders'] })).map(({ message }) => message)

describe('the functions that are allowed', () => {
  test('are functions of the engine that are called consistent, without effects', () => {
    const known = new Map(functions.map((found) => [found.name, found]))
    const unsure = functions.filter(
      ({ kind, stability, effects }) => kind === 'scalar' && (stability !== 'CONSISTENT' || effects === true),
    )

    expect([...ALLOWED_FUNCTIONS].filter((name) => !known.has(name))).toEqual([])
    expect(unsure.length).toBeGreaterThan(20)
    expect(unsure.filter(({ name }) => ALLOWED_FUNCTIONS.has(name))).toEqual([])
    expect([...ALLOWED_TABLE_FUNCTIONS].filter((name) => !known.has(name))).toEqual([])
    expect([...UNREPEATABLE_FUNCTIONS].filter((name) => ALLOWED_FUNCTIONS.has(name))).toEqual([])
  })

  test('leave out none that nobody decided on: what a version of the engine adds is to be put here or there', () => {
    const others = functions
      .filter(
        ({ name, kind }) => kind !== 'pragma' && !ALLOWED_FUNCTIONS.has(name) && !ALLOWED_TABLE_FUNCTIONS.has(name),
      )
      .map(({ name }) => name)

    expect(others.filter((name) => !REFUSED.test(name) && !UNREPEATABLE_FUNCTIONS.has(name))).toEqual([])
  })
})

/** Functions of the engine that look outside of a query, at its inside, or that no pipeline needs. */
const REFUSED = new RegExp(
  `^(?:${[
    // files, and SQL in a text
    'read_\\w+|glob|sniff_csv|parquet_\\w+|\\w+_scan|arrow_scan_dumb|query|query_table|json_(?:de)?serialize_\\w+',
    'json_execute_serialized_sql|sql_auto_complete|which_secret|histogram(?:_values)?',
    // the engine's own state
    'duckdb_\\w+|pragma_\\w+|pg_\\w+|has_\\w+|inet_\\w+|\\w+_description|summary|checkpoint|force_checkpoint',
    '(?:enable|disable|check|truncate)_\\w+|current_\\w+|session_user|user|version|in_search_path|getvariable',
    'txid_current|nextval|currval|write_log|parse_duckdb_log_message|sleep_ms|error|stats|icu_\\w+|get_block_size',
    'format_pg_type|format_type|map_to_pg_oid',
    // of its inside
    '__internal_\\w+|alias|can_cast_implicitly|cast_to_type|combine|finalize|constant_or_null|create_sort_key|get_type',
    'is_histogram_other_bin|make_type|normalized_interval|remap_struct|replace_type|st_\\w+|timetz_byte_comparable',
    'unpivot_list|variant_\\w+|vector_type|sum_no_overflow|test_\\w+',
  ].join('|')})$`,
)

/** A name as it can be written. */
const SPELLINGS: readonly ((name: string) => string)[] = [
  (name) => name,
  (name) => name.toUpperCase(),
  (name) => `"${name}"`,
  (name) => `"${name.toUpperCase()}"`,
  (name) => `main.${name}`,
  (name) => `main."${name}"`,
  (name) => `"system"."main"."${name}"`,
  (name) => `system.main.${name}`,
  (name) => `${name} /* ( */ `,
  (name) => `/**/${name}-- '\n`,
  (name) => `\u00a0"${name}"\t\n`,
]

/** A call where a value stands. */
const AS_VALUE: readonly ((call: string) => string)[] = [
  (call) => `SELECT ${call}`,
  (call) => `SELECT (SELECT ${call}) FROM orders`,
  (call) => `WITH a AS (SELECT ${call} AS x) SELECT x FROM a`,
  (call) => `WITH a AS MATERIALIZED (SELECT 1), b(x) AS (SELECT ${call}) FROM b`,
  (call) => `WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE ${call} IS NULL) FROM r`,
  (call) => `FROM orders WHERE ${call} IS NOT NULL`,
  (call) => `FROM orders, LATERAL (SELECT ${call}, id)`,
  (call) => `FROM orders AS a JOIN orders AS b ON ${call} IS NULL`,
  (call) => `SELECT count(*) FROM orders GROUP BY ${call}`,
  (call) => `SELECT count(*) FROM orders HAVING ${call} IS NULL`,
  (call) => `FROM orders QUALIFY row_number() OVER (ORDER BY ${call}) = 1`,
  (call) => `SELECT sum(id) OVER (PARTITION BY ${call} ORDER BY id) FROM orders`,
  (call) => `SELECT count(*) FILTER (WHERE ${call} IS NULL) FROM orders`,
  (call) => `SELECT string_agg(email, ',' ORDER BY ${call}) FROM orders`,
  (call) => `FROM orders ORDER BY ${call}`,
  (call) => `FROM orders LIMIT (SELECT count(${call}))`,
  (call) => `SELECT CASE WHEN id = 1 THEN ${call} ELSE NULL END FROM orders`,
  (call) => `SELECT CAST(${call} AS VARCHAR) || 'x', try(${call}) FROM orders`,
  (call) => `SELECT list_transform([1], lambda v: ${call}), [${call} FOR x IN [1]], {'a': [${call}]}`,
  (call) => `VALUES (1), (${call})`,
  (call) => `SELECT id FROM orders UNION SELECT ${call}`,
  (call) => `SELECT id IN (SELECT ${call}), EXISTS (SELECT ${call}), id BETWEEN 1 AND ${call} FROM orders`,
  (call) => `SELECT * REPLACE (${call} AS id) FROM orders`,
  (call) => `SELECT COLUMNS(c -> ${call} IS NULL) FROM orders`,
  (call) => `FROM (PIVOT orders ON id IN (1, 2) USING max(${call}))`,
  (call) => `FROM range(${call})`,
  (call) => `FROM unnest([${call}])`,
  (call) => `SELECT list_aggregate([1], 'sum'), ${call}`,
]

/** A call where a table stands. */
const AS_TABLE: readonly ((call: string) => string)[] = [
  (call) => `FROM ${call}`,
  (call) => `SELECT * FROM ${call} AS t(a)`,
  (call) => `SELECT * FROM orders, ${call}`,
  (call) => `SELECT * FROM orders, LATERAL (FROM ${call})`,
  (call) => `SELECT * FROM orders LEFT JOIN ${call} ON true`,
  (call) => `SELECT * FROM (FROM ${call})`,
  (call) => `WITH orders AS (FROM ${call}) FROM orders`,
  (call) => `SELECT (SELECT count(*) FROM ${call})`,
  (call) => `SELECT 1 WHERE EXISTS (FROM ${call})`,
  (call) => `SELECT id FROM orders WHERE id IN (SELECT 1 FROM ${call})`,
  (call) => `SELECT 1 UNION ALL SELECT 1 FROM ${call}`,
  (call) => `FROM (UNPIVOT (FROM ${call}) ON COLUMNS(*) INTO NAME n VALUE v)`,
  (call) => `FROM orders POSITIONAL JOIN ${call}`,
]

describe('no spelling of a function that is not allowed passes', () => {
  const asTable = (kind: string) => kind === 'table' || kind === 'table_macro' || kind === 'pragma'
  const callsOf = ({ name, kind }: EngineFunction) => {
    const argument = asTable(kind) ? `('${directory}/canary.csv')` : `(email, '${directory}')`
    return SPELLINGS.map((spell) => `${spell(name)}${argument}`)
  }
  const refused = () =>
    functions.filter(({ name, kind }) => {
      const isAllowed = asTable(kind) ? ALLOWED_TABLE_FUNCTIONS.has(name) : ALLOWED_FUNCTIONS.has(name)
      return !isAllowed && /^[a-z_]\w*$/.test(name) && !CLOCK_WORDS.has(name)
    })

  test('each function in each spelling, and in each place', async () => {
    const [passed, unparsed]: [string[], string[]] = [[], []]
    let count = 0
    const list = refused()
    for (const [index, found] of list.entries()) {
      const places = asTable(found.kind) ? AS_TABLE : AS_VALUE
      const calls = callsOf(found)
      // Not the whole product: spellings in one place that changes from name to name, places in one spelling.
      const place = places[index % places.length]
      const call = calls[index % calls.length] ?? ''
      const others = [1, 2, 3, 4, 5].map((step) => places[(index + step * 5) % places.length]?.(call) ?? call)
      for (const sql of [...calls.map((each) => place?.(each) ?? each), ...others]) {
        const messages = await audit(sql)
        if (messages.length === 0) passed.push(sql)
        if (messages[0]?.startsWith('it cannot be parsed') === true) unparsed.push(sql)
        count += 1
      }
    }
    expect(list.length).toBeGreaterThan(250)
    expect(passed).toEqual([])
    // What is refused is the call, not a mistake of the test's.
    expect(unparsed.length).toBeLessThan(count / 20)
  })

  test('any of them in any spelling at any place', async () => {
    const any = constantFrom(...refused())
    const spelling = constantFrom(...SPELLINGS.keys())
    const place = constantFrom(...Array.from({ length: AS_VALUE.length * AS_TABLE.length }, (_, index) => index))
    await assert(
      asyncProperty(any, spelling, place, async (found, spelled, placed) => {
        const places = asTable(found.kind) ? AS_TABLE : AS_VALUE
        const sql = places[placed % places.length]?.(callsOf(found)[spelled] ?? '') ?? ''
        expect(await audit(sql)).not.toEqual([])
      }),
      { numRuns: 2000 },
    )
  })

  test.each([
    "FROM '/etc/passwd'",
    'FROM "/etc/passwd"',
    "SELECT * FROM orders, '/etc/*.csv' AS f",
    "SELECT * FROM 'https://example.org/x.parquet'",
    'FROM other',
    'FROM main.orders',
    'FROM memory.main.orders',
    'FROM temp.orders',
    'FROM pg_catalog.pg_class',
    'FROM information_schema.tables',
    'FROM sqlite_master',
    'FROM duckdb_tables',
    'FROM orders AT (VERSION => 1)',
    'WITH other AS (SELECT 1) SELECT * FROM (WITH inner_one AS (SELECT 1) SELECT 1), inner_one',
    'SELECT * FROM (WITH "/etc/passwd" AS (SELECT 1) FROM "/etc/passwd"), "/etc/passwd"',
    'WITH a AS (FROM b), b AS (SELECT 1) FROM a',
    "FROM query('SELECT 1')",
    "FROM query_table('orders')",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    'DESCRIBE orders',
    'FROM (DESCRIBE orders)',
    'FROM (SHOW ALL TABLES)',
    'SUMMARIZE orders',
    'SHOW TABLES',
    'FROM orders TABLESAMPLE 10%',
    'SELECT * FROM orders USING SAMPLE 3 ROWS (reservoir, 42)',
    'SELECT current_date',
    'SELECT "current_timestamp" FROM orders',
    'SELECT LOCALTIMESTAMP',
    'SELECT age(placed) FROM orders',
    'SELECT main."age"(placed) FROM orders',
    'SELECT placed.age() FROM orders',
    "SELECT list_aggregate([1, 2], 'approx_quantile', 0.5)",
    "SELECT [1, 2].list_aggr('reservoir_quantile', 0.5)",
    'SELECT email.error() FROM orders',
    'SELECT now()',
    'SELECT ?',
    'SELECT $name',
    'SELECT 1; SELECT 2',
    'SELECT 1; DROP TABLE orders',
    'INSERT INTO orders VALUES (1)',
    'CREATE TABLE x AS SELECT 1',
    "COPY orders TO '/tmp/x'",
    "ATTACH '/tmp/x'",
    'PRAGMA version',
    'CALL enable_logging()',
    'EXPLAIN SELECT 1',
    'SET threads = 1',
    'PIVOT orders ON id',
    '',
    'SELECT',
  ])('%s', async (sql) => {
    expect(await audit(sql)).not.toEqual([])
  })
})

describe('what computes over the inputs passes', () => {
  test.each([
    'SELECT id, lower(email) AS mail FROM orders',
    'FROM ORDERS',
    'FROM "Orders" AS o SELECT o.email.upper()',
    'WITH orders AS (SELECT id FROM orders) FROM orders',
    'WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) FROM r, orders',
    'SELECT * FROM (WITH a AS (FROM orders) FROM a) UNION ALL (FROM orders)',
    'SELECT count(*) FILTER (WHERE id > 1), sum(id) OVER (ORDER BY placed), row_number() OVER w FROM orders GROUP BY ALL WINDOW w AS (ORDER BY id)',
    "SELECT age(placed, TIMESTAMP '2026-01-01'), date_trunc('month', placed) + INTERVAL 1 MONTH, extract(year FROM placed) FROM orders",
    "SELECT list_filter(string_split(email, '@'), lambda part: part <> ''), email LIKE 'a%', email ~ 'x', id // 2, -id, id::VARCHAR FROM orders",
    'SELECT t.current_date FROM (SELECT id AS current_date FROM orders) AS t',
    'FROM (PIVOT orders ON id IN (1, 2) USING count(*)), range(3), unnest([1]) AS u(v), generate_series(1, 2)',
    "SELECT coalesce(email, 'now()'), 'FROM read_text(''/etc/passwd'')' AS \"random()\" -- now()\nFROM orders",
    "SELECT (SELECT max(id) FROM orders), id IN (FROM orders SELECT id), {'a': 1}.a, MAP {'k': 1}['k'], [1, 2][1:2] FROM orders",
    'VALUES (1, 2)',
    'SELECT 1;',
  ])('%s', async (sql) => {
    expect(await audit(sql)).toEqual([])
  })

  test('a refusal says where, in characters, and a condition is one condition', async () => {
    const [found] = await session.audit('SELECT \'ü\',\n  "random"()\nFROM orders', { tables: ['orders'] })
    const condition = async (sql: string) => (await session.audit(sql, { tables: [], as: 'condition' })).length

    expect(found).toMatchObject({ name: 'random', position: { line: 2, column: 3 } })
    expect(
      await Promise.all(['id > 1 -- all', 'id), (email', 'true) FROM orders --', '1) ; SELECT (1'].map(condition)),
    ).toEqual([0, 1, 1, 1])
    const place = await session.audit('id > 0 AND now() > placed', { tables: [], as: 'condition' })
    expect(place[0]?.position).toEqual({ line: 1, column: 12 })
    await expect(refuseForeignSql(session, 'model m', 'SELECT now()', { tables: [] })).rejects.toThrow(
      expect.objectContaining({ code: 'ENGINE_SQL_REFUSED' }),
    )
  })
})

describe('the engine by itself', () => {
  test('reads and writes nothing outside of its folders, whatever is asked of it', async () => {
    const outside = join(directory, 'outside')
    await mkdir(outside)
    const secret = 'canary-7f3a'
    const canary = join(outside, 'canary.csv')
    await writeFile(canary, `a\n${secret}\n`)
    const statements = statementsOn(functions, outside, canary)

    const said = runLocked(join(directory, 'locked'), statements)

    expect(statements.length).toBeGreaterThan(150)
    expect(said.size).toBe(statements.length)
    expect([...said].filter(([, text]) => text.includes(secret))).toEqual([])
    expect(await readdir(outside)).toEqual(['canary.csv'])
    expect(await readFile(canary, 'utf8')).toBe(`a\n${secret}\n`)
    // The same statements reach the file where the engine may: they are no statements that fail anyway.
    await using open = await createDuckDbEngine({
      memoryBytes: 64 * 1024 * 1024,
      threads: 1,
      scratchDirectory: join(directory, 'open'),
      directories: [outside],
    })
    await using inside = await open.session()
    const found = await Promise.allSettled(statements.slice(0, 20).map(async (sql) => await inside.rows(sql)))
    expect(JSON.stringify(found.map((each) => (each.status === 'fulfilled' ? each.value : [])))).toContain(secret)
  })

  test('keeps its settings, and takes no extensions', async () => {
    for (const sql of [
      'SET enable_external_access = true',
      "SET allowed_directories = ['/']",
      'SET lock_configuration = false',
      'RESET memory_limit',
      "SET TimeZone = 'Europe/Vienna'",
      'LOAD httpfs',
      'INSTALL httpfs',
    ]) {
      await expect(session.run(sql)).rejects.toThrow(/locked|closed/)
    }
  })
})

/** Statements that would read the canary or write beside it, the plainest first. */
function statementsOn(functions: readonly EngineFunction[], outside: string, canary: string): string[] {
  const readers = functions.filter(({ kind }) => kind === 'table' || kind === 'table_macro')
  const pragmas = functions.filter(({ kind }) => kind === 'pragma')
  return [
    `FROM '${canary}'`,
    `FROM read_text('${canary}')`,
    `FROM read_csv('${canary}', header = false)`,
    `FROM "read_text"('${outside}/../outside/*')`,
    `FROM read_blob('file:${canary}')`,
    `FROM glob('${outside}/*')`,
    `FROM query('FROM read_text(''${canary}'')')`,
    `SELECT content FROM main."READ_TEXT"('${canary}')`,
    `FROM sniff_csv('${canary}')`,
    `COPY (SELECT 1) TO '${outside}/copied.csv'`,
    `COPY (SELECT 1 AS a, 2 AS b) TO '${outside}/parts' (FORMAT parquet, PARTITION_BY (a))`,
    `CREATE TABLE t AS SELECT 1; EXPORT DATABASE '${outside}/exported'`,
    `IMPORT DATABASE '${outside}'`,
    `ATTACH '${outside}/other.db'`,
    `CREATE TEMP TABLE t (a VARCHAR); COPY t FROM '${canary}'; FROM t`,
    `LOAD '${outside}/x.duckdb_extension'`,
    `FROM enable_logging('QueryLog', storage => 'file', storage_config => {'path': '${outside}/log'})`,
    `CALL enable_logging(storage = 'file', storage_config = {'path': '${outside}'}); SELECT 1`,
    `PRAGMA enable_profiling = 'json'; PRAGMA profiling_output = '${outside}/profile.json'; SELECT 1`,
    `FROM enable_profiling(save_location = '${outside}/profile.txt'); SELECT 1`,
    `FROM enable_profiling(format = 'json', save_location = '${outside}/profile.json'); SELECT 1`,
    `CALL enable_profiling(format = 'json', save_location = '${outside}/profile.json'); SELECT 42; CALL disable_profiling()`,
    `CREATE PERSISTENT SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')`,
    `SET temp_directory = '${outside}/temp'; SELECT 1`,
    `SET log_query_path = '${outside}/log'; SELECT 1`,
    ...readers.flatMap(({ name }) => [
      `FROM "${name}"('${canary}')`,
      `FROM "${name}"('${outside}/*')`,
      `FROM "${name}"(['${canary}'])`,
    ]),
    ...pragmas.flatMap(({ name }) => [`PRAGMA ${name}('${canary}')`, `PRAGMA ${name}`]),
  ].filter((sql) => !/import_database|arrow_scan|seq_scan/.test(sql) || sql.startsWith('IMPORT'))
}

/** @returns what was said to each statement that ran; one that ends the process says so */
function runLocked(scratchDirectory: string, statements: readonly string[]): Map<string, string> {
  const said = new Map<string, string>()
  for (let first = 0; first < statements.length;) {
    const { stdout } = spawnSync(
      process.execPath,
      [
        '--conditions=@cinelake/source',
        join(import.meta.dirname, 'locked-engine.fixture.ts'),
        scratchDirectory,
        String(first),
        JSON.stringify(statements),
      ],
      { encoding: 'utf8', maxBuffer: 256 * 1024 * 1024 },
    )
    let last = first
    for (const line of stdout.split('\n').filter((text) => text.startsWith('{"index"'))) {
      const { index, said: text } = JSON.parse(line) as { index: number; said?: string }
      last = index
      said.set(statements[index] ?? '', text ?? 'the process ended')
    }
    first = last + 1
  }
  return said
}
