import { parseAddress } from './database-address.ts'
import { DatabaseAddressError } from './errors.ts'
import { openMssql } from './sql-server/sql-server.ts'
import { openPostgres } from './postgres/postgres.ts'
import type { OpenDatabase } from './source-database.ts'

/**
 * The database that an address names, by its scheme. Nothing is connected yet.
 * @throws {DatabaseAddressError} terminal
 */
export const openDatabase: OpenDatabase = ({ source, url, ...limits }) => {
  const address = parseAddress(source, url)
  if (address.scheme === 'postgres' || address.scheme === 'postgresql')
    return openPostgres({ source, address, ...limits })
  if (address.scheme === 'mssql') return openMssql({ source, address, ...limits })
  throw new DatabaseAddressError(source, `the scheme ${address.scheme}:`)
}
