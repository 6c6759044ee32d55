import { timingSafeEqual, createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import type { PGlite } from '@electric-sql/pglite'
import type { Exclusive } from './exclusive.ts'
import { fatalError, MessageBuffer, passwordRequest, query, statusAtEnd, type StartupMessage } from './postgres-wire.ts'

export type PostgresServerOptions = {
  readonly database: PGlite
  /** Held by a connection from its first message until the backend is idle again. */
  readonly exclusive: Exclusive
  /** The address to listen on; left out, the loopback interface. */
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
 * Serves an embedded database to any number of PostgreSQL clients, with a password.
 * The database has one session, so a client has it to itself for a transaction (or a statement outside of one): clients
 * that work at once wait for each other as they would for a lock. Session settings are shared.
 */
export async function startPostgresServer(options: PostgresServerOptions): Promise<PostgresServer> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    // A client that goes away is its own affair; what it left open is put in order by the conversation's end.
    socket.on('error', () => {})
    void converse(socket, options).catch(() => socket.destroy())
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

async function converse(socket: Socket, options: PostgresServerOptions): Promise<void> {
  socket.setNoDelay(true)
  const buffer = new MessageBuffer()
  const startup = await logIn(socket, buffer, options)
  if (startup === undefined) {
    socket.end()
    return
  }
  const backend = createBackend(socket, options)
  try {
    await backend.take(startup.bytes)
    for await (const message of messages(socket, buffer)) {
      if (message.type === 'X') break
      await backend.take(message.bytes)
    }
  } finally {
    await backend.leave()
    socket.end()
  }
}

/** One client's side of the one session. */
function createBackend(socket: Socket, { database, exclusive }: PostgresServerOptions) {
  let end: (() => void) | undefined
  let status: string = 'I'

  const exchange = async (bytes: Uint8Array, reply: (output: Uint8Array) => void): Promise<void> => {
    let tail: Buffer = Buffer.alloc(0)
    await database.runExclusive(() =>
      database.execProtocolRawStream(bytes, {
        onRawData: (output) => {
          tail = Buffer.concat([tail, output.subarray(-6)]).subarray(-6)
          reply(output)
        },
      }),
    )
    status = statusAtEnd(tail) ?? 'busy'
  }
  return {
    async take(bytes: Uint8Array): Promise<void> {
      end ??= await exclusive.enter()
      let flowing = true
      // The output's memory belongs to the database: it is used again for the next message.
      await exchange(bytes, (output) => (flowing = socket.write(Buffer.from(output)) && flowing))
      if (!flowing && !socket.destroyed) await Promise.race([once(socket, 'drain'), once(socket, 'close')])
      if (status !== 'I') return
      end()
      end = undefined
    },
    /** Ends what the client left open. */
    async leave(): Promise<void> {
      if (end === undefined) return
      try {
        await exchange(query('ROLLBACK'), () => {})
      } finally {
        end()
        end = undefined
      }
    },
  }
}

async function logIn(
  socket: Socket,
  buffer: MessageBuffer,
  { user, password, databaseName }: PostgresServerOptions,
): Promise<Extract<StartupMessage, { kind: 'startup' }> | undefined> {
  let startup = await next(socket, buffer, () => buffer.nextStartup())
  while (startup?.kind === 'encryption-request') {
    socket.write('N')
    startup = await next(socket, buffer, () => buffer.nextStartup())
  }
  if (startup?.kind !== 'startup') return undefined
  const refuse = (code: string, text: string): undefined => {
    socket.write(fatalError(code, text))
  }
  socket.write(passwordRequest())
  const answer = await next(socket, buffer, () => buffer.nextMessage())
  if (answer?.type !== 'p') return undefined
  const given = { user: startup.parameters.get('user'), password: answer.body.toString('utf8').replace(/\0$/, '') }
  if (given.user !== user || !isSame(given.password, password)) {
    return refuse('28P01', `password authentication failed for user "${given.user ?? ''}"`)
  }
  const database = startup.parameters.get('database') ?? user
  if (database !== databaseName) return refuse('3D000', `database "${database}" does not exist`)
  return startup
}

async function next<Message>(
  socket: Socket,
  buffer: MessageBuffer,
  read: () => Message | undefined,
): Promise<Message | undefined> {
  for (;;) {
    const message = read()
    if (message !== undefined) return message
    const chunk = await readChunk(socket)
    if (chunk === undefined) return undefined
    buffer.add(chunk)
  }
}

async function* messages(socket: Socket, buffer: MessageBuffer) {
  for (;;) {
    const message = await next(socket, buffer, () => buffer.nextMessage())
    if (message === undefined) return
    yield message
  }
}

/** @returns undefined when the client has gone */
async function readChunk(socket: Socket): Promise<Buffer | undefined> {
  for (;;) {
    const chunk: unknown = socket.read()
    if (Buffer.isBuffer(chunk)) return chunk
    if (socket.readableEnded || socket.destroyed) return undefined
    await readable(socket)
  }
}

function readable(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      for (const event of ['readable', 'end', 'close']) socket.off(event, done)
      resolve()
    }
    for (const event of ['readable', 'end', 'close']) socket.on(event, done)
  })
}

function isSame(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(expected))
}
