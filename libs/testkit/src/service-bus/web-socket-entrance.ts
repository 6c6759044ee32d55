import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Container } from 'rhea'
import { WebSocketServer } from 'ws'
import type { SelfSigned } from '../self-signed-certificate.ts'

/** The second way into a broker: AMQP over WebSockets over TLS. */
export type WebSocketEntrance = AsyncDisposable & { readonly port: number }

/** The subprotocol that Service Bus asks for. Source: docs.oasis-open.org/amqp-bindmap/amqp-wsb */
const SUBPROTOCOL = 'AMQPWSB10'

export async function openWebSocketEntrance(
  container: Container,
  { key, certificate }: SelfSigned,
  options: object,
): Promise<WebSocketEntrance> {
  const server = createServer({ key, cert: certificate }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const sockets = new WebSocketServer({
    server,
    path: '/$servicebus/websocket',
    handleProtocols: (asked) => asked.has(SUBPROTOCOL) && SUBPROTOCOL,
  })
  sockets.on('connection', (socket) => container.websocket_accept(socket as never, options))
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets.clients) socket.terminate()
      sockets.close()
      const closed = once(server, 'close')
      server.close()
      await closed
    },
  }
}
