import { faultOf, isRefusedLogin, isTransient } from '@cinelake/database/sql-server'
import { ConnectionError } from 'tedious'
import { DatabaseLoginRefusedError, databaseSourceErrors } from '../errors.ts'
import type { FailedCall } from '../technology.ts'

// SQL Server's error numbers by their meaning for a copy. Source: `sys.messages`.

/** The firewall of Azure SQL blocks the client's address. */
const FIREWALL = 40615
const MISSING_DATABASES: ReadonlySet<number> = new Set([911, 4060])
const MISSING_PERMISSIONS: ReadonlySet<number> = new Set([229, 230, 262, 297, 300, 916])
/** The query names an object that does not exist, or an operation that its type does not support. */
const OF_THE_QUERY: ReadonlySet<number> = new Set([102, 105, 156, 206, 207, 208, 402, 403, 529, 4104, 4121, 33299])
/** Their texts quote values of rows. */
const OF_ROWS: ReadonlySet<number> = new Set([
  220, 232, 241, 242, 244, 245, 248, 529, 6522, 8114, 8115, 8134, 9420, 9803,
])

/** Texts of the server about rows are not passed on. @returns what was thrown, when it is not the driver's */
export function translateMssqlError(error: unknown, { place, doing, remedy }: FailedCall): unknown {
  const fault = faultOf(error)
  const cause = { cause: error }
  if (fault === undefined) {
    if (error instanceof ConnectionError)
      return databaseSourceErrors.DATABASE_UNAVAILABLE(place, error.code ?? 'no usable answer', cause)
    const isLost = error instanceof Error && /terminated|closed/i.test(error.message)
    return isLost ? databaseSourceErrors.DATABASE_UNAVAILABLE(place, 'connection lost', cause) : error
  }
  const { number, code } = fault
  if (fault.certificate || code === 'EENCRYPT')
    return databaseSourceErrors.DATABASE_TLS_REFUSED(place, code ?? 'certificate', cause)
  if (number === undefined) {
    if (code === 'ELOGIN') return new DatabaseLoginRefusedError(place, code, remedy, cause)
    return databaseSourceErrors.DATABASE_UNAVAILABLE(place, code ?? 'connection lost', cause)
  }
  const state = `mssql ${number}`
  if (number === FIREWALL) {
    return new DatabaseLoginRefusedError(
      place,
      state,
      "let this machine's address through the server's firewall",
      cause,
    )
  }
  if (isRefusedLogin(fault)) return new DatabaseLoginRefusedError(place, state, remedy, cause)
  if (MISSING_DATABASES.has(number)) return databaseSourceErrors.DATABASE_MISSING(place, cause)
  if (MISSING_PERMISSIONS.has(number)) return databaseSourceErrors.DATABASE_PERMISSION_MISSING(place, doing, cause)
  if (OF_ROWS.has(number)) return databaseSourceErrors.DATABASE_QUERY_REFUSED(place, doing, state)
  if (OF_THE_QUERY.has(number)) return databaseSourceErrors.DATABASE_QUERY_REFUSED(place, doing, state, cause)
  if (isTransient(fault)) return databaseSourceErrors.DATABASE_UNAVAILABLE(place, state, cause)
  // For any other reason: no default database, a logon trigger.
  if (code === 'ELOGIN') return new DatabaseLoginRefusedError(place, state, remedy, cause)
  return databaseSourceErrors.DATABASE_QUERY_FAILED(place, doing, state, cause)
}
