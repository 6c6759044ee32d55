import type { AzureCredential } from '@cinelake/database'
import { driverOptions, readEncryption, requestToken, tellErrorNumbers } from '@cinelake/database/sql-server'
import {
  Kysely,
  MssqlAdapter,
  MssqlIntrospector,
  MssqlQueryCompiler,
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  type QueryResult,
} from 'kysely'
import { Connection, ISOLATION_LEVEL, Request, TYPES, type ConnectionConfiguration } from 'tedious'
import type { DatabaseAddress } from '../database-address.ts'
import { placeOf } from '../database-calls.ts'
import { DatabaseIdentityMissingError, databaseSourceErrors } from '../errors.ts'
import { RowBatches } from '../row-batches.ts'
import { givingUser } from '../sign-in.ts'
import type { SourceRow } from '../source-database.ts'

/** Connect timeout in milliseconds. */
const CONNECT_TIMEOUT_MS = 15_000
/** Source: learn.microsoft.com/sql/sql-server/install/configure-the-windows-firewall-to-allow-sql-server-access */
const DEFAULT_PORT = 1433

export type MssqlConnection = AsyncDisposable & {
  readonly db: Kysely<unknown>
  /** The rows of a query as they arrive, within the transaction that `db` is in. Stopping early closes the connection. */
  stream(query: string): AsyncIterable<readonly SourceRow[]>
}

type Limits = {
  readonly timeoutMs: number
  readonly signal: AbortSignal
  readonly credential?: AzureCredential | undefined
}

/**
 * One connection, opened on first use. Kysely's own driver would use a pool and buffer streams by number of rows, however
 * wide these are.
 * @throws {DATABASE_ADDRESS_INVALID} terminal: an unknown parameter in the address
 */
export function connectMssql(source: string, address: DatabaseAddress, limits: Limits): MssqlConnection {
  const { timeoutMs, signal } = limits
  const options = optionsOf(source, address)
  let opening: Promise<Connection> | undefined
  let open: Connection | undefined
  const close = () => open?.close()
  const connect = async () =>
    await (opening ??= (async () => {
      open = new Connection({ ...options, authentication: await authenticationOf(source, address, limits) })
      signal.throwIfAborted()
      await established(open)
      return open
    })())
  signal.addEventListener('abort', close, { once: true })
  return {
    db: new Kysely<unknown>({
      dialect: {
        createAdapter: () => new MssqlAdapter(),
        createDriver: () => driverOf(connect, timeoutMs),
        createIntrospector: (db) => new MssqlIntrospector(db),
        createQueryCompiler: () => new MssqlQueryCompiler(),
      },
    }),
    async *stream(query) {
      const connection = await connect()
      yield* streamRows(connection, query, timeoutMs)
    },
    async [Symbol.asyncDispose]() {
      signal.removeEventListener('abort', close)
      close()
    },
  }
}

async function established(connection: Connection): Promise<void> {
  // A connection that breaks while idle is reported by the next statement; an unhandled event would end the process.
  connection.on('error', () => {})
  tellErrorNumbers(connection)
  await new Promise<void>((resolve, reject) => {
    connection.connect((error) => (error == null ? resolve() : reject(error)))
  })
}

function streamRows(connection: Connection, query: string, timeoutMs: number): AsyncIterable<readonly SourceRow[]> {
  const request = new Request(query, (error) => rows.end(error))
  const rows = new RowBatches({
    pause: () => request.pause(),
    resume: () => request.resume(),
    abandon: () => connection.close(),
    timeoutMs,
  })
  // No limit on the whole query: the timeout applies to each part of the answer.
  request.setTimeout(0)
  request.on('row', (cells: readonly { readonly value: unknown }[]) =>
    rows.push(cells.map(({ value }) => textOf(value))),
  )
  connection.execSqlBatch(request)
  return rows.batches()
}

/** Queries return only text; those of the catalog also numbers and flags. */
function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function driverOf(connect: () => Promise<Connection>, timeoutMs: number): Driver {
  const done = async (start: (connection: Connection, end: (error?: Error | null) => void) => void) => {
    const connection = await connect()
    await new Promise<void>((resolve, reject) => {
      start(connection, (error) => (error == null ? resolve() : reject(error)))
    })
  }
  return {
    async init() {},
    acquireConnection: async () => {
      const connection = await connect()
      return new CatalogConnection(connection, timeoutMs)
    },
    beginTransaction: async (_, { isolationLevel }) => {
      const level = isolationLevel === 'snapshot' ? ISOLATION_LEVEL.SNAPSHOT : ISOLATION_LEVEL.READ_COMMITTED
      await done((connection, end) => connection.beginTransaction(end, '', level))
    },
    commitTransaction: async () => await done((connection, end) => connection.commitTransaction(end)),
    rollbackTransaction: async () => await done((connection, end) => connection.rollbackTransaction(end)),
    async releaseConnection() {},
    async destroy() {},
  }
}

/** For small queries, whose values are all text. */
class CatalogConnection implements DatabaseConnection {
  readonly #connection: Connection
  readonly #timeoutMs: number

  constructor(connection: Connection, timeoutMs: number) {
    this.#connection = connection
    this.#timeoutMs = timeoutMs
  }

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    return { rows: (await run(this.#connection, query, this.#timeoutMs)) as Row[] }
  }

  async *streamQuery<Row>(query: CompiledQuery): AsyncIterableIterator<QueryResult<Row>> {
    yield await this.executeQuery<Row>(query)
  }
}

async function run(connection: Connection, query: CompiledQuery, timeoutMs: number): Promise<unknown[]> {
  return await new Promise((resolve, reject) => {
    const rows: unknown[] = []
    const request = new Request(query.sql, (error) => (error == null ? resolve(rows) : reject(error)))
    for (const [index, value] of query.parameters.entries()) {
      request.addParameter(String(index + 1), TYPES.NVarChar, String(value))
    }
    request.on(
      'row',
      (cells: readonly { readonly metadata: { readonly colName: string }; readonly value: unknown }[]) =>
        rows.push(Object.fromEntries(cells.map(({ metadata, value }) => [metadata.colName, textOf(value)]))),
    )
    request.setTimeout(timeoutMs)
    connection.execSql(request)
  })
}

/** Encrypted, with a verified certificate, unless the address says otherwise. */
function optionsOf(source: string, address: DatabaseAddress): ConnectionConfiguration {
  const encryption = readEncryption(address.parameters)
  for (const name of encryption.unknown)
    throw databaseSourceErrors.DATABASE_ADDRESS_INVALID(
      source,
      `the parameter ${name} (known are encrypt and trustServerCertificate)`,
    )
  if (encryption.wrong.length > 0) {
    const problem = 'another encrypt than true, false or strict, or another trustServerCertificate than true or false'
    throw databaseSourceErrors.DATABASE_ADDRESS_INVALID(source, problem)
  }
  return {
    server: address.host,
    options: {
      port: address.port ?? DEFAULT_PORT,
      database: address.database,
      ...driverOptions(encryption),
      connectTimeout: CONNECT_TIMEOUT_MS,
      // Text of any length: the default would truncate it.
      textsize: 2_147_483_647,
    },
  }
}

async function authenticationOf(
  source: string,
  address: DatabaseAddress,
  { credential, signal }: Limits,
): Promise<NonNullable<ConnectionConfiguration['authentication']>> {
  const { user, password, scheme } = address
  if (user !== undefined) return { type: 'default', options: { userName: user, password: password ?? '' } }
  const missing = (options?: ErrorOptions) =>
    new DatabaseIdentityMissingError(placeOf(source, address), givingUser(scheme), options)
  try {
    const token = credential === undefined ? null : await requestToken(credential, signal)
    if (token === null) throw missing()
    return { type: 'azure-active-directory-access-token', options: { token: token.token } }
  } catch (error) {
    throw signal.aborted || error instanceof DatabaseIdentityMissingError ? error : missing({ cause: error })
  }
}
