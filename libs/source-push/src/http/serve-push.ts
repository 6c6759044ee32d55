import { ConfigError, reasonOf } from '@cinelake/core'
import type { KnownHosts } from '@cinelake/service'
import { createPushApi, type PushApiDeps } from './push-api.ts'

/** Milliseconds that pushes under way get to end when the service stops. Clients repeat the pushes that are cancelled then. */
const GRACE_MS = 20_000

/**
 * Serves the push API until it is disposed.
 * @throws {ConfigError} terminal: the address cannot be used
 */
export async function servePush(
  deps: Omit<PushApiDeps, 'signal' | 'known'>,
  { host, port, names = [] }: KnownHosts & { readonly port: number },
): Promise<AsyncDisposable & { readonly url: string }> {
  const stop = new AbortController()
  const api = createPushApi({ ...deps, known: { host, names }, signal: stop.signal })
  try {
    const url = await api.listen({ host, port })
    deps.log.info({ url }, 'push API is served')
    return {
      url,
      async [Symbol.asyncDispose]() {
        const timer = setTimeout(() => stop.abort(), GRACE_MS)
        await api.close()
        clearTimeout(timer)
      },
    }
  } catch (error) {
    const reason = reasonOf(error)
    const problem = `expected a free port, got ${reason}; set CINELAKE_PUSH_HOST and CINELAKE_PUSH_PORT`
    throw new ConfigError(`the push API cannot be served on ${host}:${port}`, [problem], { cause: error })
  }
}
