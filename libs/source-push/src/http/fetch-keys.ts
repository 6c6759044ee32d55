import { EnvHttpProxyAgent, fetch } from 'undici'
import type { FetchImplementation } from 'jose'
import type { Proxy } from '@cinelake/core'

/** Fetches an issuer's keys through the company's proxy: Node's own `fetch` knows none unless it was started so. */
export function fetchThrough({ http, https, except }: Proxy): FetchImplementation {
  const dispatcher = new EnvHttpProxyAgent({ httpProxy: http, httpsProxy: https, noProxy: except })
  return async (url, { headers, ...options }) => {
    const answer = await fetch(url, { ...options, headers: Object.fromEntries(headers), dispatcher })
    return new Response(await answer.text(), { status: answer.status })
  }
}
