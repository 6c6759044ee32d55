import { Semaphore } from '@cinelake/core'
import { Worker } from 'node:worker_threads'
import { fileSystemError } from './pglite-disk.ts'

/** Requests to the thread of the embedded database. One at a time. */
export type EmbeddedRequest = { readonly id: number } & EmbeddedCall

export type EmbeddedCall =
  | {
      readonly kind: 'query'
      readonly sql: string
      readonly values: readonly unknown[]
      readonly rowMode: 'array' | 'object'
      /** Times as text, as the port of queries describes values; else as JavaScript dates. */
      readonly timesAsText: boolean
      /** What `COPY … FROM '/dev/blob'` reads. */
      readonly copyText: string | undefined
    }
  | { readonly kind: 'exec'; readonly sql: string }
  | { readonly kind: 'raw'; readonly bytes: Uint8Array }
  | { readonly kind: 'describe'; readonly sql: string }
  | { readonly kind: 'close' }

export type EmbeddedResult<Row = unknown> = {
  readonly rows: Row[]
  readonly fields: { name: string; dataTypeID: number }[]
  readonly affectedRows?: number
}

export type EmbeddedReply =
  | { readonly id: 0; readonly ok: true; readonly value: undefined }
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | {
      readonly id: number
      readonly ok: false
      readonly message: string
      readonly fields: Readonly<Record<string, string>>
    }

export type EmbeddedOpening = { readonly directory: string | undefined }

/** The database's error of a failed statement: SQLSTATE as `code`, and the other fields of its message. */
class EmbeddedFault extends Error {
  constructor(message: string, fields: Readonly<Record<string, string>>, options?: ErrorOptions) {
    super(message, options)
    this.name = 'EmbeddedFault'
    Object.assign(this, fields)
  }
}

export type EmbeddedQueryOptions = {
  readonly rowMode?: 'array' | 'object'
  readonly timesAsText?: boolean
  readonly copyText?: string
}

/** The one session of the database, for the caller that has it for the moment. */
export interface EmbeddedSession {
  query<Row = unknown>(
    sql: string,
    values?: readonly unknown[],
    options?: EmbeddedQueryOptions,
  ): Promise<EmbeddedResult<Row>>
  exec(sql: string): Promise<EmbeddedResult[]>
  raw(bytes: Uint8Array): Promise<Buffer>
  /** The columns of a query. Nothing runs. */
  describe(sql: string): Promise<readonly { readonly name: string; readonly dataTypeID: number }[]>
}

export interface EmbeddedTransaction extends EmbeddedSession {
  rollback(): Promise<void>
}

/** Something that gives the one session of an embedded database to one caller at a time. */
export interface ExclusiveSessions {
  /**
   * Runs work with exclusive use of the session. It has to undo its own settings and transactions.
   * @param signal ends the statement that is under way; the work sees the signal's reason as its failure
   */
  exclusive<Result>(work: (session: EmbeddedSession) => Promise<Result>, signal?: AbortSignal): Promise<Result>
}

/**
 * PostgreSQL in a thread of this process, with one session, for which callers queue. A statement cannot be interrupted,
 * but its thread can be ended: the next one opens the directory again, as after a crash, with all that was committed.
 * Callers that wait for the session do not notice.
 */
export class EmbeddedPostgres implements ExclusiveSessions {
  readonly #directory: string | undefined
  readonly #mutex = new Semaphore(1)
  #thread: Thread | undefined
  /** As the query builder asks for them. */
  readonly ready = true
  readonly waitReady = Promise.resolve()
  closed = false

  private constructor(directory: string | undefined, thread: Thread) {
    this.#directory = directory
    this.#thread = thread
  }

  /** @param directory without one, a database in memory; there, a statement is not ended before its time */
  static async open(directory: string | undefined): Promise<EmbeddedPostgres> {
    return new EmbeddedPostgres(directory, await startThread(directory))
  }

  async exclusive<Result>(work: (session: EmbeddedSession) => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    return await this.#mutex.run(async () => {
      signal?.throwIfAborted()
      if (this.closed) throw new Error('the embedded database is closed')
      const ask = async (call: EmbeddedCall) => {
        // A session that was ended has no state to undo.
        if (this.#directory !== undefined) signal?.throwIfAborted()
        // One that ended, by a stop or by a fault of its own, is replaced when it is wanted.
        if (this.#thread === undefined || this.#thread.hasEnded) {
          await this.#thread?.over
          this.#thread = undefined
          this.#thread = await startThread(this.#directory)
        }
        return await this.#thread.ask(call)
      }
      const stop = () => {
        if (this.#directory !== undefined) void this.#thread?.end(signal?.reason)
      }
      signal?.addEventListener('abort', stop, { once: true })
      try {
        return await work(sessionOf(ask))
      } catch (error) {
        if (signal?.aborted === true) throw signal.reason
        throw error
      } finally {
        signal?.removeEventListener('abort', stop)
      }
    })
  }

  async query<Row = unknown>(
    sql: string,
    values: readonly unknown[] = [],
    options: EmbeddedQueryOptions = {},
  ): Promise<EmbeddedResult<Row>> {
    return await this.exclusive(async (session) => await session.query<Row>(sql, values, options))
  }

  async exec(sql: string): Promise<EmbeddedResult[]> {
    return await this.exclusive(async (session) => await session.exec(sql))
  }

  async transaction<Result>(
    work: (transaction: EmbeddedTransaction) => Promise<Result>,
    signal?: AbortSignal,
  ): Promise<Result> {
    return await this.exclusive(async (session) => {
      await session.exec('BEGIN')
      let isOver = false
      const rollback = async () => {
        if (isOver) return
        isOver = true
        await session.exec('ROLLBACK')
      }
      try {
        const result = await work({ ...session, rollback })
        if (!isOver) await session.exec('COMMIT')
        return result
      } catch (error) {
        await rollback()
        throw error
      }
    }, signal)
  }

  /** Waits for the work that is under way. */
  async close(): Promise<void> {
    await this.#mutex.run(async () => {
      if (this.closed) return
      this.closed = true
      const thread = this.#thread
      if (thread === undefined || thread.hasEnded) return
      try {
        await thread.ask({ kind: 'close' })
      } finally {
        await thread.end(new Error('the embedded database is closed'))
      }
    })
  }
}

function sessionOf(ask: (call: EmbeddedCall) => Promise<unknown>): EmbeddedSession {
  return {
    query: async <Row>(
      sql: string,
      values: readonly unknown[] = [],
      { rowMode = 'object', timesAsText = false, copyText }: EmbeddedQueryOptions = {},
    ) => (await ask({ kind: 'query', sql, values, rowMode, timesAsText, copyText })) as EmbeddedResult<Row>,
    exec: async (sql) => (await ask({ kind: 'exec', sql })) as EmbeddedResult[],
    raw: async (bytes) => asBuffer(await ask({ kind: 'raw', bytes })),
    describe: async (sql) => (await ask({ kind: 'describe', sql })) as { name: string; dataTypeID: number }[],
  }
}

/** A buffer that passes between threads arrives as plain bytes. */
function asBuffer(bytes: unknown): Buffer {
  const { buffer, byteOffset, byteLength } = bytes as Uint8Array<ArrayBuffer>
  return Buffer.from(buffer, byteOffset, byteLength)
}

type Thread = {
  readonly hasEnded: boolean
  readonly over: Promise<void>
  ask(call: EmbeddedCall): Promise<unknown>
  /** Ends it at once; the pending request fails with the reason. */
  end(reason: unknown): Promise<void>
}

/** @throws {WAREHOUSE_DISK_FULL} transient @throws {WAREHOUSE_DIRECTORY_UNUSABLE} transient, or PGlite's own error */
async function startThread(directory: string | undefined): Promise<Thread> {
  // Beside this file: `.ts` in the sources, `.js` when built.
  const script = import.meta.url.endsWith('.ts')
    ? new URL('./pglite-worker.ts', import.meta.url)
    : new URL('./pglite-worker.js', import.meta.url)
  const workerData: EmbeddedOpening = { directory }
  const worker = new Worker(script, { workerData })
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  const opened = Promise.withResolvers<unknown>()
  waiting.set(0, opened)
  let lastId = 0
  let hasEnded = false
  const fail = (reason: unknown) => {
    hasEnded = true
    for (const { reject } of waiting.values()) reject(reason)
    waiting.clear()
  }
  // SQLSTATE crash_shutdown: another try may help.
  const crashed = (cause?: unknown) =>
    new EmbeddedFault('the embedded database ended in the middle of its work', { code: '57P02' }, { cause })
  worker.on('error', (error) => fail(crashed(error)))
  const over = Promise.withResolvers<void>()
  worker.on('exit', () => {
    fail(crashed())
    over.resolve()
  })
  worker.on('message', (reply: EmbeddedReply) => {
    const asked = waiting.get(reply.id)
    waiting.delete(reply.id)
    if (reply.ok) asked?.resolve(reply.value)
    else asked?.reject(new EmbeddedFault(reply.message, reply.fields))
  })
  const thread: Thread = {
    get hasEnded() {
      return hasEnded
    },
    over: over.promise,
    async ask(call) {
      const asked = Promise.withResolvers<unknown>()
      lastId += 1
      waiting.set(lastId, asked)
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      worker.postMessage({ id: lastId, ...call })
      return await asked.promise
    },
    async end(reason) {
      fail(reason)
      await worker.terminate()
    },
  }
  try {
    await opened.promise
    return thread
  } catch (error) {
    await thread.end(error)
    if (directory === undefined) throw error
    const { cause } = error instanceof EmbeddedFault ? error : {}
    throw fileSystemError(directory, error) ?? fileSystemError(directory, cause) ?? error
  }
}
