import { ConfigError, reasonOf } from '@cinelake/core'
import { createHttpApi, type HttpApiDeps } from './http-api.ts'

/**
 * Serves the HTTP API until it is disposed.
 * @throws {ConfigError} the address cannot be used
 */
export async function serveHttpApi(
  deps: HttpApiDeps,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<AsyncDisposable & { readonly url: string }> {
  const api = createHttpApi(deps)
  try {
    const url = await api.listen({ host, port })
    deps.log.info({ url }, 'API is served')
    return { url, [Symbol.asyncDispose]: () => api.close() }
  } catch (error) {
    const reason = reasonOf(error)
    const problem = `expected a free port, got ${reason}; set CINELAKE_API_HOST and CINELAKE_API_PORT`
    throw new ConfigError(`the API cannot be served on ${host}:${port}`, [problem], { cause: error })
  }
}
