// @module-tag slow: needs a server or a container
import { until } from '@cinelake/testkit'
import { findPostgres } from '@cinelake/testkit/postgres'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { postgresObjectsContract } from '../contract/postgres-objects-contract.ts'
import { postgresReaderContract } from '../contract/postgres-reader-contract.ts'
import { openWarehouse, type Opened } from './postgres.fixture.ts'
import { addSchema, LOCK_SET_UP } from './sql.ts'
import { createPostgresWarehouse } from './postgres.ts'
import { limitsContract } from '../contract/limits-contract.ts'
import { warehouseContract } from '../contract/warehouse-contract.ts'
import { POSTGRES_LIMITS } from './limits.ts'

const { server, missing } = await findPostgres()
afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
})
const reason = missing === undefined ? '' : ` (${missing})`

describe.skipIf(server === undefined)(`a PostgreSQL server${reason}`, () => {
  let opened: Opened
  beforeAll(async () => {
    opened = await openWarehouse(server!)
  })
  afterAll(async () => {
    await opened[Symbol.asyncDispose]()
  })

  const open = async () => {
    const { database, sql } = opened
    await sql('DROP SCHEMA IF EXISTS mart, loader, shop, common CASCADE')
    const warehouse = await createPostgresWarehouse(database)
    return { warehouse, sql, [Symbol.asyncDispose]: async () => await warehouse[Symbol.asyncDispose]() }
  }
  warehouseContract('postgres', open)
  limitsContract(open, POSTGRES_LIMITS)
  postgresObjectsContract('postgres', open)
  postgresReaderContract('postgres', open)

  test('a schema that another session makes meanwhile is not made again by one that had looked for it before', async () => {
    await using place = await server!.createDatabase()
    const [one, other] = [new Client(place.url), new Client(place.url)]
    await Promise.all([one.connect(), other.connect()])
    try {
      await one.query('CREATE SCHEMA mart')
      await other.query('CREATE TABLE seen (); DROP TABLE seen')
      const { rows: before } = await other.query(`SELECT to_regnamespace('shop') AS found`)
      await one.query(`BEGIN; ${LOCK_SET_UP}; CREATE SCHEMA shop`)
      const made = other.query(`${LOCK_SET_UP}; ${addSchema('shop')}`)
      const waiting = `SELECT count(*)::int AS count FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`
      await until('it waits', async () => (await one.query<{ count: number }>(waiting)).rows[0]?.count === 1)
      await one.query('COMMIT')

      await made

      expect(before).toEqual([{ found: null }])
    } finally {
      await Promise.all([one.end(), other.end()])
    }
  })
})
