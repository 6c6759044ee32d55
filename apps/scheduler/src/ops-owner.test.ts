// @module-tag slow: takes long
import type { OpsSchema } from '@cinelake/run-store'
import { noteOwner, prepareSchema, refuseDeployed } from '@cinelake/run-store/write'
import { temporaryDirectory } from '@cinelake/testkit'
import { openPgliteDatabase } from '@cinelake/warehouse/pglite'
import { sql } from 'kysely'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { emptied, given, openDatabase } from '../test/given.ts'

const embedded = await openDatabase()
/** What a database server's run history is like: only its address says that it is one. */
const database = { ...embedded, location: 'postgres://server/cinelake' }
afterAll(() => embedded[Symbol.asyncDispose]())
beforeEach(() => emptied(database))

const NOW = new Date('2026-03-02T03:00:00Z')
const schemas = async () =>
  (await sql`SELECT nspname FROM pg_namespace WHERE nspname = 'ops'`.execute(database.db)).rows.length

describe('a process with all services in it', () => {
  test('takes a database without a run history, and looking makes none', async () => {
    await refuseDeployed(database)

    expect(await schemas()).toBe(0)
  })

  test('takes what such a process made, any time', async () => {
    await using it = await given(database, { workers: false })
    await it.start({ owner: 'embedded', adopt: true, database })

    await expect(refuseDeployed(database)).resolves.toBeUndefined()
  })

  test('is refused the run history of a deployed scheduler, before anything is migrated, sent or taken', async () => {
    await using it = await given(database, { workers: false })
    await it.start({ owner: 'deployed', database })

    await expect(it.start({ owner: 'embedded', database })).rejects.toMatchObject({
      code: 'OPS_DEPLOYED',
      message: expect.stringContaining('set CINELAKE_API'),
    })
    await expect(refuseDeployed(database, { adopt: true })).rejects.toMatchObject({ code: 'OPS_DEPLOYED' })
  })

  test('is refused one of an earlier version on a server until it is told that it may take it', async () => {
    await prepareSchema(database.db, 'auto')
    await sql`DELETE FROM ops.kysely_migration WHERE name = '0004_pipeline_origin'`.execute(database.db)
    await sql`DROP TABLE ops.owner, ops.pipeline_origins`.execute(database.db)

    await expect(refuseDeployed(database)).rejects.toMatchObject({
      code: 'OPS_OWNER_UNKNOWN',
      message: expect.stringContaining('--adopt'),
    })
    await refuseDeployed(database, { adopt: true })
  })

  test('takes one of an earlier version in a directory of its own', async () => {
    await using directory = await temporaryDirectory()
    await using own = await openPgliteDatabase<OpsSchema>(`${directory.path}/warehouse`)
    await prepareSchema(own.db, 'auto')

    await expect(refuseDeployed(own)).resolves.toBeUndefined()
  })
})

test('a scheduler that is deployed on what a machine made has it from then on', async () => {
  await prepareSchema(database.db, 'auto')
  await noteOwner(database, 'embedded', NOW)

  await Promise.all([noteOwner(database, 'deployed', NOW), noteOwner(database, 'deployed', NOW)])

  await expect(refuseDeployed(database)).rejects.toMatchObject({ code: 'OPS_DEPLOYED' })
})
