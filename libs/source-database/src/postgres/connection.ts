import { readFileSync } from 'node:fs'
import { Kysely, PostgresDialect, type PostgresPool } from 'kysely'
import pg from 'pg'
import type { DatabaseAddress } from '../database-address.ts'
import { databaseSourceErrors } from '../errors.ts'
import { answeredWithin, RowBatches } from '../row-batches.ts'
import type { SourceRow } from '../source-database.ts'

/** Connect timeout in milliseconds. */
const CONNECT_TIMEOUT_MS = 10_000

/**
 * Milliseconds. Keep-alive interval, so that the network keeps a connection that is idle while it holds a snapshot or waits for a
 * long sort: Azure drops one after four minutes, and the server would then keep the transaction for hours.
 * Source: learn.microsoft.com/…/load-balancer-tcp-reset
 */
const KEEP_ALIVE_MS = 30_000

/** PostgreSQL's port. Source: iana.org/assignments/service-names-port-numbers */
const DEFAULT_PORT = 5432

export type PostgresConnection = AsyncDisposable & {
  readonly db: Kysely<unknown>
  /** The rows of a query as they arrive, within the transaction that `db` is in. Stopping early closes the connection. */
  stream(query: string): AsyncIterable<readonly SourceRow[]>
}

/**
 * One connection, opened on first use. Values are the text that the server wrote.
 * @param timeoutMs timeout for the next part of an answer
 * @param signal closes the connection at once, whatever runs on it
 * @throws {DATABASE_ADDRESS_INVALID} terminal: an unknown parameter in the address
 */
export function connectPostgres(
  source: string,
  address: DatabaseAddress,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): PostgresConnection {
  const client = new pg.Client({
    host: address.host,
    port: address.port ?? DEFAULT_PORT,
    database: address.database,
    ...(address.user === undefined ? {} : { user: address.user }),
    ...(address.password === undefined ? {} : { password: address.password }),
    ssl: tlsOf(source, address),
    application_name: 'cinelake',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    types: TEXT,
  })
  // A connection that breaks while idle is reported by the next statement; an unhandled event would end the process.
  client.on('error', () => {})
  const stopped = Promise.withResolvers<never>()
  stopped.promise.catch(() => {})
  const close = () => {
    void client.end().catch(() => {})
    stopped.reject(new Error('Connection terminated'))
  }
  signal.addEventListener('abort', close, { once: true })
  const abandon = () => void client.connection.stream.destroy()
  const pool = poolOfOne(client, stopped.promise, async (ask) => await answeredWithin(timeoutMs, abandon, ask))
  return {
    db: new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) }),
    stream: (query) => streamRows(client, query, { timeoutMs, abandon }),
    async [Symbol.asyncDispose]() {
      signal.removeEventListener('abort', close)
      // Without it, closing would wait for a server that does not answer until the connection times out.
      await Promise.race([client.end(), stopped.promise]).catch(() => {})
    },
  }
}

/**
 * A pool would keep a broken connection, and wait for it when it closes; a single client is simply closed.
 * @param stopped rejects when the client was closed from outside: a client closed while it connects reports nothing itself
 */
function poolOfOne(
  client: pg.Client,
  stopped: Promise<never>,
  answered: <T>(ask: () => Promise<T>) => Promise<T>,
): PostgresPool {
  let connected: Promise<unknown> | undefined
  const query = (async (text: string, values: unknown[]) =>
    await answered(async () => await client.query(text, values))) as typeof client.query
  return {
    options: {},
    async connect() {
      await (connected ??= Promise.race([client.connect(), stopped]))
      return { query, release() {} }
    },
    end: async () => await client.end(),
  }
}

/** For every type, the text that the server wrote. */
const TEXT = { getTypeParser: () => (text: unknown) => text }

function streamRows(
  client: pg.Client,
  text: string,
  { timeoutMs, abandon }: { readonly timeoutMs: number; readonly abandon: () => void },
): AsyncIterable<readonly SourceRow[]> {
  const { stream } = client.connection
  const rows = new RowBatches({
    pause: () => void stream.pause(),
    resume: () => void stream.resume(),
    abandon,
    timeoutMs,
    received: () => ('bytesRead' in stream && typeof stream.bytesRead === 'number' ? stream.bytesRead : 0),
  })
  const asked = { text, rowMode: 'array', types: TEXT }
  const query = new pg.Query<(string | null)[]>(asked)
  query.on('row', (row) => rows.push(row))
  query.on('error', (error) => rows.end(error))
  query.on('end', () => rows.end())
  client.query(query)
  return rows.batches()
}

/** `sslmode` as in PostgreSQL's own addresses; every mode that encrypts also checks the server's certificate. */
function tlsOf(source: string, { parameters }: DatabaseAddress): false | { ca?: string } {
  for (const name of parameters.keys()) {
    if (name !== 'sslmode' && name !== 'sslrootcert') {
      throw databaseSourceErrors.DATABASE_ADDRESS_INVALID(
        source,
        `the parameter ${name} (known are sslmode and sslrootcert)`,
      )
    }
  }
  const mode = parameters.get('sslmode') ?? 'disable'
  if (mode === 'disable') return false
  if (!['require', 'verify-ca', 'verify-full'].includes(mode)) {
    throw databaseSourceErrors.DATABASE_ADDRESS_INVALID(
      source,
      'another sslmode than disable, require, verify-ca or verify-full',
    )
  }
  const file = parameters.get('sslrootcert')
  if (file === undefined) return {}
  try {
    return { ca: readFileSync(file, 'utf8') }
  } catch (error) {
    throw databaseSourceErrors.DATABASE_ADDRESS_INVALID(
      source,
      `an sslrootcert that cannot be read (${error instanceof Error ? error.message : ''})`,
    )
  }
}
