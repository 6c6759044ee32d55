import { once } from 'node:events'
import type { AddressInfo, Server, Socket } from 'node:net'
import rhea, { type Connection, type Container, type EventContext } from 'rhea'
import type { SelfSigned } from '../self-signed-certificate.ts'
import type { Keys } from './access.ts'
import { definitionOf, type EmulatorConfig } from './emulator-config.ts'
import { noFaults, type Faults } from './faults.ts'
import { noJournal, openJournal } from './journal.ts'
import { createNamespace, type Namespace } from './namespace.ts'
import { createPeer, type Peer } from './peer.ts'
import { openWebSocketEntrance } from './web-socket-entrance.ts'

export type ServiceBusBrokerOptions = {
  readonly config: EmulatorConfig
  /** 0: one that is free. */
  readonly port?: number
  readonly host?: string
  /** Where messages are kept; in memory alone without it. */
  readonly directory?: string | undefined
  /** Shared access keys by name. */
  readonly keys?: Keys
  /** Given, the broker is entered over WebSockets as well, under this certificate. */
  readonly webSocketCertificate?: SelfSigned
}

/** A running loopback broker. */
export type ServiceBusBroker = AsyncDisposable & {
  readonly port: number
  /** Where WebSockets come in; undefined: nowhere. */
  readonly webSocketPort: number | undefined
  /** For `@azure/service-bus`, in the form of the emulator: no TLS. */
  readonly connectionString: string
  readonly faults: Faults
  /** Messages of an entity that are neither settled nor dead. For a subscription `events/Subscriptions/scheduler`. */
  messageCount(path: string): number
  /** How often locks of an entity were renewed. Named as in `messageCount`. */
  renewalCount(path: string): number
  /** How many clients are connected. */
  connectionCount(): number
}

/** Not a secret: it opens a broker on this machine that anybody here may use. The emulator's own is as public. */
const LOOPBACK_KEYS: Keys = { RootManageSharedAccessKey: 'loopback' }

/**
 * Starts a broker that speaks as much of Azure Service Bus as `@azure/service-bus` needs for queues and topics: peek-lock
 * with renewal, dead letters, peeks, batches, claims-based security. It listens on this machine alone unless told otherwise,
 * and is a tool for development: it has no limits, and no protection against a client that means ill.
 */
export async function startServiceBusBroker(options: ServiceBusBrokerOptions): Promise<ServiceBusBroker> {
  const { config, port = 0, host = '127.0.0.1', directory, keys = LOOPBACK_KEYS } = options
  const journal = directory === undefined ? noJournal : openJournal(directory)
  const namespace = createNamespace(definitionOf(config), journal)
  const pending = noFaults()
  const peers = new Map<Connection, Peer>()
  const peerOf = (connection: Connection) => {
    const peer = peers.get(connection) ?? createPeer(namespace, keys, pending)
    peers.set(connection, peer)
    return peer
  }
  const forget = ({ connection }: EventContext) => {
    peers.get(connection)?.close()
    peers.delete(connection)
  }
  const container = createContainer(peerOf, forget)
  const server = container.listen({ ...CONNECTION, port, host } as never)
  const sockets = trackSockets(server)
  await once(server, 'listening')
  const bound = (server.address() as AddressInfo).port
  const { webSocketCertificate: certificate } = options
  const webSockets = certificate && (await openWebSocketEntrance(container, certificate, CONNECTION))
  const [keyName, key] = Object.entries(keys)[0] ?? []

  return {
    port: bound,
    webSocketPort: webSockets?.port,
    connectionString: `Endpoint=sb://${host}:${bound};SharedAccessKeyName=${keyName};SharedAccessKey=${key};UseDevelopmentEmulator=true;`,
    faults: createFaults(pending, namespace, sockets),
    messageCount: (path) => namespace.entity(path)?.count() ?? 0,
    renewalCount: (path) => namespace.entity(path)?.renewalCount() ?? 0,
    connectionCount: () => peers.size,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      drop(sockets)
      await webSockets?.[Symbol.asyncDispose]()
      await closed
      for (const entity of namespace.entities) entity.close()
      journal[Symbol.dispose]()
    },
  }
}

function createFaults(pending: ReturnType<typeof noFaults>, namespace: Namespace, sockets: Set<Socket>): Faults {
  return {
    dropConnections: () => drop(sockets),
    delay: (delayMs) => void (pending.delayMs = delayMs),
    loseSettlementAnswers: (times = 1) => void (pending.lostSettlementAnswers += times),
    loseSendAnswers: (times = 1) => void (pending.lostSendAnswers += times),
    refuseSends: (times = 1) => void (pending.refusedSends += times),
    refuseRenewals: (times = 1) => void (pending.refusedRenewals += times),
    refuseTokens: (isRefusing) => void (pending.isRefusingTokens = isRefusing),
    tellLocks: (path, lockMs) => namespace.entity(path)?.tellLocks(lockMs),
    expireLocks: (path) => namespace.entity(path)?.expireLocks() ?? 0,
  }
}

/** How the broker's end of a connection behaves: every settlement is in our own hands. */
const CONNECTION = {
  session_buffer_size: 8192,
  sender_options: { treat_modified_as_released: false, autosettle: false },
  receiver_options: { autoaccept: false, credit_window: 1000 },
}

/** Hands everything that arrives to the peer that it came from. */
function createContainer(peerOf: (connection: Connection) => Peer, forget: (context: EventContext) => void): Container {
  const container = rhea.create_container({ id: 'cinelake-loopback' })
  // The client gives a user name without a password; who it is, is said by the tokens that it puts.
  container.sasl_server_mechanisms.enable_anonymous()
  container.on('disconnected', forget)
  container.on('connection_close', forget)
  container.on('receiver_open', ({ connection, receiver }) => receiver && peerOf(connection).onReceiverOpen(receiver))
  container.on('sender_open', ({ connection, sender }) => sender && peerOf(connection).onSenderOpen(sender))
  container.on('message', (context) => peerOf(context.connection).onMessage(context))
  container.on('sender_flow', ({ connection, sender }) => sender && peerOf(connection).onFlow(sender))
  container.on('sender_draining', ({ connection, sender }) => sender && peerOf(connection).onDrain(sender))
  container.on('sender_close', ({ connection, sender }) => sender && peerOf(connection).onSenderClose(sender))
  for (const outcome of ['accepted', 'rejected', 'modified', 'released']) {
    container.on(outcome, ({ connection, sender, delivery }) => {
      if (sender !== undefined && delivery !== undefined) peerOf(connection).onSettlement(sender, delivery)
    })
  }
  // A client that ends in the middle of a frame is nothing to end for.
  for (const error of [
    'connection_error',
    'session_error',
    'sender_error',
    'receiver_error',
    'protocol_error',
    'error',
  ])
    container.on(error, () => {})
  return container
}

function trackSockets(server: Server): Set<Socket> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    socket.setNoDelay(true)
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  return sockets
}

function drop(sockets: Set<Socket>): void {
  // With an error: rhea hears of `end` and `error`, not of `close`.
  for (const socket of sockets) socket.destroy(new Error('connection dropped'))
}
