import { discoveredFolder, TableName, type Discover, type QualityResult } from '@cinelake/contracts'
import type { Lake } from '@cinelake/lake'
import { z } from 'zod'
import { isWanted, type DatabaseSource } from './config/index.ts'
import { databaseSourceErrors, fullName } from './errors.ts'
import { parsedJson } from './parsed-json.ts'
import type { SourceDatabase } from './source-database.ts'
import { withDatabase, type DatabaseDeps } from './with-database.ts'

/** The tables that a source copies, in order of name. @throws {DATABASE_NO_TABLES} terminal: the patterns match none */
export async function discoverTables(source: DatabaseSource, deps: DatabaseDeps): Promise<TableName[]> {
  return await withDatabase(source, deps, async (database) => await listWanted(source, database))
}

/** The same, for an open database. */
export async function listWanted(source: DatabaseSource, database: SourceDatabase): Promise<TableName[]> {
  const tables = await database.tables({ views: source.views === true })
  const wanted = tables.filter((table) => isWanted(source, table))
  if (wanted.length === 0 && source.include.length > 0) {
    throw databaseSourceErrors.DATABASE_NO_TABLES(database.place, source.include, tables.length)
  }
  return wanted
}

const NAMED = 20

/** Compares the tables with those of the previous window, and stores them. No findings the first time. */
export async function findMissedTables(
  command: Discover,
  source: DatabaseSource,
  tables: readonly TableName[],
  { lake, signal }: { readonly lake: Pick<Lake, 'list' | 'put' | 'readText'>; readonly signal: AbortSignal },
): Promise<QualityResult[]> {
  const before = (await tablesBefore(command, lake, signal)).filter((table) => isWanted(source, table))
  await lake.put(pathOf(command), JSON.stringify({ tables }), { signal })
  const names = new Set(tables.map(fullName))
  const gone = before.filter((table) => !names.has(fullName(table)))
  return before.length === 0 ? [] : [stillThere(before.length, gone)]
}

function stillThere(checked: number, gone: readonly TableName[]): QualityResult {
  const named = gone.slice(0, NAMED).map(fullName).join(', ')
  const more = gone.length > NAMED ? ` and ${gone.length - NAMED} more` : ''
  return {
    rule: 'tables_still_there',
    severity: 'warn',
    checked,
    failed: gone.length,
    detail:
      gone.length === 0
        ? `all ${checked} tables of the window before are there`
        : `expected the ${checked} tables of the window before, gone are ${named}${more}; what was copied of them stays as it is`,
  }
}

async function tablesBefore(
  command: Discover,
  lake: Pick<Lake, 'list' | 'readText'>,
  signal: AbortSignal,
): Promise<readonly TableName[]> {
  const own = pathOf(command)
  let latest: string | undefined
  for await (const { path } of lake.list(folderOf(command), { signal })) {
    // In order of name, which is chronological.
    if (path < own) latest = path
  }
  const text = latest === undefined ? undefined : await lake.readText(latest, { signal })
  return parsedJson(text, Found)?.tables ?? []
}

const Found = z.object({ tables: z.array(TableName) })

const folderOf = ({ pipeline, source }: Discover) => discoveredFolder(pipeline.name, source)
const pathOf = (command: Discover) => `${folderOf(command)}/${command.window.label}.json`
