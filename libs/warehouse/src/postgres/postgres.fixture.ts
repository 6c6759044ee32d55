import type { Log } from '@cinelake/core'
import { silentLog } from '@cinelake/core'
import type { PostgresServer } from '@cinelake/testkit/postgres'
import { createPostgresWarehouse } from './postgres.ts'
import { openPostgresDatabase, type PostgresDatabase } from '@cinelake/database/postgres'
import type { Warehouse } from '../warehouse.ts'

/** An identity that must not be requested. */
export const noCredential = async () => {
  throw new Error('no credential is needed here')
}

export type Opened = AsyncDisposable & {
  readonly url: string
  readonly database: PostgresDatabase<unknown>
  readonly warehouse: Warehouse
  /** Direct SQL access to the database. */
  readonly sql: <Row>(statement: string) => Promise<Row[]>
}

/** A warehouse in a new database. */
export async function openWarehouse(
  server: PostgresServer,
  options: Parameters<typeof createPostgresWarehouse>[1] = {},
): Promise<Opened> {
  await using opening = new AsyncDisposableStack()
  const { url } = opening.use(await server.createDatabase())
  const database = opening.use(await openPostgres(url))
  const warehouse = opening.use(await createPostgresWarehouse(database, options))
  const owned = opening.move()
  const sql = async <Row>(statement: string) => (await database.pool.query(statement)).rows as Row[]
  return { url, database, warehouse, sql, [Symbol.asyncDispose]: async () => await owned.disposeAsync() }
}

export async function openPostgres(url: string, log: Log = silentLog): Promise<PostgresDatabase<unknown>> {
  return await openPostgresDatabase({ url }, { credential: noCredential, log })
}

/** What the work failed with; undefined when it did not fail. */
export async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return await work.then(
    () => undefined,
    (error: unknown) => error,
  )
}
