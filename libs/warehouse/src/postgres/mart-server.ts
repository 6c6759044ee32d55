import { cString, int32, PipelineError, PostgresClient, wireMessage } from '@cinelake/core'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { DatabaseInUseError } from '@cinelake/database'
import { Interruption, MartSession } from './mart-session.ts'
import { besideSessions, openHere, type PgliteDatabase, type ExclusiveSessions } from '@cinelake/database/pglite'
import { createPgliteWarehouse } from './pglite-warehouse.ts'
import { READER } from './reader.ts'

export const MART_DATABASE = 'mart'
export const MART_USER = READER
/** Clients at once; each waits for the others' statements. */
const MAX_CLIENTS = 50
/** Milliseconds after the last statement after which the directory is left to others. */
const KEEP_OPEN_MS = 3000
/** Milliseconds in which a process that opens or closes the database comes to serve it, or leaves. */
const WAIT_MS = 20_000
const WAIT_INTERVAL_MS = 50

export type MartServerOptions = {
  readonly directory: string
  /** An address of this machine. */
  readonly host: string
  /** 0 for any free one. */
  readonly port: number
  readonly password: string
  /** Milliseconds that a statement may take. */
  readonly timeoutMs: number
  /** Milliseconds that a client may leave an answer unread, or a transaction that others wait for open. */
  readonly idleTimeoutMs?: number
}

/** Where nothing is said of `idleTimeoutMs`. */
const IDLE_TIMEOUT_MS = 10_000

export interface MartServer extends AsyncDisposable {
  readonly port: number
}

/**
 * Serves the mart of an embedded database to tools that speak the PostgreSQL protocol, read only. The database is open
 * only while they ask, so that a run finds it free; while another process works on it, they read beside that one.
 */
export async function startMartServer(options: MartServerOptions): Promise<MartServer> {
  const { directory, host, port, password, timeoutMs, idleTimeoutMs = IDLE_TIMEOUT_MS } = options
  const owned = new AsyncDisposableStack()
  const sessions = owned.use(martSessions(directory))
  const greeting = await greetingOf(sessions)
  const clients = new Map<number, { readonly secret: number; readonly cancel: () => void }>()
  const sockets = new Set<Socket>()

  const converse = async (socket: Socket) => {
    const client = new PostgresClient(socket)
    if (sockets.size > MAX_CLIENTS) return client.refuse({ code: '53300', message: 'sorry, too many clients already' })
    const cancelOther = (id: number, secret: number) => {
      const other = clients.get(id)
      if (other?.secret === secret) other.cancel()
    }
    const startup = await client.logIn(new Map([[MART_USER, password]]), MART_DATABASE, cancelOther)
    if (startup === undefined) return
    const id = newId(clients)
    const secret = randomInt(2 ** 31)
    let stop = new AbortController()
    clients.set(id, { secret, cancel: () => stop.abort(new Interruption('canceling statement due to user request')) })
    const cancelled = () => {
      stop = new AbortController()
      return stop.signal
    }
    try {
      await client.send(Buffer.concat([greeting, wireMessage('K', int32(id), int32(secret)), READY]))
      await new MartSession(client, { sessions, timeoutMs, idleTimeoutMs, cancelled }).run()
    } finally {
      clients.delete(id)
      client.end()
    }
  }
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    void converse(socket).catch(() => void socket.destroy())
  })
  try {
    server.listen(port, host)
    await once(server, 'listening')
  } catch (error) {
    await owned.disposeAsync()
    throw error
  }
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
      await owned.disposeAsync()
    },
  }
}

const READY = wireMessage('Z', Buffer.from('I'))

function newId(taken: ReadonlyMap<number, unknown>): number {
  for (;;) {
    const id = randomInt(1, 2 ** 31)
    if (!taken.has(id)) return id
  }
}

/** The parameters sent after a login. Drivers adapt to them. */
async function greetingOf(sessions: ExclusiveSessions): Promise<Buffer> {
  const answer = await sessions.exclusive(
    async (session) => await session.raw(wireMessage('Q', cString('SHOW server_version'))),
  )
  const version = /\d+\.\d+/.exec(answer.toString('latin1'))?.[0] ?? '18.0'
  const parameters = {
    server_version: version,
    server_encoding: 'UTF8',
    client_encoding: 'UTF8',
    application_name: '',
    is_superuser: 'off',
    session_authorization: READER,
    DateStyle: 'ISO, MDY',
    IntervalStyle: 'postgres',
    TimeZone: 'UTC',
    integer_datetimes: 'on',
    standard_conforming_strings: 'on',
    default_transaction_read_only: 'on',
    in_hot_standby: 'off',
  }
  return Buffer.concat([
    wireMessage('R', int32(0)),
    ...Object.entries(parameters).map(([name, value]) => wireMessage('S', cString(name), cString(value))),
  ])
}

/** The one session of a directory's database, whichever process has it open; this one where no other does. */
function martSessions(directory: string): ExclusiveSessions & AsyncDisposable {
  let own: Promise<PgliteDatabase<unknown>> | undefined
  let users = 0
  let isLeaving = false
  let closing: NodeJS.Timeout | undefined
  const beside = besideSessions(directory)

  const close = async () => {
    const open = own
    own = undefined
    isLeaving = false
    await (await open?.catch(() => undefined))?.[Symbol.asyncDispose]()
  }
  let closed: Promise<void> = Promise.resolve()
  const closeWhenUnused = () => {
    clearTimeout(closing)
    if (users > 0 || own === undefined) return
    if (isLeaving) closed = close()
    else {
      closing = setTimeout(() => {
        closed = close()
      }, KEEP_OPEN_MS).unref()
    }
  }
  const leave = () => {
    isLeaving = true
    closeWhenUnused()
  }
  const openOwn = async () => {
    await closed
    const database = await openHere<unknown>(directory, leave)
    try {
      await createPgliteWarehouse(database)
      return database
    } catch (error) {
      await database[Symbol.asyncDispose]()
      throw error
    }
  }
  /** @returns undefined when another process has the directory open */
  const opened = async (): Promise<PgliteDatabase<unknown> | undefined> => {
    own ??= openOwn()
    const opening = own
    try {
      return await opening
    } catch (error) {
      if (own === opening) own = undefined
      if (error instanceof DatabaseInUseError) return undefined
      throw error
    }
  }
  /** @returns false when the directory is another process's */
  const inOwn = async (use: (database: ExclusiveSessions) => Promise<void>): Promise<boolean> => {
    if (isLeaving) return false
    users += 1
    try {
      const database = await opened()
      if (database === undefined) return false
      await use(database.pglite)
      return true
    } finally {
      users -= 1
      closeWhenUnused()
    }
  }
  return {
    async exclusive(work, signal) {
      const giveUpAt = performance.now() + WAIT_MS
      for (;;) {
        signal?.throwIfAborted()
        const done: { result: Awaited<ReturnType<typeof work>> }[] = []
        let hasBegun = false
        const run = async (sessions: ExclusiveSessions) => {
          done.push({
            result: await sessions.exclusive(async (session) => {
              hasBegun = true
              return await work(session)
            }, signal),
          })
        }
        try {
          if (!(await inOwn(run))) await run(beside)
          const [finished] = done
          if (finished !== undefined) return finished.result
        } catch (error) {
          // The process that has the database may be about to open or to close it.
          const isLasting = error instanceof PipelineError && !error.retryable
          if (hasBegun || isLasting || performance.now() > giveUpAt) throw error
          await pause(WAIT_INTERVAL_MS)
        }
      }
    },
    async [Symbol.asyncDispose]() {
      clearTimeout(closing)
      await close()
      await closed
    },
  }
}
