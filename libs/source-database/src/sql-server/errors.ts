import { CancelledError, PipelineError } from '@cinelake/core'
import { isTransientMssqlFault, mssqlFaultOf } from '@cinelake/warehouse'
import { ConnectionError } from 'tedious'
import type { TranslateOptions } from '../database-calls.ts'
import {
  DatabaseLoginRefusedError,
  DatabaseMissingError,
  DatabasePermissionError,
  DatabaseQueryError,
  DatabaseQueryRefusedError,
  DatabaseTlsError,
  DatabaseUnavailableError,
  type DatabasePlace,
} from '../errors.ts'

/** Numbers of SQL Server's errors by what they mean for a copy. Source: `sys.messages`. */
const REFUSED_LOGINS: ReadonlySet<number> = new Set([18452, 18456, 18470, 18486, 18487, 18488, 40532])
/** Azure SQL does not let the client's address in. */
const FIREWALL = 40615
const MISSING_DATABASES: ReadonlySet<number> = new Set([911, 4060])
const MISSING_PERMISSIONS: ReadonlySet<number> = new Set([229, 230, 262, 297, 300, 916])
/** What the query names is not there, or cannot be had of this type. */
const OF_THE_QUERY: ReadonlySet<number> = new Set([102, 105, 156, 206, 207, 208, 402, 403, 529, 4104, 4121, 33299])
/** Texts of these quote values of rows. */
const OF_ROWS: ReadonlySet<number> = new Set([
  220, 232, 241, 242, 244, 245, 248, 529, 6522, 8114, 8115, 8134, 9420, 9803,
])

/** The driver's or the server's error as one of ours. Texts of the server about rows are not passed on. */
export function translateMssqlError(
  error: unknown,
  place: DatabasePlace,
  doing: string,
  { signal, remedy }: TranslateOptions,
): unknown {
  if (error instanceof PipelineError) return error
  if (signal.aborted) return new CancelledError(doing, { cause: error })
  const fault = mssqlFaultOf(error)
  const cause = { cause: error }
  if (fault === undefined) {
    if (error instanceof ConnectionError)
      return new DatabaseUnavailableError(place, error.code ?? 'no usable answer', cause)
    const isLost = error instanceof Error && /terminated|closed/i.test(error.message)
    return isLost ? new DatabaseUnavailableError(place, 'connection lost', cause) : error
  }
  const { number, code } = fault
  if (fault.certificate || code === 'EENCRYPT') return new DatabaseTlsError(place, code ?? 'certificate', cause)
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
  if (REFUSED_LOGINS.has(number)) return new DatabaseLoginRefusedError(place, state, remedy, cause)
  if (MISSING_DATABASES.has(number)) return new DatabaseMissingError(place, cause)
  if (MISSING_PERMISSIONS.has(number)) return new DatabasePermissionError(place, doing, cause)
  if (OF_ROWS.has(number)) return new DatabaseQueryRefusedError(place, doing, state)
  if (OF_THE_QUERY.has(number)) return new DatabaseQueryRefusedError(place, doing, state, cause)
  if (isTransientMssqlFault(fault)) return new DatabaseUnavailableError(place, state, cause)
  // For whatever reason: no default database, a logon trigger.
  if (code === 'ELOGIN') return new DatabaseLoginRefusedError(place, state, remedy, cause)
  return new DatabaseQueryError(place, doing, state, cause)
}
