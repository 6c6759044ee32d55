import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { answerOf, Refusal, type Answer } from './answer.ts'
import { openBlockStore } from './block-store.ts'
import { ConnectionCut, corruptAt, createFaults, cutAfter, type Faults, type Mishap } from './faults.ts'
import { openJournal } from './journal.ts'
import { carryOut, dialectOf, type Storage } from './operations.ts'
import { readRequest, type StorageRequest } from './request.ts'
import { checkSas } from './sas.ts'
import { checkSharedKey, type Account } from './shared-key.ts'
import { filesOf } from './state.ts'

export type { Fault, Faults, Mishap, Target } from './faults.ts'

/**
 * Azure's well-known account of its own emulators. Source:
 * learn.microsoft.com/…/storage-use-azurite#well-known-storage-account-and-key
 */
export const DEVELOPMENT_ACCOUNT: Account = {
  name: 'devstoreaccount1',
  key: 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
}

export type AdlsEndpointOptions = {
  /** Keeps everything, across restarts. */
  readonly directory: string
  readonly account?: Account
  /** Made when they are not there. */
  readonly containers?: readonly string[]
  /** 0, the default, is any free port. */
  readonly port?: number
  /** Address to listen on; default: the loopback address. */
  readonly host?: string
  /** PEM. With it the endpoint speaks HTTPS. */
  readonly tls?: { readonly key: string; readonly certificate: string }
  /** A bearer token that is accepted in addition to the key, as one of Entra would be. */
  readonly token?: string
  /** Paths in one page of a listing, at most. */
  readonly pageSize?: number
  /** Hears of each request when its body has been read or cut. */
  readonly onRequest?: (request: SeenRequest) => void
}

/** What a request was, for tests that count them. */
export type SeenRequest = Pick<StorageRequest, 'method' | 'container' | 'path' | 'query'> & {
  readonly bodyBytes: number
}

/** An Azure Data Lake Storage account on this machine. */
export interface AdlsEndpoint extends AsyncDisposable {
  readonly account: Account
  readonly port: number
  /** `http://127.0.0.1:PORT/ACCOUNT`: for the Blob API and the DFS API alike. */
  readonly url: string
  readonly connectionString: string
  readonly faults: Faults
}

/**
 * Serves the parts of the Blob API and of the Data Lake (DFS) API that Cinelake and the SDKs for files need, on one
 * port, with a hierarchical namespace. For development and tests: no leases, snapshots or access control lists.
 */
export async function startAdlsEndpoint(options: AdlsEndpointOptions): Promise<AdlsEndpoint> {
  const { directory, account = DEVELOPMENT_ACCOUNT, containers = [], port = 0, host = '127.0.0.1' } = options
  const store = await openBlockStore(join(directory, 'blocks'))
  const journal = openJournal(join(directory, 'journal.ndjson'))
  await store.keepOnly(new Set([...journal.state.values()].flatMap((container) => [...filesOf(container)])))
  const commit: Storage['commit'] = (steps) => void store.release(journal.commit(steps))
  for (const container of containers) {
    if (!journal.state.has(container)) commit([{ op: 'create-container', container, at: new Date().toISOString() }])
  }
  const faults = createFaults()
  const storage: Storage = { account: account.name, journal, store, commit, pageSize: options.pageSize }
  const listener = (message: IncomingMessage, response: ServerResponse) =>
    void serve(message, response, { storage, account, faults, options })
  const server =
    options.tls === undefined
      ? createServer(listener)
      : createTlsServer({ key: options.tls.key, cert: options.tls.certificate }, listener)
  // A large block over a slow line may take its time.
  server.requestTimeout = 0
  await listen(server, port, host)
  const { port: actual } = server.address() as AddressInfo
  const url = `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${actual}/${account.name}`
  return {
    account,
    port: actual,
    url,
    connectionString: `AccountName=${account.name};AccountKey=${account.key};BlobEndpoint=${url};DfsEndpoint=${url};`,
    faults,
    async [Symbol.asyncDispose]() {
      if (!server.listening) return
      server.closeAllConnections()
      await new Promise((resolve) => void server.close(resolve))
      journal.close()
    },
  }
}

type Serving = {
  readonly storage: Storage
  readonly account: Account
  readonly faults: Faults
  readonly options: AdlsEndpointOptions
}

async function serve(message: IncomingMessage, response: ServerResponse, serving: Serving): Promise<void> {
  if (message.url === '/health') {
    response.end('ok')
    return
  }
  // A connection that the other side cuts is its own affair; what is cut here is cut on purpose.
  response.on('error', () => {})
  const { socket } = message
  let dialect: 'dfs' | 'blob' = 'blob'
  try {
    const { account, storage } = serving
    const request = counting(readRequest(message, account.name, storage.journal.state), serving.options.onRequest)
    dialect = dialectOf(request)
    authorize(request, serving)
    const mishap = serving.faults.next(request)
    const answer = await answerTo(request, mishap, storage)
    if (mishap?.kind === 'lose-answer') throw new ConnectionCut()
    await send(response, message, withMishap(answer, mishap))
  } catch (error) {
    if (error instanceof ConnectionCut || response.headersSent || socket.destroyed) {
      socket.destroy()
      return
    }
    const refusal = error instanceof Refusal ? error : unexpected(error)
    await send(response, message, answerOf(refusal, dialect)).catch(() => socket.destroy())
  }
}

function authorize(request: StorageRequest, { account, options }: Serving): void {
  const [, bearer] = /^Bearer (.+)$/.exec(request.headers['authorization'] ?? '') ?? []
  if (bearer !== undefined) checkToken(bearer, options.token)
  else if (request.query.has('sig')) checkSas(request, account)
  else checkSharedKey(request, account)
}

function checkToken(bearer: string, token: string | undefined): void {
  if (bearer === token) return
  // Azure says where to get a token; the SDKs ask for one again when they see this.
  const challenge =
    'Bearer authorization_uri=https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/oauth2/authorize resource_id=https://storage.azure.com'
  throw new Refusal(401, 'InvalidAuthenticationInfo', 'the token is not one that is accepted', {
    'www-authenticate': challenge,
  })
}

async function answerTo(request: StorageRequest, mishap: Mishap | undefined, storage: Storage): Promise<Answer> {
  switch (mishap?.kind) {
    case 'refuse':
      throw new Refusal(
        mishap.status,
        mishap.code,
        'refused on purpose',
        mishap.retryAfterSeconds === undefined ? {} : { 'retry-after': String(mishap.retryAfterSeconds) },
      )
    case 'hold':
      await mishap.until
      return await carryOut(request, storage)
    case 'cut-request':
      return await carryOut({ ...request, body: cutAfter(request.body, mishap.afterBytes) }, storage)
    case 'corrupt-request':
      return await carryOut({ ...request, body: corruptAt(request.body, mishap.atByte) }, storage)
    default:
      return await carryOut(request, storage)
  }
}

function withMishap(answer: Answer, mishap: Mishap | undefined): Answer {
  const { body = '' } = answer
  const bytes = typeof body === 'string' ? Readable.from([Buffer.from(body)]) : body
  if (mishap?.kind === 'cut-answer') return { ...answer, body: cutAfter(bytes, mishap.afterBytes) }
  if (mishap?.kind === 'corrupt-answer') return { ...answer, body: corruptAt(bytes, mishap.atByte) }
  return answer
}

async function send(response: ServerResponse, message: IncomingMessage, answer: Answer): Promise<void> {
  const { status, headers = {}, body = '' } = answer
  response.writeHead(status, {
    'x-ms-request-id': randomUUID(),
    'x-ms-version': message.headers['x-ms-version'] ?? '',
    ...(typeof body === 'string' && headers['content-length'] === undefined
      ? { 'content-length': String(Buffer.byteLength(body)) }
      : {}),
    ...headers,
  })
  if (typeof body === 'string') response.end(message.method === 'HEAD' ? undefined : body)
  else await pipeline(body, response)
  // What was not read of the body would be taken for the next request on this connection.
  message.resume()
}

function counting(request: StorageRequest, hear: AdlsEndpointOptions['onRequest']): StorageRequest {
  if (hear === undefined) return request
  const { method, container, path, query } = request
  const body = async function* () {
    let bodyBytes = 0
    try {
      for await (const part of request.body) {
        bodyBytes += part.byteLength
        yield part
      }
    } finally {
      hear({ method, container, path, query, bodyBytes })
    }
  }
  if (method === 'GET' || method === 'HEAD' || method === 'DELETE')
    hear({ method, container, path, query, bodyBytes: 0 })
  return { ...request, body: body() }
}

function unexpected(error: unknown): Refusal {
  return new Refusal(500, 'InternalError', error instanceof Error ? error.message : 'unknown')
}

async function listen(server: Server, port: number, host: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
}
