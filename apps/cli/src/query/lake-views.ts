import { identifier, type SqlSession } from '@cinelake/engine'
import type { Lake } from '@cinelake/lake'
import type { DeltaTable } from '@cinelake/delta'
import { refinedTable, refinedTables, rejectsTable, rejectsTables } from '../lake-tables.ts'
import { mentions } from './query-problem.ts'

/** The schema in which a query finds rejects: `_rejects.orders`. */
const REJECTS = '_rejects'

export type LakeViews = AsyncDisposable & { readonly tables: readonly string[] }

/**
 * Makes the refined tables and the rejects of a lake readable under their names, those that a query mentions: the latest version,
 * or that of `"NAME@VERSION"`. Files stay in place until it is disposed.
 */
export async function openLakeViews(lake: Lake, session: SqlSession, sql: string): Promise<LakeViews> {
  await using opening = new AsyncDisposableStack()
  const refined = await refinedTables(lake)
  const rejected = await rejectsTables(lake)
  const show = async (table: DeltaTable, as: string, version?: number) => {
    const view = await table.view(session, version === undefined ? {} : { version })
    if (view === undefined) return
    opening.use(view)
    await session.run(`CREATE VIEW ${as} AS SELECT * FROM ${view.relation}`)
  }
  for (const name of refined) {
    for (const version of versionsOf(sql, name)) {
      await show(refinedTable(lake, name), identifier(`${name}@${version}`), version)
    }
    if (mentions(sql, name)) await show(refinedTable(lake, name), identifier(name))
  }
  await session.run(`CREATE SCHEMA ${REJECTS}`)
  for (const name of rejected) {
    if (mentions(sql, name)) await show(rejectsTable(lake, name), `${REJECTS}.${identifier(name)}`)
  }
  const owned = opening.move()
  return {
    tables: [...refined, ...rejected.map((name) => `${REJECTS}.${name}`)],
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  }
}

/** The versions of a table that a query names. */
function versionsOf(sql: string, name: string): Set<number> {
  const versions = new Set<number>()
  for (const [, table, version] of sql.matchAll(/"([^"@]+)@(\d{1,15})"/g)) {
    if (table?.toLowerCase() === name.toLowerCase()) versions.add(Number(version))
  }
  return versions
}
