import { ConfigError } from './errors.ts'

/** The outbound proxies, in undici's form; empty where there is none. */
export type Proxy = { readonly http: string; readonly https: string; readonly except: string }

/** This machine is never reached through a proxy, whatever NO_PROXY says. */
const THIS_MACHINE = ['localhost', '127.0.0.1', '[::1]']

/**
 * The proxy settings of the environment: HTTPS_PROXY, HTTP_PROXY and NO_PROXY; the lower-case spelling takes
 * precedence, as with curl. Without HTTPS_PROXY, HTTP_PROXY is used for both.
 * @throws {ConfigError} terminal: does not show the address, which may hold a password
 */
export function proxyFrom(settings: Readonly<Record<string, string | undefined>>): Proxy | undefined {
  const settingOf = (name: string) => (settings[name.toLowerCase()] ?? settings[name] ?? '').trim()
  const http = addressOf('HTTP_PROXY', settingOf('HTTP_PROXY'))
  const https = addressOf('HTTPS_PROXY', settingOf('HTTPS_PROXY')) || http
  if (https === '') return undefined
  return { http, https, except: [...THIS_MACHINE, settingOf('NO_PROXY')].join(',') }
}

function addressOf(name: string, text: string): string {
  if (text === '') return ''
  const address = text.includes('://') ? text : `http://${text}`
  const url = URL.parse(address)
  if (url !== null && /^https?:$/.test(url.protocol) && url.hostname !== '') return address
  throw new ConfigError('the proxy cannot be used', [
    `${name}: expected http://HOST:PORT, got something else; correct it, or take it out of the environment`,
  ])
}
