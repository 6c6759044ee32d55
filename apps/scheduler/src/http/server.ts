import { ConfigError, reasonOf } from '@cinelake/core'
import type { KnownHosts } from '@cinelake/service'
import { createHttpApi, type HttpApiDeps } from './api.ts'

/**
 * Serves the HTTP API until it is disposed.
 * @throws {ConfigError} the address cannot be used
 */
export async function serveHttpApi(
  deps: Omit<HttpApiDeps, 'known' | 'stopping'>,
  { host, port, names = [] }: KnownHosts & { readonly port: number },
): Promise<AsyncDisposable & { readonly url: string }> {
  const stop = new AbortController()
  const api = createHttpApi({ ...deps, known: { host, names }, stopping: stop.signal })
  try {
    const url = await api.listen({ host, port })
    deps.log.info({ url }, 'API is served')
    return {
      url,
      async [Symbol.asyncDispose]() {
        stop.abort()
        await api.close()
      },
    }
  } catch (error) {
    const reason = reasonOf(error)
    const problem = `expected a free port, got ${reason}; set CINELAKE_API_HOST and CINELAKE_API_PORT`
    throw new ConfigError(`the API cannot be served on ${host}:${port}`, [problem], { cause: error })
  }
}
