import { expect, test } from 'vitest'
import type { WarehouseRow, WarehouseRows } from '../warehouse.ts'
import { batches, manyTitles, read, title, titles, type OpenWarehouse } from './given.fixture.ts'

/** The contract tests of failed and concurrent loads. */
export function failureContract(open: OpenWarehouse): void {
  const refused: [string, readonly WarehouseRow[], object, RegExp][] = [
    ['a key that is not unique', [title(1), title(1)], {}, /primary key is not unique/],
    ['a missing key', [title(1, { title_id: null })], {}, /must have a value has none/],
    ['a missing required value', [title(1, { 'Name of it': null })], {}, /must have a value has none/],
    ['a text that is too long', [title(1, { 'Name of it': 'secret'.repeat(9) })], {}, /longer than its column/],
    ['a number that is too great', [title(1, { score: '1234.5' })], {}, /out of the range/],
    ['a value of another type', [title(1, { added_at: 'secret' })], {}, /date or time/],
    ['a character that cannot be stored', [title(1, { 'Name of it': 'a\0b' })], {}, /cannot store/],
    ['such a character in a list', [title(1, { genres: ['a\0b'] })], {}, /cannot store/],
    ['another number of rows than announced', manyTitles(3), { rowCount: 4 }, /expected 4 rows, got 3/],
  ]
  test.each(refused)('%s is refused for good, and the old rows stay', async (_, rows, options, message) => {
    await using given = await open()
    const { warehouse } = given
    await warehouse.replace(titles, batches(manyTitles(2)), { task: 't1', version: 1 })

    const load = warehouse.replace(titles, batches(rows), { task: 't2', version: 2, ...options })

    await expect(load).rejects.toMatchObject({
      code: 'WAREHOUSE_REFUSED',
      retryable: false,
      message: expect.stringMatching(message),
    })
    await expect(load).rejects.not.toHaveProperty('message', expect.stringContaining('secret'))
    expect(await read(warehouse)).toEqual(manyTitles(2))
    expect(await warehouse.loaded({ name: 'titles' })).toMatchObject({ version: 1 })
  })

  test('a source of rows that breaks off leaves the old table, for a replace and for changes', async () => {
    await using given = await open()
    const { warehouse } = given
    await warehouse.replace(titles, batches(manyTitles(2)), { task: 't1', version: 1 })
    async function* broken(): WarehouseRows {
      yield manyTitles(500, 100)
      throw new Error('the lake is away')
    }

    await expect(warehouse.replace(titles, broken(), { task: 't2', version: 2 })).rejects.toThrow('the lake is away')
    const changes = { upserts: broken(), deletes: batches([title(1)]), since: 1 }
    await expect(warehouse.applyChanges(titles, changes, { task: 't2', version: 2 })).rejects.toThrow('lake is away')

    expect(await read(warehouse)).toEqual(manyTitles(2))
    expect(await warehouse.tables()).toMatchObject([{ name: 'titles', version: 1 }])
  })

  test('a load that is told to stop leaves the old table, and another try finishes it', async () => {
    await using given = await open()
    const { warehouse } = given
    await warehouse.replace(titles, batches(manyTitles(2)), { task: 't1', version: 1 })
    const stop = new AbortController()
    async function* interrupted(): WarehouseRows {
      yield manyTitles(500)
      stop.abort(new Error('SIGTERM'))
      yield manyTitles(500, 501)
    }

    const load = warehouse.replace(titles, interrupted(), { task: 't2', version: 2, signal: stop.signal })
    await expect(load).rejects.toMatchObject({ code: 'WORK_CANCELLED', retryable: true })
    expect(await read(warehouse)).toEqual(manyTitles(2))

    await warehouse.replace(titles, batches(manyTitles(1000)), { task: 't2', version: 2, rowCount: 1000 })
    expect(await warehouse.loaded({ name: 'titles' })).toMatchObject({ version: 2, rowCount: 1000 })
  })

  test('readers see the old rows until the new ones are all there', async () => {
    await using given = await open()
    const { warehouse } = given
    await warehouse.replace(titles, batches(manyTitles(1000)), { task: 't', version: 1 })
    const seen: unknown[] = []
    const loaded = new AbortController()
    const reader = (async () => {
      while (!loaded.signal.aborted) {
        const { rows } = await warehouse.query('SELECT count(*) AS rows, min(title_id) AS first FROM titles')
        seen.push(rows[0])
        await new Promise((resolve) => setImmediate(resolve))
      }
    })()
    async function* slowly(): WarehouseRows {
      for (let start = 0; start < 30; start += 1) {
        yield manyTitles(500, 10_000 + start * 500)
        await new Promise((resolve) => setImmediate(resolve))
      }
    }

    await warehouse.replace(titles, slowly(), { task: 't', version: 2, rowCount: 15_000 })
    loaded.abort()
    await reader

    const states = new Set(seen.map((state) => JSON.stringify(state)))
    expect([...states].filter((state) => state !== '{"rows":15000,"first":10000}')).toEqual(['{"rows":1000,"first":1}'])
  })

  test('of two loads of one version at once each ends well and the table has the rows once', async () => {
    await using given = await open()
    const { warehouse } = given

    const outcomes = await Promise.all(
      [1, 2].map(async () => await warehouse.replace(titles, batches(manyTitles(100)), { task: 't', version: 1 })),
    )

    expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(['already-loaded', 'replaced'])
    expect(await read(warehouse)).toHaveLength(100)
  })

  test('a load that another one overtook is to be tried again and does not take the table back', async () => {
    await using given = await open()
    const { warehouse } = given
    async function* overtaken(): WarehouseRows {
      await warehouse.replace(titles, batches(manyTitles(3)), { task: 'fast', version: 2 })
      yield manyTitles(1)
    }

    const slow = warehouse.replace(titles, overtaken(), { task: 'slow', version: 1 })

    await expect(slow).rejects.toMatchObject({ code: 'WAREHOUSE_UNAVAILABLE', retryable: true })
    expect(await warehouse.loaded({ name: 'titles' })).toMatchObject({ version: 2, rowCount: 3 })
  })
}
