import { PipelineError } from '@cinelake/core'
import { databaseErrors, DatabaseUnavailableError } from '../errors.ts'

export type MssqlFault = {
  /** SQL Server's error number; undefined for a fault of the connection. */
  readonly number: number | undefined
  /** The driver's code: `EREQUEST`, `ESOCKET`, `ETIMEOUT`, `ECONNCLOSED`, `ELOGIN`, … */
  readonly code: string | undefined
  readonly message: string
  readonly certificate: boolean
  /** Counted from 1 in the batch. */
  readonly line: number | undefined
}

/**
 * Error numbers after which the same work may succeed; not a refused login. Sources: learn.microsoft.com/azure-sql
 * (troubleshoot-common-errors-issues), learn.microsoft.com/sql/connect/ado-net/configurable-retry-logic
 */
const TRANSIENT_NUMBERS: ReadonlySet<number> = new Set([
  // The database moves, starts, or is full of sessions (Azure SQL).
  615, 926, 4060, 4221, 10928, 10929, 10936, 18401, 40143, 40197, 40501, 40540, 40613, 42108, 42109, 49918, 49919,
  49920,
  // Conflicts: locks, deadlock, snapshot conflict, an application lock.
  1204, 1205, 1222, 3960, 3961, 3966,
  // Not enough memory, log or tempdb for now.
  701, 802, 1105, 8645, 8651, 9002,
  // The server goes down, or the connection broke on the way.
  20, 64, 121, 233, 596, 6005, 10053, 10054, 10060, 17142, 17197,
])

/** Codes of the driver, and of the system below it, that mean: the server was not reached, or was lost. */
const CONNECTION_CODES: ReadonlySet<string> = new Set(
  `ESOCKET ETIMEOUT ECONNCLOSED ECLOSE EINVALIDSTATE EINSTLOOKUP
  ECONNRESET ECONNREFUSED ECONNABORTED EPIPE ETIMEDOUT EHOSTUNREACH ENETUNREACH ENOTFOUND EAI_AGAIN`.split(/\s+/),
)
const DRIVER_CODES = /^(EREQUEST|ECANCEL|ELOGIN|EINSTLOOKUP|EFEDAUTH|EENCRYPT|UNKNOWN)$/

/** @returns what the driver threw, with the fault that says most first; undefined for what is not the driver's */
export function faultOf(thrown: unknown): MssqlFault | undefined {
  if (!(thrown instanceof Error) || thrown instanceof PipelineError) return undefined
  if (thrown instanceof AggregateError) {
    const faults = thrown.errors.map(faultOf).filter((fault) => fault !== undefined)
    return faults.find(isTransient) ?? faults[0]
  }
  const { number, lineNumber } = thrown as { readonly number?: unknown; readonly lineNumber?: unknown }
  const code = 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined
  const isDrivers = code !== undefined && (CONNECTION_CODES.has(code) || DRIVER_CODES.test(code))
  if (typeof number !== 'number' && !isDrivers) return undefined
  return {
    number: typeof number === 'number' ? number : undefined,
    code,
    message: thrown.message,
    certificate: isCertificateFault(thrown.cause),
    line: typeof lineNumber === 'number' && lineNumber > 0 ? lineNumber : undefined,
  }
}

export function isTransient({ number, code }: MssqlFault): boolean {
  return number === undefined ? code !== undefined && CONNECTION_CODES.has(code) : TRANSIENT_NUMBERS.has(number)
}

/** Source: nodejs.org/api/tls.html (X509 certificate error codes) */
const CERTIFICATE_CODES = /CERT|UNABLE_TO_|SELF_SIGNED|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE/

function isCertificateFault(cause: unknown): boolean {
  return (
    cause instanceof Error && 'code' in cause && typeof cause.code === 'string' && CERTIFICATE_CODES.test(cause.code)
  )
}

/** No row is at fault, and asking again does not help. */
const REFUSED_LOGINS: ReadonlySet<number> = new Set([4064, 18452, 18456, 18470, 18486, 18487, 18488, 40532, 40615])

/**
 * The server refuses the login, or its certificate is one that this machine has no reason to trust. Whatever the server
 * says when it refuses a login (911 no such database, 916 no user there), asking again does not help, unless it is known
 * to be for now.
 */
export function isRefusedLogin(fault: MssqlFault): boolean {
  const { number, code, certificate } = fault
  return certificate || REFUSED_LOGINS.has(number ?? 0) || (code === 'ELOGIN' && !isTransient(fault))
}

/** The error of an unavailable server or a rejected login; what was thrown, when it is neither. */
export function connectionError(thrown: unknown, location: string): unknown {
  const fault = faultOf(thrown)
  if (fault === undefined) return thrown
  if (isRefusedLogin(fault)) return databaseErrors.WAREHOUSE_LOGIN_REFUSED(location, fault.message, { cause: thrown })
  if (isTransient(fault)) return new DatabaseUnavailableError(location, fault.message, { cause: thrown })
  return thrown
}
