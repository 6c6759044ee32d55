import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { selfSignedCertificate } from '../self-signed-certificate.ts'
import { ApplicationLocks } from './applocks.ts'
import { EmbeddedDatabase, type Answer } from './database.ts'
import type { Login } from './login.ts'
import { serveSession, type EndOfIgnoredBulk } from './session.ts'
import type { TdsValue } from './values.ts'

export type { Login } from './login.ts'

/** Asked before each statement: an error number is what the statement ends in; a promise holds it. */
export type BeforeStatement = (sql: string) => number | undefined | Promise<number | undefined>

/** Asked before each statement as well: what it gives is the statement's answer, and nothing is run. */
export type AnswerStatement = (sql: string, parameters: readonly TdsValue[]) => Answer | undefined

/** A server that speaks the protocol of SQL Server, and as much of its language as Cinelake does. */
export interface MssqlEndpoint extends AsyncDisposable {
  /** `mssql://…`, of an empty database. Every endpoint has one. */
  readonly url: string
  readonly host: string
  readonly port: number
  /** What vouches for the endpoint, as PEM; undefined without TLS. */
  readonly certificate: string | undefined
  /** Logins so far, in order. */
  readonly logins: readonly Login[]
  /** Statements and their faults: set by tests. */
  before: BeforeStatement
  /** Answers in the words of a database that the endpoint does not have: set by tests. */
  answer: AnswerStatement
  /** The number of the error that every login ends in: set by tests. */
  loginFault: number | undefined
  /** What a bulk insert that the client gave up ends in: set by tests. */
  endOfIgnoredBulk: EndOfIgnoredBulk
  /** Makes the database empty again. */
  reset(): Promise<void>
}

export type EndpointOptions = {
  /** TLS before anything else (TDS 8.0), with a certificate of its own. */
  readonly tls?: boolean
  /** False: bulk rows are taken and thrown away, so that a client can be measured. */
  readonly keepsRows?: boolean
}

export const USER = 'cinelake'
export const PASSWORD = 'te:st p@ss'

type State = Pick<MssqlEndpoint, 'before' | 'answer' | 'loginFault' | 'endOfIgnoredBulk'>

const initialState = (): State => ({
  before: () => undefined,
  answer: () => undefined,
  loginFault: undefined,
  endOfIgnoredBulk: 'nothing inserted',
})

const LOGIN_FAILED = 18_456

/**
 * Starts an endpoint on a free port of this machine.
 *
 * The real drivers speak to it over real sockets: login by password or by a token of Entra, TLS before anything else
 * (TDS 8.0), batches, `sp_executesql`, bulk inserts, transactions, cancelling, error numbers. Behind it is an embedded
 * PostgreSQL, to which the statements that Cinelake sends are translated; it is no SQL Server, and knows no other ones.
 */
export async function startMssqlEndpoint({
  tls = false,
  keepsRows = true,
}: EndpointOptions = {}): Promise<MssqlEndpoint> {
  const database = await EmbeddedDatabase.start()
  const locks = new ApplicationLocks()
  const logins: Login[] = []
  const sockets = new Set<Socket>()
  const state = initialState()
  const shared = {
    database,
    locks,
    keepsRows,
    before: (sql: string) => state.before(sql),
    answer: (sql: string, parameters: readonly TdsValue[]) => state.answer(sql, parameters),
    endOfIgnoredBulk: () => state.endOfIgnoredBulk,
    loginFault: (login: Login) => {
      logins.push(login)
      const mayLogIn = login.token !== undefined || (login.userName === USER && login.password === PASSWORD)
      return mayLogIn ? state.loginFault : LOGIN_FAILED
    },
  }
  const serve = (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    // A connection that breaks off is what some tests are about.
    socket.on('error', () => {})
    serveSession(socket, shared).catch(() => {})
  }
  const identity = tls ? selfSignedCertificate() : undefined
  const server =
    identity === undefined
      ? createServer(serve)
      : createTlsServer({ key: identity.key, cert: identity.certificate, ALPNProtocols: ['tds/8.0'] }, serve)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const encrypt = tls ? 'strict' : 'false'
  return {
    host: '127.0.0.1',
    port,
    certificate: identity?.certificate,
    url: `mssql://${USER}:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}/mart_test?encrypt=${encrypt}`,
    logins,
    get before() {
      return state.before
    },
    set before(before) {
      state.before = before
    },
    get answer() {
      return state.answer
    },
    set answer(answer) {
      state.answer = answer
    },
    get loginFault() {
      return state.loginFault
    },
    set loginFault(number) {
      state.loginFault = number
    },
    get endOfIgnoredBulk() {
      return state.endOfIgnoredBulk
    },
    set endOfIgnoredBulk(end) {
      state.endOfIgnoredBulk = end
    },
    async reset() {
      Object.assign(state, initialState())
      const endTurn = await database.takeTurn()
      await database.exec(EMPTY).finally(endTurn)
    },
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await database.close()
    },
  }
}

const EMPTY = `DO $$ DECLARE s text; BEGIN
  FOR s IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$|sys$|public$)' LOOP
    EXECUTE format('DROP SCHEMA %I CASCADE', s);
  END LOOP;
  FOR s IN SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> current_user LOOP
    EXECUTE format('DROP OWNED BY %1$I; DROP ROLE %1$I', s);
  END LOOP;
END $$`
