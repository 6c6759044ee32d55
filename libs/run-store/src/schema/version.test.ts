import { sql } from 'kysely'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { embeddedDatabase, emptied } from '../databases.fixture.ts'
import { prepareSchema } from './version.ts'

const database = await embeddedDatabase()
afterAll(() => database[Symbol.asyncDispose]())
beforeEach(() => emptied(database))

test('a schema that is not there is made, or refused where somebody else is to make it', async () => {
  await expect(prepareSchema(database.db, 'check')).rejects.toMatchObject({ code: 'OPS_SCHEMA_OLD', retryable: false })

  await prepareSchema(database.db, 'auto')

  await prepareSchema(database.db, 'check')
  await prepareSchema(database.db, 'auto')
})

test('looking changes nothing', async () => {
  await expect(prepareSchema(database.db, 'check')).rejects.toThrow('too old')
  const { rows } = await sql`SELECT 1 FROM pg_namespace WHERE nspname = 'ops'`.execute(database.db)
  expect(rows).toEqual([])
})

test.each(['auto', 'check'] as const)('one that a newer version has migrated is refused (%s)', async (migrate) => {
  await prepareSchema(database.db, 'auto')
  await sql`INSERT INTO ops.kysely_migration (name, timestamp) VALUES ('9999_of_tomorrow', '2099-01-01')`.execute(
    database.db,
  )

  await expect(prepareSchema(database.db, migrate)).rejects.toMatchObject({
    code: 'OPS_SCHEMA_NEW',
    message: expect.stringContaining('9999_of_tomorrow'),
  })
})
