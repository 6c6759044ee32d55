import type { Session } from 'chdb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aTableWithAHistory, type Reading, type TableHistory } from './readers.fixture.ts'

const DAY_MS = 86_400_000

/** chdb holds delta-kernel-rs, which others wrote. It has binaries for some platforms only. */
const chdb = await import('chdb').then(
  (module) => ({ Session: module.Session }),
  (error: unknown) => ({ missing: String(error) }),
)
const reason = 'missing' in chdb ? ` (skipped: chdb does not load here, ${chdb.missing})` : ''

describe.skipIf('missing' in chdb)(`tables as delta-kernel reads them${reason}`, () => {
  let history: TableHistory
  let session: Session
  const before = process.cwd()

  beforeAll(async () => {
    history = await aTableWithAHistory()
    // It reads files at or below the working directory only.
    process.chdir(history.directory)
    if ('missing' in chdb) return
    session = new chdb.Session()
  })
  afterAll(async () => {
    session.cleanup()
    process.chdir(before)
    await history.bench[Symbol.asyncDispose]()
  })

  const query = <Row>(sql: string, version?: number): Row[] => {
    const settings = version === undefined ? '' : ` settings delta_lake_snapshot_version = ${version}`
    const lines = session.query(
      `${sql.replace('TABLE', `deltaLakeLocal('${history.directory}')`)}${settings}`,
      'JSONEachRow',
    )
    return lines.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Row]))
  }
  const READINGS = `select id, part, name, if(score is null, null, toString(toDecimalString(score, 10))) as score,
    formatDateTime(seen, '%Y-%m-%d %H:%i:%S.%f', 'UTC') as seen, toString(day) as day, toJSONString(tags) as tags from TABLE order by id`
  const expected = (version: number) => history.versions.find((entry) => entry.version === version)?.rows

  test('the latest version, from its checkpoint and the commits after it', () => {
    expect(query<Reading>(READINGS)).toEqual(expected(12))
  })

  test.each([10, 3])('version %d, though later ones replaced it', (version) => {
    expect(query<Reading>(READINGS, version)).toEqual(expected(version))
  })

  test('filters by partition, and by columns with statistics, find what they should', () => {
    const count = (where: string) =>
      query<{ n: number }>(`select toInt32(count()) as n from TABLE where ${where}`)[0]?.n
    const rows = expected(12) ?? []

    expect(count("part = 'ü/%'")).toBe(rows.filter((row) => row.part === 'ü/%').length)
    expect(count('part is null')).toBe(rows.filter((row) => row.part === null).length)
    expect(count('id >= 30 and id < 42')).toBe(rows.filter((row) => row.id >= 30 && row.id < 42).length)
    expect(count("name = 'merged26'")).toBe(rows.filter((row) => row.name === 'merged26').length)
    expect(count("seen = toDateTime64('2026-03-01 03:00:00.123456', 6, 'UTC')")).toBe(
      rows.filter((row) => row.seen === '2026-03-01 03:00:00.123456').length,
    )
  })

  test('the latest version after a vacuum', async () => {
    history.bench.clock.advance(8 * DAY_MS)
    expect((await history.table.vacuum({ retentionMs: 7 * DAY_MS })).length).toBeGreaterThan(0)

    expect(query<Reading>(READINGS)).toEqual(expected(12))
  })
})
