import type { AccessToken } from '@azure/core-auth'
import { TransientError } from '@cinelake/core'
import type { Connection, ConnectionConfiguration } from 'tedious'
import { DatabaseUnavailableError } from '../errors.ts'
import type { AzureCredential } from '../settings.ts'

/**
 * The scope of a token for Azure SQL. Source: learn.microsoft.com/azure/azure-sql/database/authentication-aad-overview
 */
const TOKEN_SCOPE = 'https://database.windows.net/.default'

/**
 * A token that is new enough: the credential keeps it and renews it before it ends.
 * @throws {DatabaseUnavailableError} transient: Entra has none for now
 */
export async function tokenOf(
  { location }: { readonly location: string },
  credential: AzureCredential,
): Promise<AccessToken> {
  try {
    const token = await requestToken(credential)
    if (token !== null) return token
  } catch (error) {
    if (error instanceof TransientError) throw error
    throw new DatabaseUnavailableError(location, 'Entra gave no token for the database', { cause: error })
  }
  throw new DatabaseUnavailableError(location, 'the credential has no token for the database')
}

/** @returns null where the identity gets none */
export async function requestToken(credential: AzureCredential, signal?: AbortSignal): Promise<AccessToken | null> {
  return await (await credential()).getToken(TOKEN_SCOPE, signal === undefined ? {} : { abortSignal: signal })
}

/** How a connection is encrypted. */
export type MssqlEncryption = {
  /** `strict` is TDS 8.0, where TLS comes before anything else. */
  readonly encrypt: boolean | 'strict'
  readonly trustServerCertificate: boolean
}

/**
 * Reads `encrypt` and `trustServerCertificate` of an address. Encrypted with a certificate that is checked, unless the
 * address says otherwise.
 * @returns with the names of the parameters whose values are wrong, and of those that are not known
 */
export function readEncryption(
  parameters: Iterable<readonly [string, string]>,
): MssqlEncryption & { readonly wrong: readonly string[]; readonly unknown: readonly string[] } {
  const { encrypt = 'true', trustServerCertificate: trust = 'false', ...others } = Object.fromEntries(parameters)
  return {
    encrypt: encrypt === 'strict' ? 'strict' : encrypt === 'true',
    trustServerCertificate: trust === 'true',
    wrong: [
      ...(['true', 'false', 'strict'].includes(encrypt) ? [] : ['encrypt']),
      ...(['true', 'false'].includes(trust) ? [] : ['trustServerCertificate']),
    ],
    unknown: Object.keys(others),
  }
}

/** Options of the driver for every connection. */
export function driverOptions({ encrypt, trustServerCertificate }: MssqlEncryption) {
  return {
    encrypt,
    trustServerCertificate,
    appName: 'cinelake',
    useUTC: true,
    // Retried by the caller, which also knows when to stop.
    maxRetriesOnTransientErrors: 0,
  } satisfies ConnectionConfiguration['options']
}

/**
 * Gives the error of a refused login the number that the server sent. The driver puts only its words into the error;
 * whether to try again is a matter of the number, of which the driver's `isTransient` knows but some.
 */
export function tellErrorNumbers(connection: Connection): void {
  let number: number | undefined
  connection.on('errorMessage', (message) => {
    number ??= message.number
  })
  connection.once('connect', (error) => {
    if (error !== undefined && number !== undefined) Object.assign(error, { number })
  })
}
