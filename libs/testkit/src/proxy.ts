import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

export type Direction = 'toServer' | 'toClient'

/** A proxy between a client and a server that injects network faults. Listens on 127.0.0.1. */
export interface Proxy extends AsyncDisposable {
  readonly host: string
  readonly port: number
  /** Connections that are open now. */
  readonly connectionCount: number
  /** Bytes that have passed so far, over all connections. */
  readonly passed: Readonly<Record<Direction, number>>
  /** Resets every connection; new ones are let through. */
  readonly cut: () => void
  /** Resets every connection as soon as so many more bytes have passed in one direction. */
  cutAfter(direction: Direction, byteCount: number): void
  /**
   * Lets a message of the client that holds this text reach the server, and resets its connection instead of passing
   * the answer on. Once.
   */
  loseAnswerTo(text: string | Uint8Array): void
  /** Resets new connections at once, and those that are open, until `restore`. */
  refuse(): void
  /** Lets nothing through and says nothing: both sides believe that the connection stands, until `restore`. */
  hold(): void
  /** Lets every piece through this much later, in its order. */
  delay(milliseconds: number): void
  /** A network without faults; held data is forwarded. */
  restore(): void
}

type Faults = {
  delayMs: number
  refuses: boolean
  /** Settled, unless nothing is let through. */
  gate: Promise<void>
  open: () => void
  cutAfter: { readonly direction: Direction; remaining: number } | undefined
  answerToLose: Buffer | undefined
}

type Connection = { readonly client: Socket; readonly server: Socket; losesAnswer: boolean }

/** Puts a network in front of a server that is on this machine. */
export async function startProxy(target: { readonly host?: string; readonly port: number }): Promise<Proxy> {
  const faults = noFaults()
  const connections = new Set<Connection>()
  const passed = { toServer: 0, toClient: 0 }
  const cut = () => connections.forEach(reset)
  const listener = createServer({ allowHalfOpen: true }, (client) => {
    client.on('error', () => {})
    if (faults.refuses) {
      client.resetAndDestroy()
      return
    }
    const server = connect({ host: target.host ?? '127.0.0.1', port: target.port, allowHalfOpen: true })
    const connection = { client, server, losesAnswer: false }
    connections.add(connection)
    carry(connection, { faults, passed, cut })
    server.on('close', () => connections.delete(connection))
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  return {
    host: '127.0.0.1',
    port: (listener.address() as AddressInfo).port,
    passed,
    get connectionCount() {
      return connections.size
    },
    cut,
    ...switches(faults, cut),
    async [Symbol.asyncDispose]() {
      faults.open()
      cut()
      listener.close()
      await once(listener, 'close')
    },
  }
}

function switches(faults: Faults, cut: () => void) {
  return {
    cutAfter: (direction: Direction, byteCount: number) => void (faults.cutAfter = { direction, remaining: byteCount }),
    loseAnswerTo: (text: string | Uint8Array) => void (faults.answerToLose = Buffer.from(text)),
    refuse() {
      faults.refuses = true
      cut()
    },
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>()
      faults.open()
      Object.assign(faults, { gate: promise, open: resolve })
    },
    delay: (milliseconds: number) => void (faults.delayMs = milliseconds),
    restore() {
      faults.open()
      Object.assign(faults, noFaults())
    },
  }
}

function noFaults(): Faults {
  return {
    delayMs: 0,
    refuses: false,
    gate: Promise.resolve(),
    open() {},
    cutAfter: undefined,
    answerToLose: undefined,
  }
}

type Network = {
  readonly faults: Faults
  readonly passed: Record<Direction, number>
  readonly cut: () => void
}

function carry(connection: Connection, network: Network): void {
  const { client, server } = connection
  for (const socket of [client, server]) {
    socket.setNoDelay(true)
    socket.on('error', () => {})
    // What has been read is passed on before the other side hears of the end.
    socket.on('close', (broken) => broken && reset(connection))
  }
  void pass(client, server, 'toServer', connection, network).catch(() => reset(connection))
  void pass(server, client, 'toClient', connection, network).catch(() => reset(connection))
}

async function pass(from: Socket, to: Socket, direction: Direction, connection: Connection, network: Network) {
  const { faults, passed, cut } = network
  // A side that has ended may still be written to.
  for await (const piece of from.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    await faults.gate
    if (faults.delayMs > 0) await pause(faults.delayMs)
    if (direction === 'toClient' && connection.losesAnswer) return reset(connection)
    const limit = faults.cutAfter?.direction === direction ? faults.cutAfter : undefined
    const allowed = limit === undefined ? piece : piece.subarray(0, limit.remaining)
    // Before the write: the answer may be here before this function continues.
    if (direction === 'toServer' && faults.answerToLose !== undefined && piece.includes(faults.answerToLose)) {
      faults.answerToLose = undefined
      connection.losesAnswer = true
    }
    passed[direction] += allowed.length
    if (!to.write(allowed)) await once(to, 'drain')
    if (limit === undefined) continue
    limit.remaining -= allowed.length
    if (limit.remaining <= 0) {
      faults.cutAfter = undefined
      cut()
    }
  }
  to.end()
}

function reset({ client, server }: Connection): void {
  client.resetAndDestroy()
  server.resetAndDestroy()
}
