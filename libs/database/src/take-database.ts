import { defineErrors, transient } from '@cinelake/core'
import { tryLock } from './sql-server/locks.ts'
import type { MssqlPool } from './sql-server/pool.ts'
import type { PostgresConnections } from './postgres/database.ts'

const takingErrors = defineErrors({
  /** Another process has taken the database. */
  WAREHOUSE_TAKEN: transient((location: string) => [
    `another process runs pipelines on the database [database=${location}]: expected none, since a run continues whatever is unfinished, theirs as well; wait until it has ended, or use a database of your own`,
    { database: location },
  ]),
})

const LOCK = 'cinelake runs of one process'

/** @returns held until it is disposed, or the connection ends @throws {WAREHOUSE_TAKEN} transient */
export async function takePostgres(database: PostgresConnections): Promise<AsyncDisposable> {
  const client = await database.acquire()
  const { rows } = await client.query<{ held: boolean }>(
    'SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS held',
    [LOCK],
  )
  if (rows[0]?.held !== true) {
    client.release()
    throw takingErrors.WAREHOUSE_TAKEN(database.location)
  }
  // The lock is the connection's, and ends with it.
  return { [Symbol.asyncDispose]: async () => client.release(true) }
}

/** As `takePostgres`. */
export async function takeMssql({ pool }: { readonly pool: MssqlPool }): Promise<AsyncDisposable> {
  const taken = Promise.withResolvers<boolean>()
  const released = Promise.withResolvers<void>()
  const held = pool.use(async (session) => {
    const isHeld = await tryLock(session, LOCK, 'Session', 0)
    taken.resolve(isHeld)
    if (!isHeld) return
    await released.promise
    session.discard()
  })
  held.catch(taken.reject)
  if (!(await taken.promise)) throw takingErrors.WAREHOUSE_TAKEN(pool.location)
  return {
    async [Symbol.asyncDispose]() {
      released.resolve()
      await held
    },
  }
}
