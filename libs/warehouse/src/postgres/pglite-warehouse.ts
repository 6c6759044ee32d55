import { identifier } from '@cinelake/sql'
import type { EmbeddedPostgres, EmbeddedSession, PgliteDatabase } from '@cinelake/database/pglite'
import { randomUUID } from 'node:crypto'
import type { Warehouse, WarehouseOptions, WarehouseValue } from '../warehouse.ts'
import { hasMart, warehouseIn } from './warehouse.ts'
import { martSchemas, requireReader } from './reader.ts'
import type { PostgresSessions, Queries, ReadSession } from './session.ts'
import { LOADER } from './sql.ts'

/** A session of the mart server could change its role by this function; such statements are not forwarded. */
const KEEP_ROLE = 'REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC'

/** The embedded warehouse. The database stays the caller's: disposing the warehouse does not close it. */
export async function createPgliteWarehouse(
  database: Pick<PgliteDatabase<unknown>, 'pglite' | 'location'>,
  { isReadOnly }: WarehouseOptions = {},
): Promise<Warehouse> {
  const sessions = pgliteSessions(database)
  if (isReadOnly === true && !(await hasMart(sessions))) return await warehouseIn(sessions, { isReadOnly })
  // What reading needs is made, where there is a mart: one process has the directory.
  if (isReadOnly !== true) await removeLeftovers(database.pglite)
  const warehouse = await warehouseIn(sessions)
  // Other processes that read beside this one cannot make it.
  await requireReader(sessions, await martSchemas(sessions.queries))
  await database.pglite.exec(KEEP_ROLE)
  return warehouse
}

/** Others wait while one COPY runs, about 10 ms. */
const PIECE_CHARACTERS = 1_000_000

/** What is half-filled begins with it. */
const STAGING = 'staging_'

const STAGING_TABLES = `SELECT tablename AS name FROM pg_tables WHERE schemaname = '${LOADER}' AND tablename LIKE 'staging\\_%'`

/** A transaction blocks the one session: a load fills its table in pieces. Exported for tests. */
export function pgliteSessions({
  pglite,
  location,
}: Pick<PgliteDatabase<unknown>, 'pglite' | 'location'>): PostgresSessions {
  return {
    location,
    pieceCharacters: PIECE_CHARACTERS,
    queries: queriesOf(pglite),
    async load(_schema, work) {
      const stagings: string[] = []
      try {
        return await work({
          ...queriesOf(pglite),
          stagingSchema: LOADER,
          newStaging() {
            const name = `${STAGING}${randomUUID().replaceAll('-', '')}`
            stagings.push(name)
            return name
          },
          copy: async (table, columns, text) => await copy(pglite, table, columns, text),
          publish: async (publish) =>
            await pglite.transaction(async (transaction) => await publish(queriesOf(transaction))),
        })
      } finally {
        for (const name of stagings) await pglite.exec(dropStaging(name))
      }
    },
    read: async (work, { searchPath, signal }) =>
      await pglite.transaction(async (transaction) => {
        await transaction.exec(`SET TRANSACTION READ ONLY; SET LOCAL search_path = ${searchPath}`)
        const result = await work(readSession(transaction))
        await transaction.rollback()
        return result
      }, signal),
    async tidy(table) {
      // The embedded database has no background process that would clear away the old rows.
      await pglite.exec(`VACUUM ${table}`)
    },
  }
}

/** One process has the database: whatever is there half-filled belongs to one that was killed. */
async function removeLeftovers(pglite: EmbeddedPostgres): Promise<void> {
  const left = await pglite.query<{ name: string }>(STAGING_TABLES)
  for (const { name } of left.rows) await pglite.exec(dropStaging(name))
}

function dropStaging(name: string): string {
  return `DROP TABLE IF EXISTS ${LOADER}.${identifier(name)}`
}

function queriesOf(connection: Pick<EmbeddedSession, 'exec' | 'query'>): Queries {
  return {
    async exec(sql) {
      await connection.exec(sql)
    },
    query: async <Row>(sql: string, values: readonly unknown[] = []) => (await connection.query<Row>(sql, values)).rows,
  }
}

async function copy(
  pglite: EmbeddedPostgres,
  table: string,
  columns: string,
  text: AsyncIterable<string>,
): Promise<number> {
  for await (const lines of text) {
    await pglite.query(`COPY ${table} (${columns}) FROM '/dev/blob'`, [], { copyText: lines })
  }
  const { rows } = await pglite.query<{ count: number }>(`SELECT count(*)::float8 AS count FROM ${table}`)
  return rows[0]?.count ?? 0
}

function readSession(session: EmbeddedSession): ReadSession {
  return {
    run: async (sql) => (await session.query<WarehouseValue[]>(sql, [], { rowMode: 'array', timesAsText: true })).rows,
    describe: async (sql) =>
      (await session.describe(sql)).map(({ name, dataTypeID }) => ({ name, typeId: dataTypeID })),
  }
}
