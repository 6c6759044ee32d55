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
import { releaseLock, requireLock } from './locks.ts'
import type { MssqlParameter, MssqlSession } from './session.ts'

const ISOLATION = {
  'read uncommitted': ISOLATION_LEVEL.READ_UNCOMMITTED,
  'read committed': ISOLATION_LEVEL.READ_COMMITTED,
  'repeatable read': ISOLATION_LEVEL.REPEATABLE_READ,
  serializable: ISOLATION_LEVEL.SERIALIZABLE,
  snapshot: ISOLATION_LEVEL.SNAPSHOT,
}

export type MssqlSessions = {
  readonly location: string
  acquire(): Promise<MssqlSession>
  release(session: MssqlSession): void
}

type Translate = (error: unknown) => unknown

/**
 * Kysely on sessions that loads share. Kysely's own driver sends instants as `datetime`, which keeps no exact
 * milliseconds, and tells of a deadlock only that there was no transaction to roll back; hence this one.
 */
export function createMssqlDialect(sessions: MssqlSessions, translate: Translate): Dialect {
  return {
    createAdapter: () => new LockingAdapter(sessions.location),
    createDriver: () => createDriver(sessions, translate),
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

async function onSession(db: Kysely<unknown>, work: (session: MssqlSession) => Promise<void>): Promise<void> {
  await db.getExecutor().provideConnection(async (connection) => {
    if (connection instanceof MssqlConnection) await work(connection.session)
  })
}

class MssqlConnection implements DatabaseConnection {
  readonly session: MssqlSession
  readonly #translate: Translate

  constructor(session: MssqlSession, translate: Translate) {
    this.session = session
    this.#translate = translate
  }

  async executeQuery<Row>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Row>> {
    return await translated(this.#translate, async () => {
      const { rows, rowCount } = await this.session.run<Row>(sql, parameters as readonly MssqlParameter[])
      return { rows: [...rows], numAffectedRows: BigInt(rowCount) }
    })
  }

  async *streamQuery<Row>(query: CompiledQuery): AsyncIterableIterator<QueryResult<Row>> {
    yield await this.executeQuery<Row>(query)
  }
}

function createDriver(sessions: MssqlSessions, translate: Translate): Driver {
  const sessionOf = (connection: DatabaseConnection) => (connection as MssqlConnection).session
  const on = async (connection: DatabaseConnection, work: (session: MssqlSession) => Promise<void>) =>
    await translated(translate, async () => await work(sessionOf(connection)))
  return {
    async init() {},
    acquireConnection: async () =>
      await translated(translate, async () => new MssqlConnection(await sessions.acquire(), translate)),
    beginTransaction: async (connection, { isolationLevel }: TransactionSettings) =>
      await on(connection, (session) => session.begin(isolationLevel && ISOLATION[isolationLevel])),
    commitTransaction: async (connection) => await on(connection, (session) => session.commit()),
    rollbackTransaction: async (connection) => await on(connection, (session) => session.rollback()),
    releaseConnection: async (connection) => sessions.release(sessionOf(connection)),
    // The sessions belong to the database.
    async destroy() {},
  }
}

async function translated<Result>(translate: Translate, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    throw translate(error)
  }
}
