import type { AccessToken } from '@azure/core-auth'
import { TransientError } from '@cinelake/core'
import type { Connection } from 'tedious'
import { DatabaseUnavailableError } from '../errors.ts'
import type { MssqlAddress } from './address.ts'
import type { AzureCredential } from '../settings.ts'

/** What a token for Azure SQL is asked for. Source: learn.microsoft.com/azure/azure-sql/database/authentication-aad-overview */
const TOKEN_SCOPE = 'https://database.windows.net/.default'

/**
 * A token that is new enough: the credential keeps it and renews it before it ends.
 * @throws {DatabaseUnavailableError} transient: Entra has none for now
 */
export async function tokenOf({ location }: MssqlAddress, credential: AzureCredential): Promise<AccessToken> {
  try {
    const token = await (await credential()).getToken(TOKEN_SCOPE)
    if (token !== null) return token
  } catch (error) {
    if (error instanceof TransientError) throw error
    throw new DatabaseUnavailableError(location, 'Entra gave no token for the database', { cause: error })
  }
  throw new DatabaseUnavailableError(location, 'the credential has no token for the database')
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
