import { sql, type Kysely } from 'kysely'
import { createDeltaTable } from '../libs/delta/src/index.ts'
import { createDuckDbEngine } from '../libs/engine/src/duckdb/duckdb.ts'
import { createDirectoryLake } from '../libs/lake/src/directory/lake.ts'
import type { Lake } from '../libs/lake/src/index.ts'
import { openPgliteDatabase } from '../libs/warehouse/src/pglite.ts'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** Rows and a digest of them that does not depend on their order. */
type Content = { readonly rows: number; readonly digest: string }

export type StateContent = {
  /** Refined tables and rejects, by lake path. */
  readonly refined: Readonly<Record<string, Content>>
  /** By name, those of other schemas than `mart` by schema and name. */
  readonly mart: Readonly<Record<string, Content>>
  /** `<run> <task>`: its balance as text. */
  readonly balances: Readonly<Record<string, string>>
}

/** What a state directory of the embedded platform holds for its readers, in a form that can be compared. */
export async function contentOf(state: string): Promise<StateContent> {
  await using lake = await createDirectoryLake(path.join(state, 'lake'))
  await using database = await openPgliteDatabase<unknown>(path.join(state, 'warehouse'))
  return await contentIn(lake, database.db)
}

/** The same of a platform's lake and its PostgreSQL, whichever they are. */
export async function contentIn<Schema>(lake: Lake, db: Kysely<Schema>): Promise<StateContent> {
  const refined = await refinedContent(lake)
  const tables = await sql<{ schema: string; name: string }>`
    SELECT table_schema AS schema, table_name AS name FROM information_schema.tables
    WHERE table_schema NOT IN ('ops', 'loader', 'information_schema', 'pg_catalog') ORDER BY 1, 2`.execute(db)
  const mart: Record<string, Content> = {}
  for (const { schema, name } of tables.rows) {
    const table = sql.id(schema, name)
    const { rows } = await sql<Content>`
      SELECT count(*)::int AS rows, coalesce(md5(string_agg(t::text, chr(10) ORDER BY t::text COLLATE "C")), '') AS digest
      FROM ${table} t`.execute(db)
    mart[schema === 'mart' ? name : `${schema}.${name}`] = rows[0] ?? { rows: 0, digest: '' }
  }
  const { rows } = await sql<{ task: string; balance: string }>`
    SELECT run || ' ' || task AS task,
           concat_ws(' ', state, balance_unit, count_in, count_out, count_rejected, count_duplicates) AS balance
    FROM ops.tasks ORDER BY 1`.execute(db)
  return { refined, mart, balances: Object.fromEntries(rows.map(({ task, balance }) => [task, balance])) }
}

const FIRST_COMMIT = '/_delta_log/00000000000000000000.json'

async function refinedContent(lake: Lake): Promise<Record<string, Content>> {
  await using engine = await createDuckDbEngine({
    memoryBytes: 512 * 1024 * 1024,
    threads: 2,
    scratchDirectory: path.join(tmpdir(), 'cinelake'),
    directories: lake.localDirectories,
  })
  await using session = await engine.session()
  const contents: Record<string, Content> = {}
  for await (const object of lake.list('refined')) {
    if (!object.path.endsWith(FIRST_COMMIT)) continue
    const table = object.path.slice(0, -FIRST_COMMIT.length)
    await using view = await createDeltaTable({ lake, path: table, clock: () => new Date() }).view(session)
    const [content] = await session.rows<{ rows: number; digest: string }>(
      `SELECT count(*) AS rows, coalesce(sum(hash(t)), 0)::VARCHAR AS digest FROM ${view?.relation} t`,
    )
    contents[table] = { rows: Number(content?.rows), digest: String(content?.digest) }
  }
  return contents
}
