import { once } from 'node:events'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'

/** A server on the loopback address; `requests` are the paths that it was asked for. */
export type LoopbackServer = AsyncDisposable & { readonly url: string; readonly requests: string[] }

/** A real web server; what it was asked for is in `requests`. */
export async function startHttp(listener: RequestListener): Promise<LoopbackServer> {
  const requests: string[] = []
  const server = createHttpServer((request, response) => {
    requests.push(request.url ?? '')
    listener(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** A server that writes these bytes to every client, whatever it asks, and then cuts the connection. */
export async function startRaw(answer: (connection: number) => string): Promise<LoopbackServer> {
  const requests: string[] = []
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', (data) => {
      requests.push(data.toString().split(' ')[1] ?? '')
      socket.write(answer(requests.length), () => socket.destroy())
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.close()
    },
  }
}
