import { openRunHistory } from '@cinelake/run-store'
import { sql } from 'kysely'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { emptied, given, openDatabase, runDay } from '../test/given.ts'

const database = await openDatabase()
afterAll(() => database[Symbol.asyncDispose]())
beforeEach(() => emptied(database))

const schemas = async () =>
  (await sql<{ nspname: string }>`SELECT nspname FROM pg_namespace WHERE nspname = 'ops'`.execute(database.db)).rows
const steps = async () =>
  (await sql<{ name: string }>`SELECT name FROM ops.kysely_migration ORDER BY name`.execute(database.db)).rows

test('runs are read with their tasks, and pipelines by name, while a scheduler works on them', async () => {
  await using it = await given(database)
  await runDay(it.scheduler)

  const history = await openRunHistory(database)

  expect(await history.run('shop@2026-03-01')).toEqual(await it.scheduler.run('shop@2026-03-01'))
  expect((await history.runs({ state: 'succeeded', pipeline: 'shop' })).map(({ id }) => id)).toEqual([
    'shop@2026-03-01',
  ])
  expect(await history.runs({ state: 'failed' })).toEqual([])
  expect(await history.pipelines()).toEqual(['shop'])
  expect(await history.agents()).toEqual([])
  const known = await it.scheduler.knownTables('shop', ['orders'])
  expect(known).not.toEqual([])
  expect(await history.knownTables()).toEqual(
    expect.arrayContaining(known.map((one) => ({ ...one, pipeline: 'shop' }))),
  )
})

test('where there is none this is told, and none is made', async () => {
  await expect(openRunHistory(database)).rejects.toMatchObject({ code: 'OPS_MISSING', retryable: false })

  expect(await schemas()).toEqual([])
})

test('a history that was not migrated to this version is told, and not migrated', async () => {
  await using _ = await given(database)
  await sql`DELETE FROM ops.kysely_migration WHERE name = '0004_pipeline_origin'`.execute(database.db)
  await sql`DROP TABLE ops.owner, ops.pipeline_origins`.execute(database.db)
  const before = await steps()

  await expect(openRunHistory(database)).rejects.toMatchObject({
    code: 'OPS_SCHEMA_OLD',
    message: expect.stringMatching(/missing=0004_pipeline_origin.*the scheduler has not migrated yet; start/),
  })

  expect(await steps()).toEqual(before)
})

test('a history of a newer version is told', async () => {
  await using _ = await given(database)
  await sql`INSERT INTO ops.kysely_migration (name, timestamp) VALUES ('9999_of_tomorrow', '2099-01-01')`.execute(
    database.db,
  )

  await expect(openRunHistory(database)).rejects.toMatchObject({ code: 'OPS_SCHEMA_NEW' })
})

test('a refusal of the database is told in words, not as SQL', async () => {
  await using _ = await given(database)
  await sql`ALTER TABLE ops.runs RENAME TO elsewhere`.execute(database.db)
  const history = await openRunHistory(database)

  await expect(history.runs()).rejects.toMatchObject({
    code: 'OPS_NOT_READABLE',
    message: expect.stringContaining('the run history cannot be read'),
  })
})
