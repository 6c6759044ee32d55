import { once } from 'node:events'
import { createServer, request as send, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'

/** A company's proxy: carries what clients ask for by `CONNECT`, and sees no more of it than where it goes. */
export type ConnectProxy = AsyncDisposable & {
  /** For `HTTPS_PROXY`. */
  readonly url: string
  /** `HOST:PORT` of every tunnel that was asked for, in order. */
  readonly tunnels: readonly string[]
  /** Addresses that were asked for in the open (`http:`), in order. */
  readonly forwarded: readonly string[]
  /** Bytes that went out through tunnels. */
  readonly bytesOut: () => number
}

export type ConnectProxyOptions = {
  /** Resolves host names that only the proxy knows. Default: the machine's resolver. */
  readonly resolve?: (host: string) => string
  /** `Proxy-Authorization` that it asks for. */
  readonly authorization?: string
  /** A status by which it refuses everything; 0 for one that takes connections and never answers. */
  readonly refuses?: number
}

/** Starts a proxy on this machine. Source: RFC 9110, 9.3.6 and RFC 9112, 3.2.2 */
export async function startConnectProxy(options: ConnectProxyOptions = {}): Promise<ConnectProxy> {
  const { resolve = (host) => host } = options
  const tunnels: string[] = []
  const forwarded: string[] = []
  const sockets = new Set<Socket>()
  let bytesOut = 0
  const server = createServer((request, response) => {
    forwarded.push(request.url ?? '')
    const refusal = refusalOf(request, options)
    if (refusal === undefined) forward(request, response, resolve)
    else if (refusal > 0) response.writeHead(refusal).end()
  })
  server.on('connect', (request, client: Socket, head: Buffer) => {
    tunnels.push(request.url ?? '')
    sockets.add(client)
    const refusal = refusalOf(request, options)
    if (refusal !== undefined) {
      client.on('error', () => client.destroy())
      if (refusal > 0) client.end(`HTTP/1.1 ${refusal} No\r\ncontent-length: 0\r\n\r\n`)
      return
    }
    const target = URL.parse(`http://${request.url}`)
    const upstream = connect({ host: resolve(target?.hostname ?? ''), port: Number(target?.port || 80) }, () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      upstream.write(head)
      client.on('data', (piece: Buffer) => void (bytesOut += piece.length))
      client.pipe(upstream).pipe(client)
    })
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    tunnels,
    forwarded,
    bytesOut: () => bytesOut,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

function refusalOf({ headers }: IncomingMessage, { refuses, authorization }: ConnectProxyOptions): number | undefined {
  if (refuses !== undefined) return refuses
  return authorization === undefined || headers['proxy-authorization'] === authorization ? undefined : 407
}

/** A request with an absolute URL in the first line is forwarded to that server. */
function forward(request: IncomingMessage, response: ServerResponse, resolve: (host: string) => string): void {
  const url = URL.parse(request.url ?? '')
  if (url === null) return void response.writeHead(400).end()
  const { 'proxy-authorization': _, 'proxy-connection': __, ...headers } = request.headers
  const target = { host: resolve(url.hostname), port: url.port || 80, path: `${url.pathname}${url.search}` }
  const onward = send({ ...target, method: request.method, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(response)
  })
  onward.on('error', () => response.writeHead(502).end())
  request.pipe(onward)
}
