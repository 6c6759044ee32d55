import type { TableName } from '@cinelake/contracts'
import type { DatabaseDataset, DatabaseSource } from './config/index.ts'
import { listWanted } from './discover/discover-tables.ts'
import {
  CursorUnusableError,
  NoTablesError,
  SplitUnusableError,
  TableMissingError,
  TableUnusableError,
} from './errors.ts'
import type { SourceDatabase } from './source-database.ts'
import { splitColumn } from './copy/split-column.ts'
import { watermarkOf } from './watermark.ts'
import { withDatabase, type DatabaseDeps } from './with-database.ts'

/** An error of one table that says nothing about the others. */
const OF_ONE_TABLE = [CursorUnusableError, NoTablesError, SplitUnusableError, TableMissingError, TableUnusableError]

/**
 * Checks that a source's database has the declared tables and columns, and lists the tables that the patterns match.
 * No row is read.
 */
export async function checkDatabase(
  source: DatabaseSource,
  deps: DatabaseDeps,
): Promise<string | { readonly outcome: 'problem'; readonly detail: string }> {
  return await withDatabase(source, deps, async (database) => {
    const tables = new Set<string>()
    const problems: string[] = []
    const look = async (find: () => Promise<readonly TableName[]>) => {
      try {
        for (const { schema, name } of await find()) tables.add(`${schema}.${name}`)
      } catch (error) {
        if (!(error instanceof Error) || !OF_ONE_TABLE.some((kind) => error instanceof kind)) throw error
        problems.push(error.message)
      }
    }
    await look(() => listWanted(source, database))
    for (const dataset of source.datasets) await look(() => checkTable(database, source, dataset))
    if (problems.length === 0) return `answers; ${tables.size} tables to copy are to be seen`
    const [first = '', ...others] = problems
    const list = problems.map((problem) => `\n    ${problem}`).join('')
    return { outcome: 'problem', detail: others.length === 0 ? first : `${problems.length} things to fix:${list}` }
  })
}

async function checkTable(
  database: SourceDatabase,
  source: DatabaseSource,
  { table, incremental, split = source.split }: DatabaseDataset,
): Promise<readonly TableName[]> {
  const described = await database.describe(table)
  if (incremental !== undefined) {
    watermarkOf(database.place, described, [incremental.column, ...(incremental.orColumns ?? [])])
  }
  splitColumn(database.place, described, split)
  return [table]
}
