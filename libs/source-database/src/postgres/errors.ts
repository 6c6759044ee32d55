import { isTransient } from '@cinelake/database/postgres'
import { DatabaseLoginRefusedError, databaseSourceErrors } from '../errors.ts'
import type { FailedCall } from '../technology.ts'

/** Data exceptions, constraint violations, and errors raised by functions. The server's text quotes values of rows. */
const OF_ROWS = /^(?:22|23|P0)/

/** The query names an object that does not exist, or is not supported: the same statement fails again. */
const OF_THE_QUERY = /^(?:42|0A)/

/** Texts of the server about rows (`detail`) are not passed on. @returns what was thrown, when it is not the driver's */
export function translatePostgresError(error: unknown, call: FailedCall): unknown {
  const code = codeOf(error)
  if (code === undefined) return withoutCode(error, call)
  // A code of five characters is the server's SQLSTATE; the others are Node's.
  if (/^[0-9A-Z]{5}$/.test(code) && isFromServer(error)) return fromServer(code, error, call)
  return /CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO_/.test(code)
    ? databaseSourceErrors.DATABASE_TLS_REFUSED(call.place, code, { cause: error })
    : databaseSourceErrors.DATABASE_UNAVAILABLE(call.place, code, { cause: error })
}

function fromServer(state: string, error: unknown, { place, doing, remedy }: FailedCall): Error {
  const cause = { cause: error }
  if (state.startsWith('28')) return new DatabaseLoginRefusedError(place, state, remedy, cause)
  if (state === '3D000') return databaseSourceErrors.DATABASE_MISSING(place, cause)
  if (state === '42501') return databaseSourceErrors.DATABASE_PERMISSION_MISSING(place, doing, cause)
  if (OF_ROWS.test(state)) return databaseSourceErrors.DATABASE_QUERY_REFUSED(place, doing, state)
  if (OF_THE_QUERY.test(state)) return databaseSourceErrors.DATABASE_QUERY_REFUSED(place, doing, state, cause)
  if (isTransient({ code: state })) return databaseSourceErrors.DATABASE_UNAVAILABLE(place, state, cause)
  return databaseSourceErrors.DATABASE_QUERY_FAILED(place, doing, state, cause)
}

/** The driver's own errors have no code. */
function withoutCode(error: unknown, { place, remedy }: FailedCall): unknown {
  const message = error instanceof Error ? error.message : ''
  const cause = { cause: error }
  if (/does not support SSL|SSL connection/i.test(message)) {
    return databaseSourceErrors.DATABASE_TLS_REFUSED(place, 'the server offers none', cause)
  }
  if (/terminated|timeout|connection|closed/i.test(message)) {
    return databaseSourceErrors.DATABASE_UNAVAILABLE(place, 'connection lost', cause)
  }
  return /SASL|password/i.test(message)
    ? new DatabaseLoginRefusedError(place, 'no usable password', remedy, cause)
    : error
}

function isFromServer(error: unknown): boolean {
  return error instanceof Error && 'severity' in error
}

/** SQLSTATE, or Node's network error code. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
