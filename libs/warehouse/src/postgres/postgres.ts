import { type PostgresConnections, QUERY_TYPES, closeClient, onConnection } from '@cinelake/database/postgres'
import { identifier } from '@cinelake/sql'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { WarehouseUnavailableError } from '../errors.ts'
import type { Warehouse, WarehouseOptions, WarehouseValue } from '../warehouse.ts'
import type { LoadSession, PostgresSessions, Queries, ReadOptions, ReadSession } from './session.ts'
import { warehouseIn } from './warehouse.ts'
import type pg from 'pg'

/** The warehouse on a PostgreSQL server. The database stays the caller's: disposing the warehouse does not close it. */
export async function createPostgresWarehouse(
  database: PostgresConnections,
  options: WarehouseOptions & {
    readonly swapWaitsMs?: readonly number[]
  } = {},
): Promise<Warehouse> {
  return await warehouseIn(serverSessions(database), options)
}

/** The server works on one piece while the next is made. */
const PIECE_CHARACTERS = 65_536
/** Milliseconds for a stopped statement to end; then its connection is dropped. */
const STOP_TIMEOUT_MS = 2000

/** A load is one transaction on a connection of its own: invisible until its end, and gone when it is aborted. */
function serverSessions(connections: PostgresConnections): PostgresSessions {
  const { location } = connections
  return {
    location,
    pieceCharacters: PIECE_CHARACTERS,
    queries: queriesOnPool(connections),
    load: async (schema, work, signal) => await load(connections, schema, work, signal),
    read: async (work, options) => await read(connections, work, options),
    // The server's autovacuum does it.
    async tidy() {},
  }
}

async function load<Result>(
  connections: PostgresConnections,
  schema: string,
  work: (session: LoadSession) => Promise<Result>,
  signal: AbortSignal | undefined,
): Promise<Result> {
  const { location } = connections
  const client = await connections.connect()
  const stop = listenForStop(connections, client, signal)
  try {
    signal?.throwIfAborted()
    const queries = queriesOn(client, location)
    const stagings: string[] = []
    await queries.exec('BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0')
    const result = await work({
      ...queries,
      // In the table's own schema: what its default privileges give to analysts they have from the first load on.
      stagingSchema: schema,
      newStaging() {
        const name = `staging_${randomUUID().replaceAll('-', '')}`
        stagings.push(name)
        return name
      },
      copy: async (table, columns, text) => await copy(client, location, `${table} (${columns})`, text),
      publish: async (publish) => await publish(queries),
    })
    if (stagings.length > 0)
      await queries.exec(
        `DROP TABLE IF EXISTS ${stagings.map((name) => `${identifier(schema)}.${identifier(name)}`).join(', ')}`,
      )
    // From here on it may be done, whatever is heard of it.
    stop.ignore()
    const { command } = await onConnection(location, async () => await client.query('COMMIT'))
    if (command !== 'COMMIT') throw new WarehouseUnavailableError(location, 'the transaction was rolled back')
    return result
  } finally {
    stop.ignore()
    await closeClient(client)
    stop.over()
  }
}

/** Frozen rows are seen by transactions that began before the load as well: to them, too, a replaced table is full. */
async function copy(client: pg.Client, location: string, into: string, text: AsyncIterable<string>): Promise<number> {
  let failure: { readonly error: unknown } | undefined
  async function* source() {
    try {
      yield* text
    } catch (error) {
      failure = { error }
      throw error
    }
  }
  try {
    return await onConnection(location, async () => copyIn(client, `COPY ${into} FROM STDIN WITH (FREEZE)`, source()))
  } catch (error) {
    // An error of the row source is not an error of the connection.
    throw failure === undefined ? error : failure.error
  }
}

async function read<Result>(
  connections: PostgresConnections,
  work: (session: ReadSession) => Promise<Result>,
  { searchPath, timeoutMs, signal }: ReadOptions,
): Promise<Result> {
  const { location } = connections
  const client = await connections.acquire()
  const stop = listenForStop(connections, client, signal)
  try {
    return await onConnection(location, async () => {
      signal.throwIfAborted()
      await client.query(
        `BEGIN READ ONLY; SET LOCAL search_path = ${searchPath}; SET LOCAL statement_timeout = ${timeoutMs}`,
      )
      return await work({
        run: async (sql) => await run(client, sql),
        describe: async (sql) => await describeQuery(client, sql),
      })
    })
  } finally {
    stop.ignore()
    // A query can take locks that outlive its transaction.
    const isClean = await client.query('ROLLBACK; SELECT pg_advisory_unlock_all()').then(
      () => !signal.aborted,
      () => false,
    )
    stop.over()
    client.release(!isClean)
  }
}

async function run(client: pg.ClientBase, sql: string): Promise<readonly (readonly WarehouseValue[])[]> {
  // The extended protocol takes one statement and no more.
  const query = { text: sql, queryMode: 'extended', rowMode: 'array' as const, types: QUERY_TYPES }
  return (await client.query<WarehouseValue[]>(query)).rows
}

function queriesOnPool(connections: PostgresConnections): Queries {
  async function use<Result>(work: (queries: Queries) => Promise<Result>): Promise<Result> {
    const client = await connections.acquire()
    let isDone = false
    try {
      const result = await work(queriesOn(client, connections.location))
      isDone = true
      return result
    } finally {
      client.release(!isDone)
    }
  }
  return {
    exec: async (sql) => await use((queries) => queries.exec(sql)),
    query: async (sql, values) => await use((queries) => queries.query(sql, values)),
  }
}

function queriesOn(connection: pg.Client, location: string): Queries {
  return {
    async exec(sql) {
      await onConnection(location, async () => await connection.query(sql))
    },
    query: async <Row>(sql: string, values: readonly unknown[] = []) =>
      await onConnection(location, async () => (await connection.query(sql, [...values])).rows as Row[]),
  }
}

/** Cancels the running statement when the work is cancelled, and closes the connection if that does not help. */
function listenForStop(connections: PostgresConnections, client: pg.Client, signal: AbortSignal | undefined) {
  let dropping: NodeJS.Timeout | undefined
  const stop = () => {
    dropping = setTimeout(() => client.connection.stream.destroy(), STOP_TIMEOUT_MS)
    void connections.cancel(client)
  }
  signal?.addEventListener('abort', stop, { once: true })
  return {
    /** From now on nothing is cancelled. */
    ignore: () => signal?.removeEventListener('abort', stop),
    /** The connection no longer blocks other callers. */
    over: () => clearTimeout(dropping),
  }
}

type DescribedField = { readonly name: string; readonly typeId: number }

/**
 * The columns of one statement, without running it; the driver has no such request.
 * @throws what the server says: of a statement that is none, or several
 */
async function describeQuery(client: pg.ClientBase, sql: string): Promise<readonly DescribedField[]> {
  const request = new Describe(sql)
  client.query(request)
  return await request.done
}

class Describe implements pg.Submittable {
  readonly #sql: string
  readonly #done = Promise.withResolvers<readonly DescribedField[]>()
  readonly done = this.#done.promise
  #fields: readonly DescribedField[] = []

  constructor(sql: string) {
    this.#sql = sql
  }

  // What follows is called by the driver.

  submit(connection: pg.Connection): void {
    connection.parse({ name: '', text: this.#sql, types: [] }, true)
    connection.describe({ type: 'S', name: '' }, true)
    connection.sync()
  }

  handleRowDescription({ fields }: { readonly fields: readonly { name: string; dataTypeID: number }[] }): void {
    this.#fields = fields.map(({ name, dataTypeID }) => ({ name, typeId: dataTypeID }))
  }

  handleReadyForQuery(): void {
    this.#done.resolve(this.#fields)
  }

  handleError(error: Error): void {
    this.#done.reject(error)
  }
}

/** Milliseconds that the server may take to accept what was sent; then the connection is considered broken. */
const STALL_TIMEOUT_MS = 120_000

/**
 * Streams text into `COPY … FROM STDIN`. The driver has none; `pg-copy-streams` would wait for an answer on a cut
 * connection. @returns rows that the server took
 * @throws what the source of the text throws; what the server says; an Error when the connection is lost
 */
async function copyIn(client: pg.Client, sql: string, text: AsyncIterable<string>): Promise<number> {
  const copy = client.query(new CopyIn(sql))
  const { stream } = await copy.started
  try {
    for await (const piece of text) {
      if (copy.isOver) break
      if (!stream.write(dataMessage(piece))) await drained(stream, copy)
    }
  } catch (error) {
    if (!copy.isOver) stream.write(failMessage('the source of the rows failed'))
    await copy.done.catch(() => {})
    throw error
  }
  if (!copy.isOver) stream.write(DONE_MESSAGE)
  return await copy.done
}

/** One COPY as the driver hands it through the protocol. States: asked → started → over. */
class CopyIn implements pg.Submittable {
  readonly #sql: string
  readonly #started = Promise.withResolvers<pg.Connection>()
  readonly #done = Promise.withResolvers<number>()
  readonly started = this.#started.promise
  readonly done = this.#done.promise
  #rowCount = 0
  isOver = false

  constructor(sql: string) {
    this.#sql = sql
    // Each is waited for at its time; a fault that comes earlier is not lost.
    this.started.catch(() => {})
    this.done.catch(() => {})
  }

  // What follows is called by the driver.

  submit(connection: pg.Connection): void {
    connection.query(this.#sql)
  }

  handleCopyInResponse(connection: pg.Connection): void {
    this.#started.resolve(connection)
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    this.#rowCount = Number(/^COPY (\d+)/.exec(text)?.[1] ?? 0)
  }

  handleReadyForQuery(): void {
    this.isOver = true
    this.#done.resolve(this.#rowCount)
  }

  handleError(error: Error): void {
    this.isOver = true
    this.#started.reject(error)
    this.#done.reject(error)
  }
}

/** Resolves when the connection takes more, or the COPY is over: then nothing more is taken. */
async function drained(stream: pg.Connection['stream'], copy: CopyIn): Promise<void> {
  const waiting = new AbortController()
  const stalled = setTimeout(() => {
    stream.destroy(new Error(`the server took nothing for ${STALL_TIMEOUT_MS / 1000} s`))
  }, STALL_TIMEOUT_MS)
  try {
    await Promise.race([once(stream, 'drain', { signal: waiting.signal }), copy.done])
  } finally {
    clearTimeout(stalled)
    waiting.abort()
  }
}

// Messages: a letter, the length without it, the content. Source:
// postgresql.org/docs/current/protocol-message-formats.html

const DONE_MESSAGE = Buffer.from([0x63, 0, 0, 0, 4])

function dataMessage(text: string): Buffer {
  const size = Buffer.byteLength(text)
  const message = Buffer.allocUnsafe(5 + size)
  message[0] = 0x64
  message.writeUInt32BE(4 + size, 1)
  message.write(text, 5)
  return message
}

function failMessage(reason: string): Buffer {
  const message = Buffer.from(`f0000${reason}\0`)
  message.writeUInt32BE(message.length - 1, 1)
  return message
}
