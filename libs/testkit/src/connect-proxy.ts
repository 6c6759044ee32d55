import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'

/** A company's proxy: carries what clients ask for by `CONNECT`, and sees no more of it than where it goes. */
export type ConnectProxy = AsyncDisposable & {
  /** For `HTTPS_PROXY`. */
  readonly url: string
  /** `HOST:PORT` of every tunnel that was asked for, in order. */
  readonly tunnels: readonly string[]
  /** Bytes that went out through tunnels. */
  readonly bytesOut: () => number
}

/** Starts a proxy on this machine. Source: RFC 9110, 9.3.6 */
export async function startConnectProxy(): Promise<ConnectProxy> {
  const tunnels: string[] = []
  const sockets = new Set<Socket>()
  let bytesOut = 0
  const server = createServer((_request, response) => void response.writeHead(405).end())
  server.on('connect', (request, client: Socket, head: Buffer) => {
    tunnels.push(request.url ?? '')
    const target = URL.parse(`http://${request.url}`)
    const upstream = connect({ host: target?.hostname ?? '', port: Number(target?.port || 80) }, () => {
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
    bytesOut: () => bytesOut,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
