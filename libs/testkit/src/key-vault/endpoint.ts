import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { selfSignedCertificate } from '../self-signed-certificate.ts'
import { createVault, failure, type Answer, type Attributes } from './vault.ts'

/**
 * What happens to a request instead of an answer: a refusal; a connection that is dropped before or in the middle of
 * the answer; an answer that is cut short and yet complete to the eye of HTTP; a page that is no JSON; no answer at
 * all.
 */
export type Fault =
  | { readonly status: number; readonly code?: string; readonly innerCode?: string; readonly retryAfter?: string }
  | 'drop'
  | 'lose-answer'
  | 'truncate'
  | 'login-page'
  | 'hang'

/** A Key Vault on this machine, spoken to with HTTPS and bearer tokens, as far as secrets go. */
export interface KeyVaultEndpoint extends AsyncDisposable {
  /** `https://localhost:PORT` */
  readonly url: string
  /** What a client has to trust, as PEM. */
  readonly certificate: string
  /** An identity that the vault lets in. */
  readonly credential: {
    readonly getToken: () => Promise<{ readonly token: string; readonly expiresOnTimestamp: number }>
  }
  /** `GET /secrets/NAME/` and so on; only those that came with a token that is good. */
  readonly requests: readonly string[]
  /** Adds a version to a secret. */
  readonly set: (name: string, value: string, attributes?: Attributes) => void
  /** The next requests, one after the other, meet with these. */
  readonly failNext: (...faults: readonly Fault[]) => void
  /** Revokes all tokens issued so far. */
  readonly revokeTokens: () => void
}

/** Starts an empty vault on a free port of 127.0.0.1. */
export async function startKeyVault(): Promise<KeyVaultEndpoint> {
  const { key, certificate } = selfSignedCertificate()
  const requests: string[] = []
  const faults: Fault[] = []
  let tokens = 1
  const vault = createVault(() => addressOf(server))

  const respond = async (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? '', addressOf(server))
    const body = await text(request)
    if (request.headers.authorization !== `Bearer token-${tokens}`) return send(response, challenge())
    requests.push(`${request.method} ${url.pathname}`)
    const fault = faults.shift()
    if (typeof fault === 'object') return send(response, refusalOf(fault))
    if (!url.searchParams.has('api-version')) return send(response, failure(400, 'BadParameter'))
    const answer = vault.answer(request.method ?? '', url.pathname, body === '' ? {} : JSON.parse(body))
    if (fault === undefined) send(response, answer)
    else spoil(response, answer, fault)
  }
  const server = createServer({ key, cert: certificate }, (request, response) => {
    respond(request, response).catch((error: unknown) => send(response, failure(400, 'BadParameter', String(error))))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  return {
    url: addressOf(server),
    certificate,
    credential: {
      getToken: async () => ({ token: `token-${tokens}`, expiresOnTimestamp: Date.now() + 3_600_000 }),
    },
    requests,
    set: (name, value, attributes) => void vault.put(name, value, attributes),
    failNext: (...next) => void faults.push(...next),
    revokeTokens: () => void (tokens += 1),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function addressOf(server: Server): string {
  return `https://localhost:${(server.address() as AddressInfo).port}`
}

function send(response: ServerResponse, { status, body, headers = {} }: Answer): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers })
  response.end(body === undefined ? undefined : JSON.stringify(body))
}

/** How a vault says who has to vouch for a client. */
function challenge(): Answer {
  const tenant = 'https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000'
  return {
    ...failure(401, 'Unauthorized', 'AKV10000: Request is missing a Bearer or PoP token.'),
    headers: { 'www-authenticate': `Bearer authorization="${tenant}", resource="https://vault.azure.net"` },
  }
}

function refusalOf({ status, code = 'Fault', innerCode, retryAfter }: Exclude<Fault, string>): Answer {
  if (status === 401) return challenge()
  const refusal = failure(status, code, 'injected', innerCode)
  return retryAfter === undefined ? refusal : { ...refusal, headers: { 'retry-after': retryAfter } }
}

function spoil(response: ServerResponse, answer: Answer, fault: Extract<Fault, string>): void {
  const body = JSON.stringify(answer.body)
  if (fault === 'hang') return
  if (fault === 'drop') return void response.destroy()
  if (fault === 'login-page') {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<html>log in</html>')
    return
  }
  const head = { 'content-type': 'application/json' }
  const half = body.slice(0, Math.max(body.length / 2, body.indexOf('"id"')))
  if (fault === 'truncate') return void response.writeHead(answer.status, head).end(half)
  response.writeHead(answer.status, { ...head, 'content-length': Buffer.byteLength(body) })
  response.write(half, () => response.destroy())
}
