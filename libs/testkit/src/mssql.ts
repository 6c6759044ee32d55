import { randomBytes } from 'node:crypto'
import { Connection, Request, type ConnectionConfiguration } from 'tedious'

export {
  PASSWORD,
  startMssqlEndpoint,
  USER,
  type AnswerStatement,
  type BeforeStatement,
  type Login,
  type MssqlEndpoint,
} from './mssql/endpoint.ts'

/** A real SQL Server for tests; `origin` says who provides it. */
export interface MssqlServer extends AsyncDisposable {
  readonly origin: string
  /** A new, empty database of its own, dropped on dispose with all connections to it. */
  createDatabase(): Promise<AsyncDisposable & { readonly url: string }>
}

/** A server, or why there is none: to be said where the tests are skipped. */
export type FoundMssql =
  | { readonly server: MssqlServer; readonly missing?: never }
  | { readonly server?: never; readonly missing: string }

/**
 * A SQL Server to test against: the one that CINELAKE_TEST_MSSQL names (an `mssql://USER:PASSWORD@HOST/master`
 * address), or one in a container. There is no program that could be started: what serves the protocol elsewhere lacks
 * most of what a warehouse needs.
 */
export async function findMssql(): Promise<FoundMssql> {
  const address = process.env['CINELAKE_TEST_MSSQL']
  if (address !== undefined && address !== '') {
    return { server: serve({ origin: 'CINELAKE_TEST_MSSQL', url: address, async [Symbol.asyncDispose]() {} }) }
  }
  const container = await startMssqlContainer()
  if ('url' in container) return { server: serve(container) }
  return { missing: `needs CINELAKE_TEST_MSSQL or a container (${container.missing})` }
}

function serve(started: StartedMssql): MssqlServer {
  return {
    origin: started.origin,
    async createDatabase() {
      const name = `cinelake_test_${randomBytes(6).toString('hex')}`
      // As in Azure SQL, where it is the default.
      await run(started.url, `CREATE DATABASE [${name}]`, `ALTER DATABASE [${name}] SET READ_COMMITTED_SNAPSHOT ON`)
      const url = new URL(started.url)
      url.pathname = name
      return {
        url: url.href,
        async [Symbol.asyncDispose]() {
          await run(
            started.url,
            `ALTER DATABASE [${name}] SET SINGLE_USER WITH ROLLBACK IMMEDIATE`,
            `DROP DATABASE [${name}]`,
          )
        },
      }
    },
    async [Symbol.asyncDispose]() {
      await started[Symbol.asyncDispose]()
    },
  }
}

/** Runs statements one after the other on a connection of their own. */
async function run(url: string, ...statements: readonly string[]): Promise<void> {
  const connection = new Connection(configuration(new URL(url)))
  try {
    await new Promise<void>((resolve, reject) => {
      connection.connect((error) => (error == null ? resolve() : reject(error)))
    })
    for (const statement of statements) {
      await new Promise<void>((resolve, reject) => {
        connection.execSqlBatch(new Request(statement, (error) => (error == null ? resolve() : reject(error))))
      })
    }
  } finally {
    connection.close()
  }
}

function configuration(address: URL): ConnectionConfiguration {
  const { searchParams } = address
  return {
    server: address.hostname,
    authentication: {
      type: 'default',
      options: { userName: decodeURIComponent(address.username), password: decodeURIComponent(address.password) },
    },
    options: {
      port: address.port === '' ? 1433 : Number(address.port),
      database: address.pathname.slice(1),
      encrypt: searchParams.get('encrypt') !== 'false',
      trustServerCertificate: searchParams.get('trustServerCertificate') === 'true',
      requestTimeout: 120_000,
    },
  }
}

/** A server that runs, by the address of a database of it, of a login that may make others. */
type StartedMssql = AsyncDisposable & { readonly origin: string; readonly url: string }

const IMAGE = 'mcr.microsoft.com/mssql/server:2022-latest'

/** A SQL Server in a container, where an engine answers and has the image or can get it; else the reason. */
async function startMssqlContainer(): Promise<StartedMssql | { readonly missing: string }> {
  // Loaded here alone: it is large, and most machines have no engine.
  const { GenericContainer, Wait } = await import('testcontainers')
  const password = `Aa1!${randomBytes(12).toString('hex')}`
  try {
    const container = await new GenericContainer(IMAGE)
      .withEnvironment({ ACCEPT_EULA: 'Y', MSSQL_SA_PASSWORD: password, MSSQL_PID: 'Developer' })
      .withExposedPorts(1433)
      .withWaitStrategy(Wait.forLogMessage('Recovery is complete'))
      .start()
    const at = `${container.getHost()}:${container.getMappedPort(1433)}`
    return {
      origin: IMAGE,
      // Its certificate is its own.
      url: `mssql://sa:${encodeURIComponent(password)}@${at}/master?encrypt=true&trustServerCertificate=true`,
      async [Symbol.asyncDispose]() {
        await container.stop()
      },
    }
  } catch (error) {
    return { missing: error instanceof Error ? error.message : String(error) }
  }
}
