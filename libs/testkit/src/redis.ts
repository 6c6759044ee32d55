import { findRedisProgram, startRedisProgram, type RedisServer } from './redis-program.ts'

export type { RedisProcess, RedisServer } from './redis-program.ts'

/** A server, or the reason why there is none, for the message of skipped tests. */
export type FoundRedis =
  | { readonly server: RedisServer; readonly missing?: never }
  | { readonly server?: never; readonly missing: string }

/**
 * A Redis to test against: the one that CINELAKE_TEST_REDIS names (a `redis://` address), or a new one of the program
 * `redis-server` on this machine, or of a container.
 */
export async function findRedis(): Promise<FoundRedis> {
  const address = process.env['CINELAKE_TEST_REDIS']
  if (address !== undefined && address !== '') return { server: named(address) }
  const program = findRedisProgram()
  if (program !== undefined) return { server: await startRedisProgram(program) }
  const container = await startRedisContainer()
  if (!('missing' in container)) return { server: container }
  return { missing: `needs CINELAKE_TEST_REDIS, or the program redis-server, or a container (${container.missing})` }
}

function named(url: string): RedisServer {
  const { hostname, port } = new URL(url)
  return {
    origin: 'CINELAKE_TEST_REDIS',
    url,
    host: hostname,
    port: port === '' ? 6379 : Number(port),
    process: undefined,
    async [Symbol.asyncDispose]() {},
  }
}

const IMAGE = 'redis:8-alpine'

/** A server in a container, where an engine answers and has the image or can get it; else the reason. */
async function startRedisContainer(): Promise<RedisServer | { readonly missing: string }> {
  // Loaded here alone: it is large, and most machines have the program.
  const { GenericContainer, Wait } = await import('testcontainers')
  try {
    const container = await new GenericContainer(IMAGE)
      .withExposedPorts(6379)
      .withWaitStrategy(Wait.forLogMessage('Ready to accept connections'))
      .start()
    const [host, port] = [container.getHost(), container.getMappedPort(6379)]
    return {
      origin: IMAGE,
      url: `redis://${host}:${port}`,
      host,
      port,
      process: undefined,
      async [Symbol.asyncDispose]() {
        await container.stop()
      },
    }
  } catch (error) {
    return { missing: error instanceof Error ? error.message : String(error) }
  }
}
