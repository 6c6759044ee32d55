import {
  MssqlAdapter,
  MssqlIntrospector,
  MssqlQueryCompiler,
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type Kysely,
  type QueryResult,
  type TransactionSettings,
} from 'kysely'
import { ISOLATION_LEVEL } from 'tedious'
import { connectionError } from './faults.ts'
import { releaseLock, requireLock } from './locks.ts'
import type { MssqlPool } from './pool.ts'
import type { MssqlParameter, MssqlSession } from './session.ts'

const ISOLATION = {
  'read uncommitted': ISOLATION_LEVEL.READ_UNCOMMITTED,
  'read committed': ISOLATION_LEVEL.READ_COMMITTED,
  'repeatable read': ISOLATION_LEVEL.REPEATABLE_READ,
  serializable: ISOLATION_LEVEL.SERIALIZABLE,
  snapshot: ISOLATION_LEVEL.SNAPSHOT,
}

/**
 * Kysely on a pool that loads share. Kysely's own driver sends instants as `datetime`, which keeps no exact milliseconds,
 * and tells of a deadlock only that there was no transaction to roll back; hence this one.
 */
export function createMssqlDialect(pool: MssqlPool): Dialect {
  return {
    createAdapter: () => new LockingAdapter(pool.location),
    createDriver: () => createDriver(pool),
    createIntrospector: (db) => new MssqlIntrospector(db),
    createQueryCompiler: () => new MssqlQueryCompiler(),
  }
}

const MIGRATION_LOCK = 'cinelake migration'
/** As long as another replica may take for all migrations. */
const MIGRATION_PATIENCE_MS = 10 * 60_000

/** Kysely's own asks for the lock in the name of `dbo`, which only an owner of the database may. */
class LockingAdapter extends MssqlAdapter {
  readonly #location: string

  constructor(location: string) {
    super()
    this.#location = location
  }

  override async acquireMigrationLock(db: Kysely<unknown>): Promise<void> {
    await onSession(db, async (session) => {
      await requireLock(session, this.#location, MIGRATION_LOCK, 'Session', MIGRATION_PATIENCE_MS)
    })
  }

  override async releaseMigrationLock(db: Kysely<unknown>): Promise<void> {
    await onSession(db, async (session) => await releaseLock(session, MIGRATION_LOCK))
  }
}

/** Works on the very connection that a Kysely instance is bound to. */
async function onSession(db: Kysely<unknown>, work: (session: MssqlSession) => Promise<void>): Promise<void> {
  await db.getExecutor().provideConnection(async (connection) => {
    if (connection instanceof MssqlConnection) await work(connection.session)
  })
}

class MssqlConnection implements DatabaseConnection {
  readonly session: MssqlSession
  readonly #location: string

  constructor(session: MssqlSession, location: string) {
    this.session = session
    this.#location = location
  }

  async executeQuery<Row>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Row>> {
    return await translated(this.#location, async () => {
      const { rows, rowCount } = await this.session.run<Row>(sql, parameters as readonly MssqlParameter[])
      return { rows: [...rows], numAffectedRows: BigInt(rowCount) }
    })
  }

  async *streamQuery<Row>(query: CompiledQuery): AsyncIterableIterator<QueryResult<Row>> {
    yield await this.executeQuery<Row>(query)
  }
}

function createDriver(pool: MssqlPool): Driver {
  const { location } = pool
  const sessionOf = (connection: DatabaseConnection) => (connection as MssqlConnection).session
  return {
    async init() {},
    acquireConnection: async () =>
      await translated(location, async () => new MssqlConnection(await pool.acquire(), location)),
    beginTransaction: async (connection, { isolationLevel }: TransactionSettings) =>
      await translated(
        location,
        async () =>
          await sessionOf(connection).begin(isolationLevel === undefined ? undefined : ISOLATION[isolationLevel]),
      ),
    commitTransaction: async (connection) =>
      await translated(location, async () => await sessionOf(connection).commit()),
    rollbackTransaction: async (connection) =>
      await translated(location, async () => await sessionOf(connection).rollback()),
    async releaseConnection(connection) {
      pool.release(sessionOf(connection))
    },
    // The pool belongs to the database.
    async destroy() {},
  }
}

async function translated<Result>(location: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    throw connectionError(error, location)
  }
}
