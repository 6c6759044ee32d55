import { readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { once, openWorkbench, type Workbench } from '../delta.fixture.ts'
import { createDeltaTable } from '../table.ts'

let bench: Workbench
let count = 0
beforeAll(async () => {
  bench = await openWorkbench()
})
afterAll(async () => await bench[Symbol.asyncDispose]())

const local = (path: string) => join(bench.directory, 'lake', path)
const logFile = (path: string, version: number, end: string) =>
  `${path}/_delta_log/${String(version).padStart(20, '0')}.${end}`

/** A table with a commit for each version. */
async function aTable(versions: number) {
  const table = bench.table(`refined/damaged_${(count += 1)}`)
  for (let i = 0; i < versions; i += 1) {
    await table.append(bench.session, `SELECT ${i} AS id, repeat(md5('${i}'), 50) AS text FROM range(20)`, once())
  }
  return table
}

const failureOf = async (work: Promise<unknown>): Promise<Error & { code?: string }> =>
  await work.then(
    () => expect.unreachable('it succeeded'),
    (error: unknown) => error as Error,
  )

/** What an error lacks that says what is damaged, of which table, and how to get it back. */
function lackingIn({ message }: Error, table: string, file: string): string[] {
  const name = table.replace('refined/', '')
  const wanted = ['damaged', `table=${name} `, file, `cinelake rebuild DIR ${name}`]
  return [...wanted.filter((part) => !message.includes(part)), ...(message.match(/TRY_CAST/gi) ?? [])]
}

/** The same file with a byte changed that is no part of its frame. */
async function changeByte(file: string) {
  const bytes = await readFile(file)
  const place = Math.floor(bytes.length / 2)
  bytes[place] = (bytes[place] ?? 0) ^ 0x10
  await writeFile(file, bytes)
}

describe('a damaged data file', () => {
  test.each([
    ['that is cut off', async (file: string) => await truncate(file, 100)],
    ['that is empty', async (file: string) => await writeFile(file, '')],
    ['that is other bytes', async (file: string) => await writeFile(file, 'x'.repeat((await readFile(file)).length))],
    ['in which one byte has changed', changeByte],
    ['that is gone', async (file: string) => await rm(file)],
  ])('%s is told with table, file and way back', async (_, damage) => {
    const table = await aTable(2)
    const file = (await table.snapshot())?.files[1]?.path ?? ''
    await damage(local(`${table.path}/${file}`))

    const error = await failureOf(bench.rows(table))

    expect(error.code).toBe('DELTA_FILE_DAMAGED')
    expect(lackingIn(error, table.path, `${table.path}/${file}`)).toEqual([])
  })

  test('is noticed by a merge, which commits nothing', async () => {
    const table = await aTable(2)
    await changeByte(local(`${table.path}/${(await table.snapshot())?.files[1]?.path}`))

    const merging = table.merge(bench.session, `SELECT 1 AS id, 'x' AS text`, { ...once(), key: ['id'] })

    expect((await failureOf(merging)).code).toBe('DELTA_FILE_DAMAGED')
    expect((await table.snapshot())?.version).toBe(1)
  })

  test('is noticed though it was whole when it was read before', async () => {
    const table = await aTable(1)
    expect(await bench.rows(table)).toHaveLength(20)
    await changeByte(local(`${table.path}/${(await table.snapshot())?.files[0]?.path}`))

    expect((await failureOf(bench.rows(table))).code).toBe('DELTA_FILE_DAMAGED')
  })
})

describe('a damaged log', () => {
  const garbled = '{"commitInfo":{}}\n{"add":{"pa'
  test.each([
    ['a commit that does not parse', 1, async (file: string) => await writeFile(file, garbled)],
    ['a commit that is empty', 1, async (file: string) => await writeFile(file, '')],
    [
      'a commit that lacks its last line',
      1,
      async (file: string) => await writeFile(file, (await readFile(file, 'utf8')).replace(/[^\n]*\n$/, '')),
    ],
    [
      'a commit with another number of rows',
      1,
      async (file: string) =>
        await writeFile(
          file,
          (await readFile(file, 'utf8')).replace(String.raw`\"numRecords\":20`, String.raw`\"numRecords\":21`),
        ),
    ],
    ['a commit that is gone in the midst', 1, async (file: string) => await rm(file)],
    ['a first commit that is gone', 0, async (file: string) => await rm(file)],
  ])('%s is told with table, file and way back', async (_, version, damage) => {
    const table = await aTable(3)
    const file = logFile(table.path, version, 'json')
    await damage(local(file))

    for (const work of [
      () => table.snapshot(),
      () => table.append(bench.session, `SELECT 1 AS id, 'x' AS text`, once()),
    ]) {
      const error = await failureOf(work())
      expect(error.code).toBe('DELTA_LOG_CORRUPT')
      expect(lackingIn(error, table.path, file)).toEqual([])
    }
  })

  test('data files without a log are no new table', async () => {
    const table = await aTable(2)
    await rm(local(`${table.path}/_delta_log`), { recursive: true })

    for (const work of [() => table.snapshot(), () => table.append(bench.session, 'SELECT 1 AS id', once())]) {
      expect(lackingIn(await failureOf(work()), table.path, `${table.path}/_delta_log`)).toEqual([])
    }
  })

  test('the leftovers of a first writer that died are not in the way of the next', async () => {
    const path = `refined/damaged_${(count += 1)}`
    await expect(
      createDeltaTable({ lake: dying(), path, clock: bench.clock }).append(bench.session, 'SELECT 1 AS id', once()),
    ).rejects.toThrow('killed')
    const table = bench.table(path)
    expect(await table.snapshot()).toBeUndefined()

    await table.append(bench.session, 'SELECT 2 AS id', once())

    expect(await bench.rows(table)).toEqual([{ id: 2 }])
  })

  test('whose end is gone is told where the pointer to a checkpoint knows of it', async () => {
    const table = await aTable(12)
    for (const version of [8, 9, 10, 11]) await rm(local(logFile(table.path, version, 'json')))
    await rm(local(logFile(table.path, 10, 'checkpoint.parquet')))

    expect(lackingIn(await failureOf(table.snapshot()), table.path, '_last_checkpoint')).toEqual([])
  })

  test.each([
    ['cut off', async (file: string) => await truncate(file, 50)],
    ['with one byte changed', changeByte],
    ['gone', async (file: string) => await rm(file)],
  ])('a checkpoint that is %s is passed over where the commits are whole', async (_, damage) => {
    const table = await aTable(12)
    const before = await table.snapshot()
    await damage(local(logFile(table.path, 10, 'checkpoint.parquet')))

    expect(await table.snapshot()).toEqual(before)
    await table.append(bench.session, `SELECT 99 AS id, 'x' AS text`, once())
    expect((await table.snapshot())?.rowCount).toBe(12 * 20 + 1)
  })

  test('a damaged checkpoint without the commits before it is told', async () => {
    const table = await aTable(12)
    const file = logFile(table.path, 10, 'checkpoint.parquet')
    await changeByte(local(file))
    await rm(local(logFile(table.path, 4, 'json')))

    expect(lackingIn(await failureOf(table.snapshot()), table.path, file)).toEqual([])
  })
})

/** A lake whose user dies when it would commit. */
function dying() {
  return new Proxy(bench.lake, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target)
      if (typeof value !== 'function') return value
      return (...args: unknown[]): unknown => {
        if (property === 'putIfAbsent' && String(args[0]).endsWith('.json')) throw new Error('killed')
        if (property === 'delete') throw new Error('killed')
        return Reflect.apply(value, target, args)
      }
    },
  })
}
