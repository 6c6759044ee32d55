import { findPostgres } from '@cinelake/testkit/postgres'
import { afterAll, beforeAll, describe } from 'vitest'
import { postgresObjectsContract } from './contract/postgres-objects-contract.ts'
import { postgresReaderContract } from './contract/postgres-reader-contract.ts'
import { openWarehouse, type Opened } from './postgres.fixture.ts'
import { createPostgresWarehouse } from './postgres.ts'
import { warehouseContract } from './warehouse-contract.ts'

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
  postgresObjectsContract('postgres', open)
  postgresReaderContract('postgres', open)
})
