import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { startPostgresContainer, type StartedPostgres } from './postgres-container.ts'
import { findPrograms, startPostgresProgram } from './postgres-program.ts'

/** A PostgreSQL server for tests; `origin` says who provides it. */
export interface PostgresServer extends AsyncDisposable {
  readonly origin: string
  readonly host: string
  readonly port: number
  /** The file of a certificate to trust for TLS. Undefined where the server is not the tests' own. */
  readonly certificate: string | undefined
  /** A new, empty database of its own, dropped on dispose with all connections to it. */
  createDatabase(options?: {
    /** `SQL_ASCII`: its texts are any bytes. By default the server's own encoding. */
    readonly encoding?: 'SQL_ASCII'
  }): Promise<AsyncDisposable & { readonly name: string; readonly url: string }>
  /**
   * Ends all its processes at once, as a crash does, and starts it again. Undefined where the server is not the tests'
   * own.
   */
  readonly crash: (() => Promise<void>) | undefined
}

/** A server, or why there is none: to be said where the tests are skipped. */
export type FoundPostgres =
  | { readonly server: PostgresServer; readonly missing?: never }
  | { readonly server?: never; readonly missing: string }

/**
 * A PostgreSQL to test against: the one that CINELAKE_TEST_POSTGRES names (a `postgres://` address), or a new one of a
 * program on this machine, or of a container.
 */
export async function findPostgres(): Promise<FoundPostgres> {
  const address = process.env['CINELAKE_TEST_POSTGRES']
  if (address !== undefined && address !== '') return { server: serve(named(address)) }
  const programs = findPrograms()
  if (programs !== undefined) return { server: serve(await startPostgresProgram(programs)) }
  const container = await startPostgresContainer()
  if ('url' in container) return { server: serve(container) }
  return { missing: `needs CINELAKE_TEST_POSTGRES, or the program postgres, or a container (${container.missing})` }
}

function named(url: string): StartedPostgres {
  return { origin: 'CINELAKE_TEST_POSTGRES', url, async [Symbol.asyncDispose]() {} }
}

function serve(started: StartedPostgres): PostgresServer {
  const { hostname, port } = new URL(started.url)
  return {
    origin: started.origin,
    host: hostname,
    port: port === '' ? 5432 : Number(port),
    certificate: started.certificate,
    crash: started.crash,
    async createDatabase({ encoding } = {}) {
      const name = `cinelake_test_${randomBytes(6).toString('hex')}`
      const encoded = encoding === undefined ? '' : ` ENCODING '${encoding}' LC_COLLATE 'C' LC_CTYPE 'C'`
      await run(started.url, `CREATE DATABASE ${name} TEMPLATE template0${encoded}`)
      const url = new URL(started.url)
      url.pathname = name
      return {
        name,
        url: url.href,
        [Symbol.asyncDispose]: async () => await run(started.url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
      }
    },
    [Symbol.asyncDispose]: async () => await started[Symbol.asyncDispose](),
  }
}

async function run(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
