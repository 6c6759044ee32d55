import { randomBytes } from 'node:crypto'

/** A server that runs, by the address of a database of it, of a login that may make others. */
export type StartedMssql = AsyncDisposable & { readonly origin: string; readonly url: string }

const IMAGE = 'mcr.microsoft.com/mssql/server:2022-latest'

/** A SQL Server in a container, where an engine answers and has the image or can get it; else the reason. */
export async function startMssqlContainer(): Promise<StartedMssql | { readonly missing: string }> {
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
