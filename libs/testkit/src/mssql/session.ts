import type { Duplex } from 'node:stream'
import type { ApplicationLocks } from './applocks.ts'
import type { Answer, EmbeddedDatabase } from './database.ts'
import { SqlServerError, toSqlServer } from './faults.ts'
import { hasTokenLater, preloginAnswer, readLaterToken, readLogin, type Login } from './login.ts'
import { MESSAGE, packets, readMessages, type Message } from './packets.ts'
import { readBatch, readBulk, readProcedure, readTransactionRequest, type Statement } from './requests.ts'
import { NOTHING, runStatement } from './statements.ts'
import * as tokens from './tokens.ts'
import { translate } from './transact-sql.ts'
import type { TdsValue } from './values.ts'

/** What sessions of one endpoint share. */
export type Shared = {
  readonly database: EmbeddedDatabase
  readonly locks: ApplicationLocks
  /** The number of the error that a login ends in; undefined lets it in. */
  readonly loginFault: (login: Login) => number | undefined
  /** Asked before each statement: an error number is what the statement ends in; a promise holds it. */
  readonly before: (sql: string) => number | undefined | Promise<number | undefined>
  /** What it gives is a statement's answer. */
  readonly answer: (sql: string, parameters: readonly TdsValue[]) => Answer | undefined
  /** False: bulk rows are taken and thrown away, so that a client can be measured. */
  readonly keepsRows: boolean
  /** What a bulk insert that the client gave up is answered with. */
  readonly endOfIgnoredBulk: () => EndOfIgnoredBulk
}

/** Servers differ: they say that nothing was inserted, or that the request was wrong, or break the connection. */
export type EndOfIgnoredBulk = 'nothing inserted' | 'error' | 'hang-up'

/** Serves one connection until it ends. */
export async function serveSession(stream: Duplex, shared: Shared): Promise<void> {
  const session = new Session(stream, shared)
  try {
    for await (const message of readMessages(stream)) session.receive(message)
  } finally {
    await session.end()
  }
}

/** Where a token is to be had, and what for: another thing than a database, for clients that would believe it. */
const ENTRA = { issuer: 'https://entra.example/tenant', resource: 'https://elsewhere.example/' }

class Session {
  readonly #stream: Duplex
  readonly #shared: Shared
  #work: Promise<void> = Promise.resolve()
  #cancelled = Promise.withResolvers<'cancelled'>()
  #transaction: { readonly id: bigint; readonly endTurn: () => void } | undefined
  #transactions = 0n
  #bulkInto: string | undefined
  #login: Login | undefined

  constructor(stream: Duplex, shared: Shared) {
    this.#stream = stream
    this.#shared = shared
  }

  /** Requests are answered one after the other; an attention ends the one that is under way. */
  receive(message: Message): void {
    if (message.type === MESSAGE.attention) this.#cancelled.resolve('cancelled')
    this.#work = this.#work.then(async () => await this.#answerAndSend(message))
  }

  async end(): Promise<void> {
    this.#cancelled.resolve('cancelled')
    await this.#work
    await this.#endTransaction('ROLLBACK')
    this.#shared.locks.releaseAll(this)
  }

  async #answerAndSend(message: Message): Promise<void> {
    const answer = await this.#answer(message).catch((error: unknown) =>
      Buffer.concat([tokens.error(50_000, `loopback: ${String(error)}`), tokens.done('batch', { failed: true })]),
    )
    if (!this.#stream.writable || answer === undefined) return
    this.#stream.write(packets(MESSAGE.result, answer))
  }

  async #answer({ type, payload, isIgnored }: Message): Promise<Buffer | undefined> {
    switch (type) {
      case MESSAGE.prelogin:
        return preloginAnswer()
      case MESSAGE.login:
        this.#login = readLogin(payload)
        return hasTokenLater(payload) ? tokens.askForToken(ENTRA) : this.#logIn(this.#login)
      case MESSAGE.token:
        if (this.#login === undefined) throw new Error('a token without a login')
        return this.#logIn({ ...this.#login, token: readLaterToken(payload) })
      case MESSAGE.attention:
        this.#cancelled = Promise.withResolvers()
        return tokens.done('batch', { cancelled: true })
      case MESSAGE.batch:
        return isIgnored ? tokens.done('batch') : await this.#run(readBatch(payload), 'batch')
      case MESSAGE.rpc:
        return isIgnored ? tokens.done('batch') : await this.#run(readProcedure(payload), 'procedure')
      case MESSAGE.bulk:
        if (isIgnored && this.#shared.endOfIgnoredBulk() !== 'nothing inserted') return this.#refuseIgnoredBulk()
        return await this.#bulk(isIgnored || !this.#shared.keepsRows ? [] : readBulk(payload))
      case MESSAGE.transaction:
        return await this.#changeTransaction(readTransactionRequest(payload))
      default:
        throw new Error(`no message of type ${type} is known`)
    }
  }

  #logIn(login: Login): Buffer {
    const fault = this.#shared.loginFault(login)
    if (fault !== undefined) {
      return Buffer.concat([
        tokens.error(fault, `Login failed for user '${login.userName}'.`),
        tokens.done('batch', { failed: true }),
      ])
    }
    const { environment } = tokens
    return Buffer.concat([
      environment.database(login.database),
      environment.collation(),
      tokens.loginAck(),
      login.token === undefined ? Buffer.alloc(0) : tokens.tokenAck(),
      tokens.done('batch'),
    ])
  }

  async #run({ sql, parameters }: Statement, kind: 'batch' | 'procedure'): Promise<Buffer | undefined> {
    const into = /^insert bulk (.+?\])\((.*)\)(?: WITH \(.*\))?$/is.exec(sql)
    const work =
      into === null ? this.#statement(sql, [...parameters.values()]) : this.#beginBulk(into[1] ?? '', into[2] ?? '')
    return await this.#finish(work, sql, kind)
  }

  async #statement(sql: string, parameters: readonly TdsValue[]): Promise<Answer> {
    const number = await this.#shared.before(sql)
    if (number !== undefined) throw new SqlServerError(number, `An error that the test wants (${number}).`)
    const given = this.#shared.answer(sql, parameters)
    if (given !== undefined) return given
    const scope = { ...this.#shared, session: this }
    // A wait for a lock must not keep others from the database.
    if (this.#transaction !== undefined || /sp_(get|release)applock/.test(sql)) {
      return await runStatement(scope, sql, parameters)
    }
    const endTurn = await this.#shared.database.takeTurn()
    try {
      return await runStatement(scope, sql, parameters)
    } finally {
      endTurn()
    }
  }

  async #beginBulk(table: string, columns: string): Promise<Answer> {
    const names = [...columns.matchAll(/\[((?:[^\]]|\]\])*)\] \w/g)].map(([, name = '']) => translate(`[${name}]`))
    this.#bulkInto = `${translate(table)} (${names.join(', ')})`
    return NOTHING
  }

  async #bulk(rows: readonly (readonly TdsValue[])[]): Promise<Buffer | undefined> {
    const into = this.#bulkInto
    this.#bulkInto = undefined
    if (into === undefined) throw new Error('rows without an INSERT BULK')
    const lines = rows.map((row) => `${row.map(copyField).join('\t')}\n`).join('')
    const copy = async (): Promise<Answer> => {
      const number = await this.#shared.before('bulk rows')
      if (number !== undefined) throw new SqlServerError(number, `An error that the test wants (${number}).`)
      const endTurn = this.#transaction === undefined ? await this.#shared.database.takeTurn() : () => {}
      try {
        if (rows.length > 0) await this.#shared.database.copy(into, lines)
      } finally {
        endTurn()
      }
      return { ...NOTHING, rowCount: rows.length }
    }
    return await this.#finish(copy(), 'INSERT BULK', 'batch')
  }

  #refuseIgnoredBulk(): Buffer | undefined {
    this.#bulkInto = undefined
    if (this.#shared.endOfIgnoredBulk() === 'hang-up') {
      this.#stream.destroy()
      return undefined
    }
    return Buffer.concat([
      tokens.error(4804, 'Premature end-of-message while reading current row from host.'),
      tokens.done('batch', { failed: true }),
    ])
  }

  /** An error ends the transaction on the server as well, as clients ask for (`SET XACT_ABORT ON`). */
  async #finish(work: Promise<Answer>, sql: string, kind: 'batch' | 'procedure'): Promise<Buffer | undefined> {
    const end = (outcome: { readonly rowCount?: number; readonly failed?: boolean }) =>
      kind === 'batch'
        ? tokens.done('batch', outcome)
        : Buffer.concat([
            tokens.done('in procedure', outcome),
            tokens.returnStatus(outcome.failed === true ? 1 : 0),
            tokens.done('procedure', { failed: outcome.failed === true }),
          ])
    try {
      const answer = await Promise.race([work, this.#cancelled.promise])
      if (answer === 'cancelled') {
        work.catch(() => {})
        return end({ failed: true })
      }
      const { columns, rows, rowCount } = answer
      const result =
        columns.length === 0 ? [] : [tokens.columns(columns), ...rows.map((row) => tokens.row(columns, row))]
      return Buffer.concat([...result, end({ rowCount })])
    } catch (error) {
      const errors = toSqlServer(error, sql).map(({ number, message }) => tokens.error(number, message))
      const { id } = this.#transaction ?? {}
      await this.#endTransaction('ROLLBACK')
      const rolledBack = id === undefined ? [] : [tokens.environment.rolledBack(id)]
      return Buffer.concat([...errors, ...rolledBack, end({ failed: true })])
    }
  }

  async #changeTransaction(request: 'begin' | 'commit' | 'rollback'): Promise<Buffer> {
    if (request === 'begin') {
      const endTurn = await this.#shared.database.takeTurn()
      this.#transactions += 1n
      this.#transaction = { id: this.#transactions, endTurn }
      await this.#shared.database.exec('BEGIN')
      return Buffer.concat([tokens.environment.began(this.#transactions), tokens.done('batch')])
    }
    const { id } = this.#transaction ?? {}
    if (id === undefined) {
      const message = `The ${request.toUpperCase()} TRANSACTION request has no corresponding BEGIN TRANSACTION.`
      return Buffer.concat([
        tokens.error(request === 'commit' ? 3902 : 3903, message),
        tokens.done('batch', { failed: true }),
      ])
    }
    await this.#endTransaction(request === 'commit' ? 'COMMIT' : 'ROLLBACK')
    const { committed, rolledBack } = tokens.environment
    return Buffer.concat([request === 'commit' ? committed(id) : rolledBack(id), tokens.done('batch')])
  }

  async #endTransaction(how: 'COMMIT' | 'ROLLBACK'): Promise<void> {
    const transaction = this.#transaction
    if (transaction === undefined) return
    this.#transaction = undefined
    try {
      await this.#shared.database.exec(how)
    } finally {
      this.#shared.locks.releaseAll(this, 'Transaction')
      transaction.endTurn()
    }
  }
}

const SPECIAL: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** As PostgreSQL's COPY takes it. */
function copyField(value: TdsValue): string {
  if (value === null) return '\\N'
  if (typeof value === 'boolean') return value ? 't' : 'f'
  if (Buffer.isBuffer(value)) return `\\\\x${value.toString('hex')}`
  return value.replaceAll(/[\\\n\r\t]/g, (character) => SPECIAL[character] ?? character)
}
