import { ConfigError, reasonOf } from '@cinelake/core'
import type { Metrics } from './metrics.ts'

export type Health = {
  readonly port: number
  readonly isReady: () => boolean | Promise<boolean>
  readonly metrics: Metrics
}

/**
 * Serves `/healthz` (the process answers), `/readyz` (it takes work) and `/metrics` on all interfaces.
 * @throws {ConfigError} the port cannot be used
 */
export async function serveHealth({ port, isReady, metrics }: Health): Promise<AsyncDisposable> {
  // Connections of probes must not delay the stop.
  // Loaded when a service starts: the command line, which also uses this package, serves nothing.
  const { fastify } = await import('fastify')
  const server = fastify({ forceCloseConnections: true })
  server.get('/healthz', () => ({ status: 'ok' }))
  server.get('/readyz', async (_request, reply) => {
    const ready = await isReady()
    return reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not ready' })
  })
  server.get('/metrics', (_request, reply) => reply.type('text/plain; version=0.0.4').send(metrics.render()))
  try {
    await server.listen({ port, host: '0.0.0.0' })
  } catch (error) {
    const reason = reasonOf(error)
    throw new ConfigError('CINELAKE_HEALTH_PORT cannot be used', [`expected a free port, got ${reason}`], {
      cause: error,
    })
  }
  return { [Symbol.asyncDispose]: () => server.close() }
}
