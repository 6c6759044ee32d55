import type { AccessToken } from '@azure/core-auth'
import { TransientError } from '@cinelake/core'
import { Kysely } from 'kysely'
import { Connection } from 'tedious'
import type { AzureCredential } from '../database.ts'
import { DatabaseUnavailableError } from '../errors.ts'
import { DEFAULT_PORT, type MssqlAddress } from './address.ts'
import { createMssqlDialect } from './dialect.ts'
import { createMssqlSession, type MssqlSession } from './session.ts'

/** Milliseconds. A server that needs longer to accept a connection counts as unavailable. */
export const CONNECT_TIMEOUT_MS = 30_000

/**
 * The scope of a token for Azure SQL. Source: learn.microsoft.com/azure/azure-sql/database/authentication-aad-overview
 */
const TOKEN_SCOPE = 'https://database.windows.net/.default'

/** A token as the credential keeps and renews it. @throws {DatabaseUnavailableError} transient: Entra has none */
export async function tokenOf(location: string, credential: AzureCredential): Promise<string> {
  try {
    const token = await requestToken(credential)
    if (token !== null) return token.token
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

type ConnectDeps = {
  /** An access token for Azure SQL, asked for where the address has no login. */
  readonly token: () => Promise<string>
  readonly onLost?: (error: Error) => void
  readonly signal?: AbortSignal
  /** Milliseconds that a statement may take where nothing else is said. */
  readonly timeoutMs?: number
}

/** Opens a connection. Errors are the driver's own, with the number that the server sent, or those of `token`. */
export async function connectMssql(
  { server, port = DEFAULT_PORT, database, login, encrypt, trustServerCertificate }: MssqlAddress,
  { token, onLost = () => {}, signal, timeoutMs }: ConnectDeps,
): Promise<MssqlSession> {
  const connection = new Connection({
    server,
    authentication:
      login === undefined
        ? { type: 'azure-active-directory-access-token', options: { token: await token() } }
        : { type: 'default', options: login },
    options: {
      port,
      database,
      encrypt,
      trustServerCertificate,
      appName: 'cinelake',
      useUTC: true,
      connectTimeout: CONNECT_TIMEOUT_MS,
      // An error ends the transaction on the server as well, so that nothing half-done can be committed after it.
      abortTransactionOnError: true,
      // Retried by the caller, which also knows when to stop.
      maxRetriesOnTransientErrors: 0,
      // Text of any length: the driver's default would truncate it.
      textsize: 2_147_483_647,
    },
  })
  // Without a listener a connection that breaks while idle would end the process; the next statement reports it.
  connection.on('error', onLost)
  tellErrorNumbers(connection)
  signal?.throwIfAborted()
  const close = () => connection.close()
  signal?.addEventListener('abort', close, { once: true })
  connection.once('end', () => signal?.removeEventListener('abort', close))
  await new Promise<void>((resolve, reject) => {
    connection.connect((error) => (error == null ? resolve() : reject(error)))
  })
  return createMssqlSession(connection, timeoutMs)
}

/** The driver puts only the server's words into the error of a refused login, and not its number. */
function tellErrorNumbers(connection: Connection): void {
  let number: number | undefined
  connection.on('errorMessage', (message) => {
    number ??= message.number
  })
  connection.once('connect', (error) => {
    if (error !== undefined && number !== undefined) Object.assign(error, { number })
  })
}

export type MssqlConnection = AsyncDisposable & {
  readonly db: Kysely<unknown>
  readonly session: () => Promise<MssqlSession>
}

/** A connection of its own for reads that stream; opened on first use. Errors are the driver's own. */
export function openMssqlConnection(address: MssqlAddress, deps: ConnectDeps): MssqlConnection {
  let opening: Promise<MssqlSession> | undefined
  const session = async () => await (opening ??= connectMssql(address, deps))
  return {
    session,
    db: new Kysely<unknown>({
      dialect: createMssqlDialect({ location: address.server, acquire: session, release() {} }, (error) => error),
    }),
    async [Symbol.asyncDispose]() {
      await opening?.then(
        (opened) => opened.discard(),
        () => {},
      )
    },
  }
}
