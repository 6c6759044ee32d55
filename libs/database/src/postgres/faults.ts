import { PipelineError } from '@cinelake/core'
import { DatabaseUnavailableError } from '../errors.ts'

/** The error of a failed statement, from PostgreSQL or PGlite. */
export type PostgresFault = {
  /** SQLSTATE, five characters. */
  readonly code: string
  readonly message: string
  readonly detail?: string | undefined
  readonly where?: string | undefined
  readonly column?: string | undefined
  readonly position?: string | undefined
}

/** SQLSTATE classes after which a retry may succeed. Source: PostgreSQL's appendix A, "Error Codes". */
const TRANSIENT_CLASSES = new Set(['08', '40', '53', '55', '57', '58'])
/** A session or transaction that the server ended because it took too long: another connection may do better. */
const TRANSIENT_STATES = new Set(['25P03', '25P04'])

/** The classes begin with a digit or one of these letters; codes of the file system (EROFS) do not. */
const SQL_STATE = /^[0-9FHPX][0-9A-Z]{4}$/

/** @returns undefined when it is not one of the database's */
export function faultOf(thrown: unknown): PostgresFault | undefined {
  if (thrown instanceof PipelineError || !(thrown instanceof Error) || !('code' in thrown)) return undefined
  const { code } = thrown
  return typeof code === 'string' && SQL_STATE.test(code) ? (thrown as Error & PostgresFault) : undefined
}

export function isTransient({ code }: Pick<PostgresFault, 'code'>): boolean {
  // 55006 and 57014 (object in use, cancelled) are in these classes as well.
  return TRANSIENT_CLASSES.has(code.slice(0, 2)) || TRANSIENT_STATES.has(code)
}

/** The error of a fault after which the same statement may work; undefined for every other. */
export function transientError(thrown: unknown, location: string): DatabaseUnavailableError | undefined {
  const fault = faultOf(thrown)
  if (fault === undefined || !isTransient(fault)) return undefined
  return new DatabaseUnavailableError(location, fault.message, { cause: thrown })
}

/** The SQLSTATE of the error; undefined when it is not one of the database's. */
export function sqlStateOf(thrown: unknown): string | undefined {
  return faultOf(thrown)?.code
}
