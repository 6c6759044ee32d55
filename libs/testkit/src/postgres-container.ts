/** A server that runs, before it can make databases. */
export type StartedPostgres = AsyncDisposable & {
  readonly origin: string
  /** The address of a database to start from, of a user that may make others. */
  readonly url: string
  readonly certificate?: string
  readonly crash?: () => Promise<void>
}

const IMAGE = 'postgres:17-alpine'

/** A server in a container, where an engine answers and has the image or can get it; else the reason. */
export async function startPostgresContainer(): Promise<StartedPostgres | { readonly missing: string }> {
  // Loaded here alone: it is large, and most machines have the program.
  const { GenericContainer, Wait } = await import('testcontainers')
  try {
    const container = await new GenericContainer(IMAGE)
      .withEnvironment({ POSTGRES_PASSWORD: 'cinelake' })
      .withCommand(['postgres', '-c', 'fsync=off'])
      .withTmpFs({ '/var/lib/postgresql/data': 'rw' })
      .withExposedPorts(5432)
      // The first time it says so to the script that sets it up.
      .withWaitStrategy(Wait.forLogMessage('database system is ready to accept connections', 2))
      .start()
    return {
      origin: IMAGE,
      url: `postgres://postgres:cinelake@${container.getHost()}:${container.getMappedPort(5432)}/postgres`,
      async [Symbol.asyncDispose]() {
        await container.stop()
      },
    }
  } catch (error) {
    return { missing: error instanceof Error ? error.message : String(error) }
  }
}
