import { literal } from '@cinelake/sql'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { reportError } from '@cinelake/core'
import { assert, asyncProperty, string } from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDuckDbEngine } from './duckdb.ts'
import type { SqlEngine, SqlSession } from '../engine.ts'
import { SqlFailedError, SqlInvalidError } from '../errors.ts'

let directory: string
let engine: SqlEngine
let session: SqlSession

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cinelake-errors-'))
  const scratchDirectory = join(directory, 'scratch')
  engine = await createDuckDbEngine({ memoryBytes: 200 * 1024 * 1024, threads: 1, scratchDirectory })
  session = await engine.session()
})
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
})

const failure = async (sql: string) =>
  await session.rows(sql).then(
    () => undefined,
    (error: unknown) => error,
  )

/** Expressions over a row of personal data that fail because of what is in it. */
const FAILING = [
  ...['INTEGER', 'DATE', 'TIMESTAMP', 'TIMESTAMPTZ', 'TIME', 'DECIMAL(3,1)', 'BOOLEAN', 'UUID', 'INTERVAL', 'BIT'].map(
    (type) => `email::${type}`,
  ),
  ...['INTEGER[]', 'STRUCT(a INTEGER)', 'HUGEINT', 'JSON', "ENUM('a', 'b')"].map((type) => `CAST(email AS ${type})`),
  'error(email)',
  'CAST(CAST(error(email) AS VARCHAR) AS INTEGER)',
  "strptime(email, '%Y-%m-%d')",
  'date_trunc(email, born)',
  'date_part(email, born)',
  'timezone(email, born::TIMESTAMP)',
  "json_extract(email, '$.x')",
  'json_array_length(email)',
  "regexp_matches('a', '(' || email)",
  "regexp_replace('a', '[' || email, '')",
  "from_base64(email || '=')",
  'unhex(email)',
  "from_hex('zz' || email)",
  'to_json(email)::INTEGER',
  "(email || chr(10) || chr(7) || '\"')::INTEGER",
  "(email || ' when casting from source column ' || email)::INTEGER",
  "('[' || email || ']')::INTEGER[]",
  '(number + 9223372036854775807)',
  '(number * 1000000000)::SMALLINT',
  'sqrt(-number)',
  'make_date(number, 99, 99)',
  'chr(number + 99999999)',
  '(SELECT email FROM people UNION ALL SELECT email FROM people)',
  'list_resize([email], -number)',
  "set_bit('101'::BIT, number, 1)",
  "MAP {email: 1, email || '': 2}",
  "format('{:d}', email)",
  "format('{' || email, 1)",
  "printf('%d' || email, email)",
  'email::VARIANT::INTEGER',
  "decode(email::BLOB || '\\xFF'::BLOB)",
  'parse_formatted_bytes(email)',
  'icu_sort_key(email, email)',
  'nextval(email)',
  "json_extract('{\"a\": 1}', '$.' || email || '[')",
  'enum_code(email)',
  'array_value(email)::VARCHAR[2]',
  'getvariable(email)',
  'repeat(email, 9999999999)',
]

test('whatever fails over a row, nothing of the row is in what is said of it', async () => {
  const failed = new Set<string>()
  const text = string({ unit: 'binary', maxLength: 20 }).map(
    (rest) => `zq7ann@x.org ${rest.replaceAll('\0', '')} 00731`,
  )
  await assert(
    asyncProperty(text, async (email) => {
      await session.run(
        `CREATE OR REPLACE TEMP TABLE people AS SELECT ${literal(email)} AS email, 773311 AS number, DATE '2001-07-31' AS born`,
      )
      for (const expression of FAILING) {
        for (const sql of [
          `SELECT ${expression} FROM people`,
          `CREATE OR REPLACE TEMP TABLE made AS SELECT count(${expression}) AS n FROM people GROUP BY email`,
        ]) {
          const error = await session.run(sql).then(
            () => undefined,
            (thrown: unknown) => thrown,
          )
          if (error === undefined) continue
          failed.add(expression)
          expect([SqlFailedError, SqlInvalidError]).toContain((error as object).constructor)
          const said = JSON.stringify([reportError(error), (error as Error).message, (error as Error).stack])
          for (const part of ['zq7', 'ann@', 'x.org', '00731', '773311', '2001-07']) expect(said).not.toContain(part)
        }
      }
    }),
    { numRuns: 15 },
  )
  expect(failed.size).toBeGreaterThan(FAILING.length * 0.7)
})

test.each([
  [
    'SELECT CAST(email AS INTEGER) FROM people',
    'a text does not convert to INT32 (column email)',
    { line: 1, column: 8 },
  ],
  ['SELECT\n email::DATE FROM people', 'a text is no date; expected YYYY-MM-DD (column email)', { line: 2, column: 7 }],
  ["SELECT strptime(email, '%Y') FROM people", 'strptime: a text does not have the format', undefined],
  ['SELECT number::TINYINT FROM people', 'a value of type INT32 does not fit into INT8', { line: 1, column: 14 }],
  ['SELECT number + 9223372036854775807 FROM people', 'the result of addition does not fit into INT64', undefined],
  ['SELECT timezone(email, born::TIMESTAMP) FROM people', 'a text is no time zone', undefined],
])('what helps is said: %s', async (sql, said, position) => {
  await session.run(
    "CREATE OR REPLACE TEMP TABLE people AS SELECT 'ann' AS email, 773311 AS number, DATE '2001-07-31' AS born",
  )

  const error = await failure(sql)

  expect(error).toBeInstanceOf(SqlFailedError)
  expect((error as SqlFailedError).message).toContain(said)
  expect((error as SqlFailedError).position).toEqual(position)
})

test('what is wrong with the text itself is said in the words of the engine', async () => {
  expect(await failure('SELECT emial FROM people')).toMatchObject({ code: 'ENGINE_SQL_INVALID' })
  expect(String(await failure('SELECT emial FROM people'))).toContain('"emial" not found')
  expect(String(await failure('SELECT email COLLATE foo FROM people'))).toContain('foo')
})

test('the value of a partition is not in the message about its file', async () => {
  await session.run("CREATE OR REPLACE TEMP TABLE people AS SELECT 'zq7ann' || repeat('x', 300) AS email, 1 AS n")

  const error = await session
    .run(`COPY people TO ${literal(join(directory, 'scratch', 'parts'))} (FORMAT parquet, PARTITION_BY (email))`)
    .then(
      () => undefined,
      (thrown: unknown) => thrown,
    )

  expect(error).toMatchObject({ code: 'ENGINE_FILE_UNUSABLE' })
  expect(String(error)).not.toContain('zq7')
})
