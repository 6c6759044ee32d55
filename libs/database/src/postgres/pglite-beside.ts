import {
  cString,
  int32,
  MessageBuffer,
  PostgresClient,
  sha256,
  silentLog,
  statusAtEnd,
  wireMessage,
  type Log,
  type WireMessage,
} from '@cinelake/core'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { connect, createServer, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { EmbeddedSession, ExclusiveSessions } from './pglite-thread.ts'
import type { PostgresDatabase } from './postgres.ts'

/**
 * The process that has an embedded database open lets others of the same user read beside it, through a socket beside
 * the directory; it and the file with the password have mode 0600. A client has the one session for a transaction, and
 * cannot write.
 */

/** User of readers in other processes. */
const READING = 'cinelake_local'
/** User of a process that asks for the directory, to work on the database itself. */
const LEAVING = 'cinelake_leave'
const DATABASE = 'cinelake'

/** Bytes that the path of a socket may have. Source: `sun_path` of Linux has 108 with its end, that of macOS 104. */
const LONGEST_SOCKET_PATH = 100
/**
 * Milliseconds that a client may hold its transaction open without a statement, or leave an answer unread: others wait.
 */
const IDLE_TIMEOUT_MS = 10_000
/** Milliseconds that readers have left when the process is about to close the database. */
const DRAIN_TIMEOUT_MS = 5000
/** Milliseconds for a process of this machine to answer. */
const CONNECT_TIMEOUT_MS = 5000

type Place = { readonly socket: string; readonly key: string }

function placeOf(directory: string): Place {
  const target = path.resolve(directory)
  const key = `${target}.key`
  const name = `cinelake-${sha256(target).slice(0, 16)}`
  if (process.platform === 'win32') return { socket: `\\\\.\\pipe\\${name}`, key }
  const socket = `${target}.sock`
  // A path that is too long for a socket gets a short one; that it is ours is looked at before anything is said.
  return {
    socket: Buffer.byteLength(socket) <= LONGEST_SOCKET_PATH ? socket : path.join(tmpdir(), `${name}.sock`),
    key,
  }
}

/**
 * Serves a database to other processes of this user, where the file system has sockets.
 * @param onLeave called when a process wants to work on the database; without, it is told that this one does
 */
export async function serveBeside(
  directory: string,
  database: ExclusiveSessions,
  onLeave?: () => void,
): Promise<AsyncDisposable | undefined> {
  const { socket: address, key } = placeOf(directory)
  const password = randomBytes(24).toString('base64url')
  const accounts = new Map([
    [READING, password],
    [LEAVING, password],
  ])
  const sockets = new Map<Socket, PostgresClient>()
  const working = new Set<Promise<void>>()
  const server = createServer((socket) => {
    const client = new PostgresClient(socket)
    sockets.set(socket, client)
    socket.once('close', () => sockets.delete(socket))
    const conversation = converse(client, { database, accounts, onLeave }).catch(() => void socket.destroy())
    working.add(conversation)
    void conversation.then(() => working.delete(conversation))
  })
  // The socket of a killed process.
  if (process.platform !== 'win32') await rm(address, { force: true })
  try {
    server.listen(address)
    await once(server, 'listening')
    if (process.platform !== 'win32') await chmod(address, 0o600)
    await writeKey(key, password)
  } catch {
    server.close()
    return undefined
  }
  return {
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      const stopWaiting = new AbortController()
      const late = pause(DRAIN_TIMEOUT_MS, undefined, { signal: stopWaiting.signal }).catch(() => {})
      await Promise.race([Promise.all(working), late])
      stopWaiting.abort()
      for (const [socket, client] of sockets) {
        client.refuse({ code: '57P01', message: 'the process that has the database closes it' })
        socket.destroySoon()
      }
      await closed
      await rm(key, { force: true })
    },
  }
}

async function writeKey(file: string, password: string): Promise<void> {
  const draft = `${file}.${randomBytes(6).toString('hex')}`
  await writeFile(draft, password, { mode: 0o600, flag: 'wx' })
  await rename(draft, file)
}

type Conversation = {
  readonly database: ExclusiveSessions
  readonly accounts: ReadonlyMap<string, string>
  readonly onLeave: (() => void) | undefined
}

async function converse(client: PostgresClient, { database, accounts, onLeave }: Conversation): Promise<void> {
  const startup = await client.logIn(accounts, DATABASE)
  if (startup === undefined) return
  if (startup.parameters.get('user') === LEAVING) {
    if (onLeave === undefined) return client.refuse({ code: '55006', message: 'this process works on the database' })
    await client.send(GREETING)
    client.end()
    return onLeave()
  }
  await client.send(GREETING)
  for (let unit = await nextUnit(client); unit !== undefined; unit = await nextUnit(client)) {
    const first = unit
    try {
      await database.exclusive(async (session) => await takeTurn(client, session, first), client.gone)
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      return client.refuse({ code: '57P01', message })
    }
  }
  client.end()
}

/** From a client's first message to the end of its transaction. */
async function takeTurn(
  client: PostgresClient,
  session: EmbeddedSession,
  first: readonly WireMessage[],
): Promise<void> {
  await session.exec('SET default_transaction_read_only = on')
  try {
    for (let unit: readonly WireMessage[] | undefined = first; unit !== undefined; unit = await nextUnitSoon(client)) {
      let status: string | undefined
      for (const { bytes } of unit) {
        const output = await session.raw(bytes)
        status = statusAtEnd(output)
        await client.send(output, IDLE_TIMEOUT_MS)
      }
      if (status === 'I') return
    }
  } finally {
    if (!client.gone.aborted) await session.exec(LEAVE_NOTHING)
  }
}

/** Resets the session after a client. */
export const LEAVE_NOTHING = `ROLLBACK; RESET ALL; SET TIME ZONE 'UTC'; DEALLOCATE ALL`

/** Messages up to the one that the client waits for an answer to. */
async function nextUnit(client: PostgresClient): Promise<readonly WireMessage[] | undefined> {
  const unit: WireMessage[] = []
  for (;;) {
    const message = await client.nextMessage()
    if (message === undefined || message.type === 'X') return undefined
    unit.push(message)
    if (['Q', 'S', 'H'].includes(message.type)) return unit
  }
}

async function nextUnitSoon(client: PostgresClient): Promise<readonly WireMessage[] | undefined> {
  const timer = setTimeout(() => {
    client.refuse({ code: '25P03', message: 'terminating connection due to idle-in-transaction timeout' })
  }, IDLE_TIMEOUT_MS)
  try {
    return await nextUnit(client)
  } finally {
    clearTimeout(timer)
  }
}

const GREETING = Buffer.concat([
  wireMessage('R', int32(0)),
  wireMessage('S', cString('client_encoding'), cString('UTF8')),
  wireMessage('K', int32(0), int32(0)),
  wireMessage('Z', Buffer.from('I')),
])

/** The driver's own connections go to a host and port: this one goes to the socket, whatever it is told. */
class SocketTo extends Socket {
  readonly #address: string

  constructor(address: string) {
    super()
    this.#address = address
  }

  override connect(): this {
    return super.connect({ path: this.#address })
  }
}

/** Connects to the process that has a database open, to read beside it; undefined when none can be reached. */
export async function connectBeside<Schema>(
  directory: string,
  log: Log = silentLog,
): Promise<PostgresDatabase<Schema> | undefined> {
  const place = placeOf(directory)
  const password = await keyOf(place)
  if (password === undefined) return undefined
  // Who works on the embedded database needs no driver of a server.
  const { openPostgresConnections } = await import('./postgres.ts')
  const database = openPostgresConnections<Schema>(
    {
      user: READING,
      database: DATABASE,
      password,
      // Not where it goes: see the stream.
      host: 'localhost',
      stream: () => new SocketTo(place.socket),
      // The database has one session. The connection is kept: while it is there, the other process does not leave.
      max: 1,
      idleTimeoutMillis: 0,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    },
    {
      location: `pglite:${directory}`,
      log,
      // The other process ends what it does for a client that has gone.
      cancel: async (client) => void client.connection.stream.destroy(),
    },
  )
  try {
    await database.pool.query('SELECT 1')
    return database
  } catch {
    await database[Symbol.asyncDispose]()
    return undefined
  }
}

/** Asks the process that has a database open to leave it. @returns false when it works on it, and will not */
export async function askToLeave(directory: string): Promise<boolean> {
  const place = placeOf(directory)
  const password = await keyOf(place)
  if (password === undefined) return true
  try {
    await (await logInBeside(place, LEAVING, password))[Symbol.asyncDispose]()
    return true
  } catch (error) {
    return !(error instanceof WireRefusal && error.code === '55006')
  }
}

/** The one session of a database that another process has open, to read through it. */
export function besideSessions(directory: string): ExclusiveSessions {
  return {
    async exclusive(work, signal) {
      const place = placeOf(directory)
      await using connection = await logInBeside(place, READING, (await keyOf(place)) ?? '')
      const stop = () => connection.destroy()
      signal?.addEventListener('abort', stop, { once: true })
      try {
        signal?.throwIfAborted()
        return await work({
          raw: async (bytes) => await connection.exchange(bytes),
          exec: async (sql) => {
            await connection.exchange(wireMessage('Q', cString(sql)))
            return []
          },
          query: async () => {
            throw new Error('only messages pass to another process')
          },
          describe: async () => {
            throw new Error('only messages pass to another process')
          },
        })
      } catch (error) {
        signal?.throwIfAborted()
        throw error
      } finally {
        signal?.removeEventListener('abort', stop)
      }
    },
  }
}

class WireRefusal extends Error {
  readonly code: string

  constructor(body: Buffer) {
    const fields = new Map(
      body
        .toString('utf8')
        .split('\0')
        .map((field) => [field.slice(0, 1), field.slice(1)] as const),
    )
    super(fields.get('M') ?? 'refused')
    this.code = fields.get('C') ?? ''
  }
}

/** @throws {WireRefusal} @throws Error when no process is there, or one of another user */
async function logInBeside(place: Place, user: string, password: string) {
  const socket = connect(place.socket)
  socket.on('error', () => {})
  const timer = setTimeout(() => socket.destroy(), CONNECT_TIMEOUT_MS)
  const chunks = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  const buffer = new MessageBuffer()
  const next = async (): Promise<WireMessage> => {
    for (;;) {
      const message = buffer.nextMessage()
      if (message?.type === 'E') throw new WireRefusal(message.body)
      if (message !== undefined) return message
      const { value, done } = await chunks.next()
      if (done === true) throw new Error('the process that has the database has left')
      buffer.add(value)
    }
  }
  try {
    const parameters = [cString('user'), cString(user), cString('database'), cString(DATABASE), Buffer.alloc(1)]
    const startup = Buffer.concat([int32(196_608), ...parameters])
    socket.write(Buffer.concat([int32(startup.length + 4), startup]))
    await next()
    socket.write(wireMessage('p', cString(password)))
    while ((await next()).type !== 'Z');
  } catch (error) {
    socket.destroy()
    throw error
  } finally {
    clearTimeout(timer)
  }
  return {
    /** Sends messages of which the last asks for an answer; gives the whole answer. */
    async exchange(bytes: Uint8Array): Promise<Buffer> {
      socket.write(bytes)
      const answer: Buffer[] = []
      for (;;) {
        const message = buffer.nextMessage()
        if (message === undefined) {
          const { value, done } = await chunks.next()
          if (done === true) throw new Error('the process that has the database has left')
          buffer.add(value)
          continue
        }
        answer.push(message.bytes)
        if (message.type === 'Z') return Buffer.concat(answer)
        if (message.type === 'E' && message.body.toString('latin1').includes('FATAL'))
          throw new WireRefusal(message.body)
      }
    },
    destroy: () => void socket.destroy(),
    async [Symbol.asyncDispose]() {
      socket.end(wireMessage('X'))
      socket.destroySoon()
    },
  }
}

/** @returns undefined when no process serves there, or one of another user */
async function keyOf({ socket, key }: Place): Promise<string | undefined> {
  try {
    if (process.platform !== 'win32') {
      const { uid } = await stat(socket)
      if (uid !== process.getuid?.()) return undefined
    }
    return await readFile(key, 'utf8')
  } catch {
    return undefined
  }
}
