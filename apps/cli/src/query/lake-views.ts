import { identifier } from '@cinelake/sql'
import type { SqlSession } from '@cinelake/engine'
import type { Lake } from '@cinelake/lake'
import type { DeltaTable } from '@cinelake/delta'
import {
  refinedTable,
  refinedTables,
  rejectsTable,
  rejectsTables,
  type IsMeant,
  type LakeTable,
} from '../lake-tables.ts'
import { mentions, type LakeName } from './query-problem.ts'

/** The schema of rejects in queries: `_rejects.orders`. */
const REJECTS = '_rejects'

/** The tables that a query may refer to. */
export function mentionedIn(sql: string): IsMeant {
  return ({ table, isRejects }) =>
    isRejects ? mentions(sql, REJECTS) && mentions(sql, table) : mentions(sql, table) || versionsOf(sql, table).size > 0
}

export type LakeViews = AsyncDisposable & { readonly names: readonly LakeName[] }

/**
 * Creates views for the refined tables and the rejects of a lake that a query mentions: of the latest version, or that
 * of `"NAME@VERSION"`. A name that several pipelines have needs its pipeline: `PIPELINE.NAME`,
 * `_rejects."PIPELINE.NAME"`. Files stay in place until it is disposed.
 */
export async function openLakeViews(lake: Lake, session: SqlSession, sql: string): Promise<LakeViews> {
  await using opening = new AsyncDisposableStack()
  const refined = await refinedTables(lake)
  const rejected = await rejectsTables(lake)
  const show = async (table: DeltaTable, as: string, version?: number) => {
    const view = await table.view(session, version === undefined ? {} : { version })
    if (view === undefined) return
    opening.use(view)
    await session.run(`CREATE OR REPLACE VIEW ${as} AS SELECT * FROM ${view.relation}`)
  }
  for (const each of refined) {
    const { pipeline, table } = each
    const versions = [...versionsOf(sql, table), ...(mentions(sql, table) ? [undefined] : [])]
    if (versions.length === 0) continue
    const isWithPipeline = mentions(sql, pipeline)
    if (isWithPipeline) await session.run(`CREATE SCHEMA IF NOT EXISTS ${identifier(pipeline)}`)
    for (const version of versions) {
      const name = identifier(version === undefined ? table : `${table}@${version}`)
      if (isWithPipeline) await show(await refinedTable(lake, each), `${identifier(pipeline)}.${name}`, version)
      if (!isShared(each, refined)) await show(await refinedTable(lake, each), `main.${name}`, version)
    }
  }
  await session.run(`CREATE SCHEMA ${REJECTS}`)
  for (const each of rejected) {
    const { pipeline, table } = each
    if (!mentions(sql, table)) continue
    const name = isShared(each, rejected) ? `${pipeline}.${table}` : table
    await show(await rejectsTable(lake, each), `${REJECTS}.${identifier(name)}`)
  }
  const owned = opening.move()
  return {
    names: [
      ...refined.map((each) => nameOf(each, refined, false)),
      ...rejected.map((each) => nameOf(each, rejected, true)),
    ],
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  }
}

/** Names are compared case-insensitively, as the engine does. */
function isShared({ pipeline, table }: LakeTable, tables: readonly LakeTable[]): boolean {
  return tables.some((other) => other.pipeline !== pipeline && other.table.toLowerCase() === table.toLowerCase())
}

function nameOf(each: LakeTable, tables: readonly LakeTable[], isOfRejects: boolean): LakeName {
  const { pipeline, table } = each
  const shared = isShared(each, tables)
  const written = isOfRejects
    ? `${REJECTS}.${asWritten(shared ? `${pipeline}.${table}` : table)}`
    : `${shared ? `${asWritten(pipeline)}.` : ''}${asWritten(table)}`
  return { written, table, isShared: shared, isOfRejects }
}

function asWritten(name: string): string {
  return /^[a-z_]\w*$/i.test(name) ? name : identifier(name)
}

/** The versions of a table that a query names. */
function versionsOf(sql: string, name: string): Set<number> {
  const versions = new Set<number>()
  for (const [, table, version] of sql.matchAll(/"([^"@]+)@(\d{1,15})"/g)) {
    if (table?.toLowerCase() === name.toLowerCase()) versions.add(Number(version))
  }
  return versions
}
