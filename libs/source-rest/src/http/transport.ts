import { readFile, stat } from 'node:fs/promises'
import { getCACertificates } from 'node:tls'
import { Agent, type Dispatcher, EnvHttpProxyAgent, Pool } from 'undici'
import type { RestSource } from '../config/index.ts'
import type { Fill } from '@cinelake/secrets'
import { type AddressGuard, createAddressGuard, type Lookup } from './address-guard.ts'
import { RestCertificateError } from '../errors.ts'
import type { Proxy } from '@cinelake/core'
import { BodyBuffers } from './body-buffers.ts'

/** Connect timeout in milliseconds: tolerates two lost packets of a handshake. */
const CONNECT_TIMEOUT_MS = 10_000

/** Connections to the servers of one source, and their address guard. */
export interface Transport extends AsyncDisposable {
  readonly dispatcher: Dispatcher
  readonly guard: AddressGuard
  readonly headersTimeoutMs: number
  readonly bodyTimeoutMs: number
  readonly buffers: BodyBuffers
}

/**
 * Node's own `fetch` accepts neither certificates nor a DNS resolver, and a dispatcher only from the undici version that
 * it was built with; hence the package.
 *
 * Behind a proxy, names are resolved by the proxy: the guard then sees only literal addresses, and no names.
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
    // No pipelining: a response that never ends blocks no other.
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
    buffers: new BodyBuffers(),
    [Symbol.asyncDispose]: () => agent.destroy(),
  }
}

/** The proxy's address comes from the company's settings and may be private. */
function throughProxy({ http, https, except }: Proxy, options: Agent.Options, trust: { readonly timeout: number }) {
  const tls = { ...trust, allowH2: false }
  const proxies = { httpProxy: http, httpsProxy: https, noProxy: except }
  return new EnvHttpProxyAgent({
    ...options,
    ...proxies,
    requestTls: tls,
    proxyTls: tls,
    // Without it, a proxy that accepts the connection and then sends nothing would be waited for much longer.
    clientFactory: (origin, given) => new Pool(origin, { ...given, headersTimeout: trust.timeout }),
  })
}

/** The machine's certificates and the source's own; undefined if only the machine's are used. */
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
    // Opening a named pipe blocks until a writer opens it, and a device may have no end.
    if (!(await stat(file)).isFile()) throw new RestCertificateError(source, `something that is no file at ${file}`)
    return await readFile(file, 'utf8')
  } catch (error) {
    if (error instanceof RestCertificateError) throw error
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'no file'
    throw new RestCertificateError(source, `${code} at ${file}`, { cause: error })
  }
}
