import { readFile, stat } from 'node:fs/promises'
import { getCACertificates } from 'node:tls'
import { Agent, EnvHttpProxyAgent, Pool, type Dispatcher } from 'undici'
import type { RestSource } from '../config/index.ts'
import type { Fill } from '@cinelake/secrets'
import { createAddressGuard, type AddressGuard, type Lookup } from './address-guard.ts'
import { RestCertificateError } from './errors.ts'
import type { Proxy } from '@cinelake/core'

/** Milliseconds until there is a connection. Two lost packets of a handshake are waited for. */
const CONNECT_TIMEOUT_MS = 10_000

/** Connections to the servers of one source, and what guards them. */
export interface Transport extends AsyncDisposable {
  readonly dispatcher: Dispatcher
  readonly guard: AddressGuard
  readonly headersTimeoutMs: number
  readonly bodyTimeoutMs: number
}

/**
 * Node's own `fetch` takes no certificates and no way of looking names up, and a dispatcher only of the very undici that
 * it was built with; hence the package.
 *
 * What goes through a proxy is looked up by the proxy: the guard then sees addresses that stand as such, and no names.
 * @throws {RestCertificateError} terminal
 */
export async function openTransport(
  source: RestSource,
  fill: Fill,
  { lookup, proxy }: { readonly lookup?: Lookup | undefined; readonly proxy?: Proxy | undefined } = {},
): Promise<Transport> {
  const { timeoutMs, connectTimeoutMs = Math.min(timeoutMs, CONNECT_TIMEOUT_MS) } = source
  const guard = createAddressGuard(source.allowPrivate ?? [], lookup)
  const ca = await certificatesOf(source, fill)
  const trust = { timeout: connectTimeoutMs, ...(ca === undefined ? {} : { ca }) }
  const options = {
    connections: source.concurrency ?? null,
    // One request after the other on a connection: an answer that never ends holds up nobody else.
    pipelining: 1,
    allowH2: false,
    connect: { ...trust, lookup: guard.lookup },
  }
  const agent = proxy === undefined ? new Agent(options) : throughProxy(proxy, options, trust)
  return {
    dispatcher: agent,
    guard,
    headersTimeoutMs: source.headersTimeoutMs ?? timeoutMs,
    bodyTimeoutMs: source.bodyTimeoutMs ?? timeoutMs,
    [Symbol.asyncDispose]: () => agent.destroy(),
  }
}

/** The proxy itself is where the company says, which may well be a private address. */
function throughProxy({ http, https, except }: Proxy, options: Agent.Options, trust: { readonly timeout: number }) {
  const tls = { ...trust, allowH2: false }
  const proxies = { httpProxy: http, httpsProxy: https, noProxy: except }
  return new EnvHttpProxyAgent({
    ...options,
    ...proxies,
    requestTls: tls,
    proxyTls: tls,
    // A proxy that takes the connection and then is silent would be waited for much longer.
    clientFactory: (origin, given) => new Pool(origin, { ...given, headersTimeout: trust.timeout }),
  })
}

/** The machine's certificates and the source's own; undefined where the machine's alone are meant. */
async function certificatesOf({ name, tls = {} }: RestSource, fill: Fill): Promise<string[] | undefined> {
  const own: string[] = []
  if (tls.ca !== undefined) own.push(await fill(tls.ca, { encodeSecret: (secret) => secret }))
  if (tls.caFile !== undefined) own.push(await readCertificates(name, await fill(tls.caFile, { encodeSecret: String })))
  if (own.length === 0) return undefined
  if (own.some((pem) => !pem.includes('-----BEGIN CERTIFICATE-----'))) {
    throw new RestCertificateError(name, 'something else')
  }
  return [...getCACertificates('default'), ...own]
}

async function readCertificates(source: string, file: string): Promise<string> {
  try {
    // Opening a named pipe waits for who writes to it, and a device may have no end.
    if (!(await stat(file)).isFile()) throw new RestCertificateError(source, `something that is no file at ${file}`)
    return await readFile(file, 'utf8')
  } catch (error) {
    if (error instanceof RestCertificateError) throw error
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'no file'
    throw new RestCertificateError(source, `${code} at ${file}`, { cause: error })
  }
}
