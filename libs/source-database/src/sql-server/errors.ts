import { CancelledError, PipelineError } from '@cinelake/core'
import { faultOf, isRefusedLogin, isTransient } from '@cinelake/database/sql-server'
import { ConnectionError } from 'tedious'
import type { TranslateOptions } from '../database-calls.ts'
import {
  DatabaseLoginRefusedError,
  databaseSourceErrors,
  DatabaseUnavailableError,
  type DatabasePlace,
} from '../errors.ts'

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

/** Translates an error of the driver or the server. Texts of the server about rows are not passed on. */
export function translateMssqlError(
  error: unknown,
  place: DatabasePlace,
  doing: string,
  { signal, remedy }: TranslateOptions,
): unknown {
  if (error instanceof PipelineError) return error
  if (signal.aborted) return new CancelledError(doing, { cause: error })
  const fault = faultOf(error)
  const cause = { cause: error }
  if (fault === undefined) {
    if (error instanceof ConnectionError)
      return new DatabaseUnavailableError(place, error.code ?? 'no usable answer', cause)
    const isLost = error instanceof Error && /terminated|closed/i.test(error.message)
    return isLost ? new DatabaseUnavailableError(place, 'connection lost', cause) : error
  }
  const { number, code } = fault
  if (fault.certificate || code === 'EENCRYPT')
    return databaseSourceErrors.DATABASE_TLS_REFUSED(place, code ?? 'certificate', cause)
  if (number === undefined) {
    if (code === 'ELOGIN') return new DatabaseLoginRefusedError(place, code, remedy, cause)
    return new DatabaseUnavailableError(place, code ?? 'connection lost', cause)
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
  if (isTransient(fault)) return new DatabaseUnavailableError(place, state, cause)
  // For any other reason: no default database, a logon trigger.
  if (code === 'ELOGIN') return new DatabaseLoginRefusedError(place, state, remedy, cause)
  return databaseSourceErrors.DATABASE_QUERY_FAILED(place, doing, state, cause)
}
