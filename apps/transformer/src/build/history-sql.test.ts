import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import type { SqlSession } from '@cinelake/engine'
import { temporaryDirectory } from '@cinelake/testkit'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { aModel } from './a-model.fixture.ts'
import { historyChanges, historyKey, historyQuery } from './history-sql.ts'

const model = aModel({
  materialization: 'history',
  columns: [
    { name: 'id', type: 'INTEGER' },
    { name: 'amount', type: 'INTEGER' },
  ],
})

/** What is there in one window: the value of each key, null included. */
type State = ReadonlyMap<number, number | null>
type HistoryRow = {
  id: number
  amount: number | null
  valid_from: string
  valid_to: string | null
  is_current: boolean
}

const windowStart = (window: number) => `2026-03-${String(window + 1).padStart(2, '0')}T00:00:00Z`

const aState = fc
  .dictionary(fc.constantFrom('1', '2', '3', '4'), fc.option(fc.integer({ min: 0, max: 2 })))
  .map((entries): State => new Map(Object.entries(entries).map(([key, value]) => [Number(key), value])))

test('as of each window, the history is the state that was built then, whatever windows were built twice', async () => {
  await using place = await given()
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(aState, fc.integer({ min: 1, max: 2 })), { minLength: 1, maxLength: 6 }),
      async (windows) => {
        await place.restart()
        for (const [window, [state, times]] of windows.entries()) {
          for (let time = 0; time < times; time += 1) {
            await place.build(state, window)
            expect(await place.wrongChanges()).toEqual([])
          }
        }

        const history = await place.history()
        for (const [window, [state]] of windows.entries()) expect(asOf(history, window)).toEqual(state)
        const last = windows.at(-1)?.[0] ?? new Map()
        expect(history.filter((row) => row.is_current).map(({ id }) => id)).toEqual([...last.keys()])
        expectSoundIntervals(history)
      },
    ),
    { numRuns: 40 },
  )
})

test('building the latest window again with another state gives what building it once with that state gives', async () => {
  await using place = await given()
  await fc.assert(
    fc.asyncProperty(fc.array(aState, { minLength: 1, maxLength: 4 }), aState, aState, async (before, wrong, right) => {
      const run = async (last: readonly State[]) => {
        await place.restart()
        for (const [window, state] of before.entries()) await place.build(state, window)
        for (const state of last) {
          await place.build(state, before.length)
          expect(await place.wrongChanges()).toEqual([])
        }
        return await place.history()
      }

      expect(await run([wrong, right])).toEqual(await run([right]))
    }),
    { numRuns: 25 },
  )
})

test('a column that the model did not have before makes new rows and leaves the old ones without it', async () => {
  await using place = await given()
  await place.restart()
  await place.build(new Map([[1, 10]]), 0)

  const wider = aModel({
    materialization: 'history',
    columns: [...model.columns, { name: 'colour', type: 'VARCHAR' }],
  })
  const query = historyQuery(wider, {
    current: { relation: 'history', columns: ['id', 'amount', 'valid_from', 'valid_to', 'is_current'] },
    state: "SELECT 1 AS id, 10 AS amount, 'red' AS colour",
    windowStart: windowStart(1),
  })

  expect(await place.session.rows(`SELECT amount, colour, is_current FROM (${query}) ORDER BY valid_from`)).toEqual([
    { amount: 10, colour: null, is_current: false },
    { amount: 10, colour: 'red', is_current: true },
  ])
})

function asOf(history: readonly HistoryRow[], window: number): Map<number, number | null> {
  const at = Date.parse(windowStart(window))
  const valid = history.filter(
    ({ valid_from, valid_to }) => Date.parse(valid_from) <= at && (valid_to === null || at < Date.parse(valid_to)),
  )
  return new Map(valid.map(({ id, amount }) => [id, amount]))
}

/** Intervals are not empty, those of one key do not overlap, and two that touch hold different states. */
function expectSoundIntervals(history: readonly HistoryRow[]): void {
  for (const [index, row] of history.entries()) {
    expect(row.is_current).toBe(row.valid_to === null)
    const next = history[index + 1]
    const end = row.valid_to ?? '9999'
    expect(row.valid_from < end).toBe(true)
    if (next?.id !== row.id) continue
    expect(end <= next.valid_from).toBe(true)
    expect(end === next.valid_from && row.amount === next.amount).toBe(false)
  }
}

async function given() {
  const stack = new AsyncDisposableStack()
  const directory = stack.use(await temporaryDirectory())
  const engine = stack.use(
    await createDuckDbEngine({ memoryBytes: 256e6, threads: 1, scratchDirectory: directory.path }),
  )
  const session: SqlSession = stack.use(await engine.session())
  let exists = false
  return {
    session,
    async restart() {
      await session.run('DROP TABLE IF EXISTS history; CREATE OR REPLACE TEMP TABLE wrong (id INTEGER)')
      exists = false
    },
    async build(state: State, window: number) {
      const rows = [...state].map(([id, amount]) => `(${id}, ${amount ?? 'NULL'})`)
      const values = rows.length === 0 ? '(NULL, NULL)' : rows.join(', ')
      const columns = ['id', 'amount', 'valid_from', 'valid_to', 'is_current']
      const given = {
        state: `SELECT CAST(id AS INTEGER) AS id, CAST(amount AS INTEGER) AS amount FROM (VALUES ${values}) AS v(id, amount) WHERE id IS NOT NULL`,
        windowStart: windowStart(window),
      }
      const query = historyQuery(model, { ...given, current: exists ? { relation: 'history', columns } : undefined })
      await session.run(`CREATE TABLE next AS ${query}`)
      if (exists) {
        const { changed, gone } = historyChanges(model, { ...given, current: 'history' })
        const same = historyKey(model).map((name) => `history.${name} = other.${name}`)
        const without = (other: string) => `ANTI JOIN (${other}) AS other ON ${same.join(' AND ')}`
        await session.run(
          `CREATE OR REPLACE TEMP TABLE changed AS ${changed};
          CREATE OR REPLACE TEMP TABLE gone AS ${gone};
          CREATE OR REPLACE TEMP TABLE kept AS SELECT history.* FROM history ${without('FROM gone')};
          CREATE OR REPLACE TEMP TABLE merged AS
            SELECT history.* FROM kept AS history ${without('FROM changed')} UNION ALL FROM changed`,
        )
        await session.run(`CREATE OR REPLACE TEMP TABLE wrong AS
          (FROM merged EXCEPT ALL FROM next) UNION ALL (FROM next EXCEPT ALL FROM merged)
          UNION ALL (FROM changed INTERSECT FROM history)`)
      }
      await session.run('DROP TABLE IF EXISTS history; ALTER TABLE next RENAME TO history')
      exists = true
    },
    /** Rows that the changes of the last build give otherwise than the whole query, or give though they are there. */
    wrongChanges: async () => (exists ? await session.rows('FROM wrong') : []),
    history: () => session.rows<HistoryRow>('SELECT * FROM history ORDER BY id, valid_from'),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}
