import type { RedisServer } from './redis-program.ts'

const IMAGE = 'redis:8-alpine'

/** A server in a container, where an engine answers and has the image or can get it; else the reason. */
export async function startRedisContainer(): Promise<RedisServer | { readonly missing: string }> {
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
