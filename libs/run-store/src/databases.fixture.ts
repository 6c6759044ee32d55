import { silentLog } from '@cinelake/core'
import { findMssql, startMssqlEndpoint } from '@cinelake/testkit/mssql'
import { findPostgres } from '@cinelake/testkit/postgres'
import type { Database } from '@cinelake/warehouse'
import { openDatabase } from '@cinelake/warehouse/open'
import { sql } from 'kysely'
import type { OpsSchema } from './schema/tables.ts'

/** One embedded database for all tests of a file. */
export async function embeddedDatabase(): Promise<Database<OpsSchema>> {
  return await openAt('pglite:')
}

/** Takes the run history out of an embedded database. */
export async function emptied({ db }: Database<OpsSchema>): Promise<void> {
  await sql`DROP SCHEMA IF EXISTS ops CASCADE`.execute(db)
}

/** An empty database, as several replicas see it. */
export type EmptyDatabase = AsyncDisposable & { open(): Promise<Database<OpsSchema>> }

export type OpsDatabase = {
  /** With the reason, where the tests on it are skipped. */
  readonly name: string
  readonly open: (() => Promise<EmptyDatabase>) | undefined
}

/** Every kind of database that the run history may be kept in. */
export async function opsDatabases(): Promise<AsyncDisposable & { readonly databases: readonly OpsDatabase[] }> {
  await using opening = new AsyncDisposableStack()
  const postgres = await findPostgres()
  const mssql = await findMssql()
  if (postgres.server !== undefined) opening.use(postgres.server)
  if (mssql.server !== undefined) opening.use(mssql.server)
  const pglite = opening.use(await openAt('pglite:'))
  const endpoint = opening.use(await startMssqlEndpoint())
  const databases = [
    { name: 'PGlite', open: async () => await emptyPglite(pglite) },
    served('PostgreSQL', postgres),
    {
      name: 'SQL Server, SDK protocol tests against the loopback endpoint',
      async open() {
        await endpoint.reset()
        return serving({ url: endpoint.url, async [Symbol.asyncDispose]() {} })
      },
    },
    served('SQL Server', mssql),
  ]
  const owned = opening.move()
  return { databases, [Symbol.asyncDispose]: async () => await owned.disposeAsync() }
}

type Addressed = AsyncDisposable & { readonly url: string }
type Found = {
  readonly server?: { createDatabase(): Promise<Addressed> } | undefined
  readonly missing?: string | undefined
}

function served(name: string, { server, missing }: Found): OpsDatabase {
  if (server === undefined) return { name: `${name} (${missing})`, open: undefined }
  return { name, open: async () => serving(await server.createDatabase()) }
}

function serving(database: Addressed): EmptyDatabase {
  return {
    open: async () => await openAt(database.url),
    [Symbol.asyncDispose]: async () => await database[Symbol.asyncDispose](),
  }
}

/** One process has it, and its replicas share one connection. */
async function emptyPglite(database: Database<OpsSchema>): Promise<EmptyDatabase> {
  await emptied(database)
  return { open: async () => ({ ...database, async [Symbol.asyncDispose]() {} }), async [Symbol.asyncDispose]() {} }
}

async function openAt(url: string): Promise<Database<OpsSchema>> {
  const credential = async () => {
    throw new Error('no token was to be asked for')
  }
  return await openDatabase<OpsSchema>({ url }, { credential, log: silentLog })
}
