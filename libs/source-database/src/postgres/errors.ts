import { CancelledError, PipelineError } from '@cinelake/core'
import { isTransient } from '@cinelake/database/postgres'
import type { TranslateOptions } from '../database-calls.ts'
import {
  DatabaseLoginRefusedError,
  databaseSourceErrors,
  DatabaseUnavailableError,
  type DatabasePlace,
} from '../errors.ts'

/** Data exceptions, constraint violations, and errors raised by functions. The server's text quotes values of rows. */
const OF_ROWS = /^(?:22|23|P0)/

/** The query names an object that does not exist, or is not supported: the same statement fails again. */
const OF_THE_QUERY = /^(?:42|0A)/

/** Translates an error of the driver or the server. Texts of the server about rows (`detail`) are not passed on. */
export function translatePostgresError(
  error: unknown,
  place: DatabasePlace,
  doing: string,
  { signal, remedy }: TranslateOptions,
): unknown {
  if (error instanceof PipelineError) return error
  if (signal.aborted) return new CancelledError(doing, { cause: error })
  const code = codeOf(error)
  if (code === undefined) return withoutCode(error, error instanceof Error ? error.message : '', place, remedy)
  // A code of five characters is the server's SQLSTATE; the others are Node's.
  return /^[0-9A-Z]{5}$/.test(code) && isFromServer(error)
    ? fromServer(code, error, place, { doing, remedy })
    : fromNetwork(code, error, place)
}

function fromServer(
  state: string,
  error: unknown,
  place: DatabasePlace,
  { doing, remedy }: { readonly doing: string; readonly remedy: string },
): Error {
  const cause = { cause: error }
  if (state.startsWith('28')) return new DatabaseLoginRefusedError(place, state, remedy, cause)
  if (state === '3D000') return databaseSourceErrors.DATABASE_MISSING(place, cause)
  if (state === '42501') return databaseSourceErrors.DATABASE_PERMISSION_MISSING(place, doing, cause)
  if (OF_ROWS.test(state)) return databaseSourceErrors.DATABASE_QUERY_REFUSED(place, doing, state)
  if (OF_THE_QUERY.test(state)) return databaseSourceErrors.DATABASE_QUERY_REFUSED(place, doing, state, cause)
  if (isTransient({ code: state })) return new DatabaseUnavailableError(place, state, cause)
  return databaseSourceErrors.DATABASE_QUERY_FAILED(place, doing, state, cause)
}

function fromNetwork(code: string, error: unknown, place: DatabasePlace): Error {
  const isTls = /CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO_/.test(code)
  return isTls
    ? databaseSourceErrors.DATABASE_TLS_REFUSED(place, code, { cause: error })
    : new DatabaseUnavailableError(place, code, { cause: error })
}

/** The driver's own errors have no code. */
function withoutCode(error: unknown, message: string, place: DatabasePlace, remedy: string): unknown {
  if (/does not support SSL|SSL connection/i.test(message)) {
    return databaseSourceErrors.DATABASE_TLS_REFUSED(place, 'the server offers none', { cause: error })
  }
  if (/terminated|timeout|connection|closed/i.test(message)) {
    return new DatabaseUnavailableError(place, 'connection lost', { cause: error })
  }
  if (/SASL|password/i.test(message))
    return new DatabaseLoginRefusedError(place, 'no usable password', remedy, { cause: error })
  return error
}

function isFromServer(error: unknown): boolean {
  return error instanceof Error && 'severity' in error
}

/** SQLSTATE, or Node's network error code. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
