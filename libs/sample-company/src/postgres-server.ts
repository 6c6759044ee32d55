import { PostgresClient, queryMessage, statusAtEnd } from '@cinelake/core'
import type { PGlite } from '@electric-sql/pglite'
import { once } from 'node:events'
import { type AddressInfo, type Socket, createServer } from 'node:net'

/** A mutex with a fair queue. */
export type Exclusive = {
  /** Waits for the lock. @returns releases the lock; idempotent */
  enter(): Promise<() => void>
}

export function createExclusive(): Exclusive {
  let last: Promise<void> = Promise.resolve()
  return {
    enter() {
      const { promise, resolve } = Promise.withResolvers<void>()
      const turn = last.then(() => () => resolve())
      last = promise
      return turn
    },
  }
}

export type PostgresServerOptions = {
  readonly database: PGlite
  /** Held by a connection from its first message until the backend is idle again. */
  readonly exclusive: Exclusive
  /** The address to listen on; default: the loopback interface. */
  readonly host?: string
  /** 0 for any free port. */
  readonly port: number
  readonly user: string
  readonly password: string
  readonly databaseName: string
}

export interface PostgresServer extends AsyncDisposable {
  readonly port: number
}

/**
 * Serves an embedded database to any number of PostgreSQL clients, with a password. The database has one session, so a
 * client has it exclusively for a transaction (or a statement outside of one): concurrent clients wait for each other
 * as they would for a lock. Session settings are shared.
 */
export async function startPostgresServer(options: PostgresServerOptions): Promise<PostgresServer> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    void converse(new PostgresClient(socket), options).catch(() => socket.destroy())
  })
  server.listen(options.port, options.host ?? '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

async function converse(client: PostgresClient, options: PostgresServerOptions): Promise<void> {
  const startup = await client.logIn(new Map([[options.user, options.password]]), options.databaseName)
  if (startup === undefined) return
  const backend = createBackend(client, options)
  try {
    await backend.take(startup.bytes)
    for (let message = await client.nextMessage(); message !== undefined; message = await client.nextMessage()) {
      if (message.type === 'X') break
      await backend.take(message.bytes)
    }
  } finally {
    await backend.leave()
    client.end()
  }
}

/** One client's connection to the shared session. */
function createBackend(client: PostgresClient, { database, exclusive }: PostgresServerOptions) {
  let end: (() => void) | undefined
  let status: string = 'I'

  const exchange = async (bytes: Uint8Array, reply: (output: Buffer) => void): Promise<void> => {
    let tail: Buffer = Buffer.alloc(0)
    await database.runExclusive(() =>
      database.execProtocolRawStream(bytes, {
        onRawData: (output) => {
          tail = Buffer.concat([tail, output.subarray(-6)]).subarray(-6)
          // The output's memory belongs to the database, which reuses it for the next message.
          reply(Buffer.from(output))
        },
      }),
    )
    status = statusAtEnd(tail) ?? 'busy'
  }
  return {
    async take(bytes: Uint8Array): Promise<void> {
      end ??= await exclusive.enter()
      let sent: Promise<void> = Promise.resolve()
      await exchange(bytes, (output) => {
        sent = client.send(output)
      })
      await sent
      if (status !== 'I') return
      end()
      end = undefined
    },
    /** Rolls back the client's open transaction. */
    async leave(): Promise<void> {
      if (end === undefined) return
      try {
        await exchange(queryMessage('ROLLBACK'), () => {})
      } finally {
        end()
        end = undefined
      }
    },
  }
}
