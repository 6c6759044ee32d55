import type { TableName } from '@cinelake/contracts'
import { isWanted, type DatabaseSource } from '../config/index.ts'
import { NoTablesError } from '../errors.ts'
import type { SourceDatabase } from '../source-database.ts'
import { withDatabase, type DatabaseDeps } from '../with-database.ts'

/**
 * The tables of a database that its source copies, including views if declared, in order of name.
 * @throws {NoTablesError} terminal: the declared patterns match no table, which is certainly a mistake
 */
export async function discoverTables(source: DatabaseSource, deps: DatabaseDeps): Promise<TableName[]> {
  return await withDatabase(source, deps, async (database) => await listWanted(source, database))
}

/** The same, for an open database. */
export async function listWanted(source: DatabaseSource, database: SourceDatabase): Promise<TableName[]> {
  const tables = await database.tables({ views: source.views === true })
  const wanted = tables.filter((table) => isWanted(source, table))
  if (wanted.length === 0 && source.include.length > 0) {
    throw new NoTablesError(database.place, source.include, tables.length)
  }
  return wanted
}
