import {
  cString,
  errorResponse,
  int16,
  int32,
  MessageBuffer,
  queryMessage,
  wireMessage,
  type PostgresClient,
  type WireError,
  type WireMessage,
} from '@cinelake/core'
import { LEAVE_NOTHING, type EmbeddedSession, type ExclusiveSessions } from '@cinelake/database/pglite'
import { classifyStatement, splitStatements, type MartStatement } from './mart-statements.ts'
import { READER, searchPathOf } from './reader.ts'
import { MART_SCHEMAS } from './sql.ts'

/** Rows that are passed on at once: the database gives all that it is asked for in one piece. */
const BATCH_ROWS = 2000

export type MartSessionOptions = {
  readonly sessions: ExclusiveSessions
  /** Milliseconds that a statement may take. */
  readonly timeoutMs: number
  readonly idleTimeoutMs: number
  /** Aborted when the client, on another connection, wants its statement ended. */
  readonly cancelled: () => AbortSignal
}

class Fault extends Error {
  readonly answer: Buffer

  constructor(answer: Buffer) {
    super('the statement failed')
    this.answer = answer
  }

  static of(error: WireError): Fault {
    return new Fault(errorResponse('ERROR', error))
  }
}

type Prepared = { readonly sql: string; readonly types: Buffer; readonly statement: MartStatement }
type Portal = { readonly statement: MartStatement }

/** A client's hold of the database's one session. */
type Turn = {
  /** The database's answer. @throws the reason for which the client's hold was ended */
  readonly raw: (bytes: Uint8Array) => Promise<Buffer>
  readonly leave: () => Promise<void>
}

/**
 * One client of the mart: an analyst's tool that speaks the PostgreSQL protocol. The database has one session, so a
 * client has it for a statement at a time, as the reader of the mart, in a transaction that cannot write and that is
 * rolled back. What the client believes to be its session is kept here: settings, prepared statements, whether it is in
 * a transaction.
 *
 * A transaction of a client sees what each of its statements finds, as READ COMMITTED does. One that needs more - a
 * snapshot, a cursor, a savepoint - keeps the session to its end, and is ended when it leaves others waiting.
 */
export class MartSession {
  readonly #client: PostgresClient
  readonly #options: MartSessionOptions
  readonly #settings = new Map<string, string>()
  readonly #prepared = new Map<string, Prepared>()
  readonly #portals = new Map<string, Portal>()
  /** Idle, in a transaction, in a failed one. */
  #status: 'I' | 'T' | 'E' = 'I'
  #wantsSnapshot = false
  /** Whether the session is kept until the client's transaction is over. */
  #isHeld = false
  #turn: Turn | undefined
  /** Statements that the database knows in this turn. */
  #sent = new Set<string>()
  #timer: NodeJS.Timeout | undefined

  constructor(client: PostgresClient, options: MartSessionOptions) {
    this.#client = client
    this.#options = options
  }

  async run(): Promise<void> {
    try {
      for (;;) {
        const message = await this.#next()
        if (message === undefined || message.type === 'X') return
        if (message.type === 'Q') await this.#simple(textOf(message.body))
        else await this.#extended(message)
      }
    } finally {
      await this.#leave()
    }
  }

  /** A client that holds the session is not waited for as long as one that does not. */
  async #next(): Promise<WireMessage | undefined> {
    if (this.#turn === undefined) return await this.#client.nextMessage()
    const timer = setTimeout(() => {
      const message = 'the transaction was ended, since it was idle while others wait for the embedded database'
      this.#client.refuse({ code: '25P03', message })
    }, this.#options.idleTimeoutMs)
    try {
      return await this.#client.nextMessage()
    } finally {
      clearTimeout(timer)
    }
  }

  async #simple(sql: string): Promise<void> {
    const statements = splitStatements(sql)
    await this.#unit(async () => {
      if (statements.length === 0) await this.#send(wireMessage('I'))
      for (const statement of statements) {
        const kind = classifyStatement(statement)
        if (kind.kind === 'query') await this.#runWhole(statement, kind.holds)
        else await this.#send(await this.#byItself(kind))
      }
    })
    await this.#ready()
  }

  async #runWhole(sql: string, holds: boolean): Promise<void> {
    this.#isHeld ||= holds
    await this.#ask(wireMessage('P', cString(''), cString(sql), int16(0)))
    await this.#ask(wireMessage('B', cString(''), cString(''), int16(0), int16(0), int16(0)))
    const described = await this.#ask(wireMessage('D', cString('P')))
    await this.#send(...described.filter(({ type }) => type === 'T').map(({ bytes }) => bytes))
    await this.#fetch('', 0)
  }

  /** Messages of the extended protocol, up to the one that ends them. After a failure the rest is skipped. */
  async #extended(first: WireMessage): Promise<void> {
    let message: WireMessage | undefined = first
    await this.#unit(async () => {
      while (message !== undefined && message.type !== 'S' && message.type !== 'X') {
        await this.#step(message)
        message = await this.#next()
      }
    })
    while (message !== undefined && message.type !== 'S' && message.type !== 'X') message = await this.#next()
    await this.#ready()
  }

  async #step({ type, body }: WireMessage): Promise<void> {
    const fields = new Fields(body)
    switch (type) {
      case 'P': {
        const [name, sql] = [fields.text(), fields.text()]
        const statement = classifyStatement(sql)
        if (statement.kind === 'refused') throw refusal(statement.word)
        this.#prepared.set(name, { sql, types: fields.rest(), statement })
        this.#sent.delete(name)
        if (statement.kind === 'query') await this.#know(name)
        return await this.#send(wireMessage('1'))
      }
      case 'B': {
        const [portal, name] = [fields.text(), fields.text()]
        const { statement } = this.#find(name)
        if (statement.kind === 'query') {
          await this.#know(name)
          await this.#ask(wireMessage('B', cString(portal), cString(name), fields.rest()))
        }
        this.#portals.set(portal, { statement })
        return await this.#send(wireMessage('2'))
      }
      case 'D':
        return await this.#describe(fields)
      case 'E': {
        const portal = fields.text()
        const { statement } = this.#findPortal(portal)
        if (statement.kind !== 'query') return await this.#send(await this.#byItself(statement))
        this.#isHeld ||= statement.holds
        return await this.#fetch(portal, fields.integer())
      }
      case 'C': {
        const isStatement = fields.letter() === 'S'
        const name = fields.text()
        if (isStatement) this.#prepared.delete(name)
        else this.#portals.delete(name)
        return await this.#send(wireMessage('3'))
      }
      case 'H':
        return
      default:
        throw Fault.of({ code: '0A000', message: 'the mart does not take this kind of message' })
    }
  }

  async #describe(fields: Fields): Promise<void> {
    const isStatement = fields.letter() === 'S'
    const name = fields.text()
    const { statement } = isStatement ? this.#find(name) : this.#findPortal(name)
    if (statement.kind !== 'query') {
      return await this.#send(...(isStatement ? [wireMessage('t', int16(0))] : []), wireMessage('n'))
    }
    if (isStatement) await this.#know(name)
    const described = await this.#ask(wireMessage('D', Buffer.from(isStatement ? 'S' : 'P'), cString(name)))
    await this.#send(...described.map(({ bytes }) => bytes))
  }

  /** The rows of a portal, a batch at a time. @param limit as the client said; 0 for all */
  async #fetch(portal: string, limit: number): Promise<void> {
    for (let left = limit === 0 ? Infinity : limit; ;) {
      const count = Math.min(left, BATCH_ROWS)
      const answer = await this.#ask(wireMessage('E', cString(portal), int32(count)))
      left -= count
      const isSuspended = answer.some(({ type }) => type === 's')
      const isOver = !isSuspended || left <= 0
      const shown = isOver ? answer : answer.filter(({ type }) => type !== 's')
      await this.#send(...shown.map(({ bytes }) => bytes))
      // The next rows are asked for later, when this turn would be over.
      if (isOver && isSuspended) this.#isHeld = true
      if (!isOver) continue
      // A savepoint was gone back to.
      if (this.#status === 'E') this.#status = 'T'
      return
    }
  }

  #find(name: string): Prepared {
    const found = this.#prepared.get(name)
    if (found !== undefined) return found
    throw Fault.of({ code: '26000', message: `prepared statement "${name}" does not exist` })
  }

  #findPortal(name: string): Portal {
    const found = this.#portals.get(name)
    if (found !== undefined) return found
    throw Fault.of({ code: '34000', message: `portal "${name}" does not exist` })
  }

  /** Statements live as long as a turn in the database, and as long as the client in here. */
  async #know(name: string): Promise<void> {
    const { sql, types } = this.#find(name)
    await this.#enter()
    if (this.#sent.has(name)) return
    if (name !== '') await this.#ask(wireMessage('C', Buffer.from('S'), cString(name)))
    await this.#ask(wireMessage('P', cString(name), cString(sql), types))
    this.#sent.add(name)
  }

  /** Answers statements that are not sent to the database. */
  async #byItself(statement: MartStatement): Promise<Buffer> {
    if (this.#status === 'E' && !['commit', 'rollback'].includes(statement.kind)) throw FAILED_TRANSACTION()
    switch (statement.kind) {
      case 'begin':
        this.#status = 'T'
        this.#wantsSnapshot = statement.isSnapshot
        this.#isHeld ||= statement.isSnapshot
        return complete(statement.tag)
      case 'commit':
      case 'rollback': {
        const isCommitted = statement.kind === 'commit' && this.#status !== 'E'
        await this.#leave()
        this.#status = 'I'
        return complete(isCommitted ? 'COMMIT' : 'ROLLBACK')
      }
      case 'set': {
        if (statement.apply !== undefined) {
          await this.#enter()
          await this.#command(statement.apply)
          this.#settings.set(statement.name, statement.apply)
        }
        return complete('SET')
      }
      case 'reset':
        if (statement.name === undefined) this.#settings.clear()
        else this.#settings.delete(statement.name)
        if (statement.tag === 'DISCARD ALL') this.#prepared.clear()
        return complete(statement.tag)
      case 'nothing':
        return complete(statement.tag)
      case 'refused':
        throw refusal(statement.word)
      case 'empty':
        return wireMessage('I')
      default:
        throw new Error('a query goes to the database')
    }
  }

  /** One thing that a client waits for the answer to. A failure is told, and ends what the client had open. */
  async #unit(work: () => Promise<void>): Promise<void> {
    let isFailed = false
    try {
      await work()
    } catch (error) {
      isFailed = true
      if (this.#client.gone.aborted) throw error
      await this.#client.send(error instanceof Fault ? error.answer : interrupted(error))
      if (this.#status === 'T') this.#status = 'E'
      // Without savepoints a failed transaction cannot continue.
      if (!(error instanceof Fault)) this.#isHeld = false
    }
    const isKept = this.#isHeld && this.#status !== 'I' && !(isFailed && this.#turn === undefined)
    if (!isKept) await this.#leave()
  }

  async #ready(): Promise<void> {
    await this.#client.send(wireMessage('Z', Buffer.from(this.#status)))
  }

  /** Has the database's session from now on, as the reader. */
  async #enter(): Promise<void> {
    if (this.#turn !== undefined) return
    const { sessions, timeoutMs, cancelled } = this.#options
    const late = new AbortController()
    this.#timer = setTimeout(() => {
      late.abort(new Interruption(`canceling statement, since it took longer than ${timeoutMs / 1000} s`))
    }, timeoutMs)
    const signal = AbortSignal.any([this.#client.gone, cancelled(), late.signal])
    this.#turn = await enter(sessions, signal)
    this.#sent = new Set()
    this.#portals.clear()
    const isolation = this.#wantsSnapshot ? 'ISOLATION LEVEL REPEATABLE READ ' : ''
    await this.#command(`BEGIN ${isolation}READ ONLY`)
    // A pipeline's first load may have made another one since the last turn. The reader cannot ask.
    const schemas = rowsOf(await this.#command(MART_SCHEMAS))
    await this.#command(`SET LOCAL SESSION AUTHORIZATION ${READER}`)
    await this.#command(`SET LOCAL search_path = ${searchPathOf(schemas)}`)
    for (const setting of this.#settings.values()) await this.#command(setting)
  }

  /** Resets and releases the session. */
  async #leave(): Promise<void> {
    const turn = this.#turn
    this.#turn = undefined
    this.#isHeld = false
    this.#wantsSnapshot = false
    clearTimeout(this.#timer)
    if (turn === undefined) return
    await turn.leave()
  }

  async #command(sql: string): Promise<WireMessage[]> {
    const answer = await this.#turn?.raw(queryMessage(sql))
    return messagesOf(answer ?? Buffer.alloc(0))
  }

  async #ask(message: Buffer): Promise<WireMessage[]> {
    if (this.#status === 'E' && !this.#isHeld) throw FAILED_TRANSACTION()
    await this.#enter()
    const answer = await this.#turn?.raw(Buffer.concat([message, wireMessage('S')]))
    return messagesOf(answer ?? Buffer.alloc(0)).filter(({ type }) => !'123Z'.includes(type))
  }

  async #send(...bytes: readonly Uint8Array[]): Promise<void> {
    await this.#client.send(Buffer.concat(bytes), this.#options.idleTimeoutMs)
  }
}

export class Interruption extends Error {}

async function enter(sessions: ExclusiveSessions, signal: AbortSignal): Promise<Turn> {
  const entered = Promise.withResolvers<EmbeddedSession>()
  const over = Promise.withResolvers<void>()
  const turn = sessions.exclusive(async (session) => {
    entered.resolve(session)
    await over.promise
  }, signal)
  turn.catch(entered.reject)
  // What waits for the session is not kept when it is told to stop.
  signal.addEventListener('abort', () => entered.reject(signal.reason), { once: true })
  const session = await entered.promise
  return {
    async raw(bytes) {
      try {
        return await session.raw(bytes)
      } catch (error) {
        signal.throwIfAborted()
        throw error
      }
    },
    async leave() {
      // The session of a client that was interrupted is gone with what was on it.
      if (!signal.aborted) await session.exec(LEAVE_NOTHING).catch(() => {})
      over.resolve()
      await turn.catch(() => {})
    },
  }
}

/** @throws {Fault} the database said so */
function messagesOf(answer: Buffer): WireMessage[] {
  const buffer = new MessageBuffer()
  buffer.add(answer)
  const messages: WireMessage[] = []
  for (
    let message = buffer.nextMessage(answer.length);
    message !== undefined;
    message = buffer.nextMessage(answer.length)
  ) {
    if (message.type === 'E') throw new Fault(message.bytes)
    messages.push(message)
  }
  return messages
}

/** Texts of rows with one column. Source: postgresql.org/docs/current/protocol-message-formats.html (DataRow) */
function rowsOf(messages: readonly WireMessage[]): string[] {
  return messages.filter(({ type }) => type === 'D').map(({ body }) => body.toString('utf8', 6))
}

function complete(tag: string): Buffer {
  return wireMessage('C', cString(tag))
}

function refusal(word: string): Fault {
  return Fault.of({
    code: '25006',
    message: `the mart is read only: expected SELECT, VALUES, WITH, TABLE, SHOW or EXPLAIN, got ${word.slice(0, 60)}`,
  })
}

const FAILED_TRANSACTION = () =>
  Fault.of({
    code: '25P02',
    message: 'current transaction is aborted, commands ignored until end of transaction block',
  })

function interrupted(error: unknown): Buffer {
  const message = error instanceof Error ? error.message : String(error)
  const code = error instanceof Interruption ? '57014' : '58000'
  return errorResponse('ERROR', { code, message })
}

function textOf(body: Buffer): string {
  return body.toString('utf8').replace(/\0$/, '')
}

class Fields {
  readonly #body: Buffer
  #at = 0

  constructor(body: Buffer) {
    this.#body = body
  }

  text(): string {
    const end = this.#body.indexOf(0, this.#at)
    if (end < 0) throw Fault.of({ code: '08P01', message: 'a message is cut short' })
    const text = this.#body.toString('utf8', this.#at, end)
    this.#at = end + 1
    return text
  }

  letter(): string {
    this.#at += 1
    return String.fromCharCode(this.#body[this.#at - 1] ?? 0)
  }

  integer(): number {
    if (this.#at + 4 > this.#body.length) throw Fault.of({ code: '08P01', message: 'a message is cut short' })
    this.#at += 4
    return this.#body.readInt32BE(this.#at - 4)
  }

  rest(): Buffer {
    return this.#body.subarray(this.#at)
  }
}
