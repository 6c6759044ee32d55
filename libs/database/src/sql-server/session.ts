import { Request, TYPES, type Connection } from 'tedious'

/** A value of a statement: `@1` is the first. */
export type MssqlParameter = string | number | bigint | boolean | Date | Uint8Array | null

export type MssqlResult<Row> = {
  readonly rows: readonly Row[]
  /** Rows written, or returned by a query. */
  readonly rowCount: number
}

export type StatementOptions<Row = unknown> = {
  /** Takes the rows in batches, at its own pace; the last of them are the result's. */
  readonly take?: (rows: readonly Row[]) => Promise<void>
  /** Milliseconds; 0 waits for as long as the connection lives. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

/** Long enough for the statements of a load over a large table; a server that is gone is noticed by TCP keep-alive. */
const STATEMENT_TIMEOUT_MS = 30 * 60_000

/** Rows that are handed over at once, where all are wanted. */
const BATCH_ROWS = 2000

/** One connection, which does one thing at a time. Errors are the driver's own. */
export interface MssqlSession {
  /** False once the connection is lost, or must not be used again. */
  readonly usable: boolean
  readonly connection: Connection
  run<Row = unknown>(
    statement: string,
    parameters?: readonly MssqlParameter[],
    options?: StatementOptions<Row>,
  ): Promise<MssqlResult<Row>>
  begin(isolationLevel?: number): Promise<void>
  commit(): Promise<void>
  /** Does nothing where the server has rolled back by itself. */
  rollback(): Promise<void>
  /** Ends the connection, and with it what it held: locks, a transaction, a bulk insert that is under way. */
  discard(): void
}

/** @param timeoutMs of a statement that says nothing else */
export function createMssqlSession(connection: Connection, timeoutMs = STATEMENT_TIMEOUT_MS): MssqlSession {
  let usable = true
  const lost = () => {
    usable = false
  }
  const discard = () => {
    lost()
    connection.close()
  }
  connection.on('error', lost)
  connection.on('end', lost)
  return {
    connection,
    get usable() {
      return usable
    },
    discard,
    run: async (statement, parameters = [], options = {}) =>
      await run(connection, statement, parameters, { timeoutMs, ...options }),
    begin: async (isolationLevel) =>
      await done((callback) => connection.beginTransaction(callback, '', isolationLevel)),
    commit: async () => await done((callback) => connection.commitTransaction(callback)),
    async rollback() {
      try {
        await done((callback) => connection.rollbackTransaction(callback))
      } catch (error) {
        // A deadlock, say, ended the transaction on the server: what is to be told is that, not that it is over.
        if (!hasNumber(error, NO_TRANSACTION)) {
          discard()
          throw error
        }
      }
    },
  }
}

/** "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION." */
const NO_TRANSACTION = 3903

function hasNumber(error: unknown, number: number): boolean {
  if (error instanceof AggregateError) return error.errors.some((one) => hasNumber(one, number))
  return error instanceof Error && 'number' in error && error.number === number
}

type Callback = (error?: Error | null) => void

async function done(start: (callback: Callback) => void): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    start((error) => (error == null ? resolve() : reject(error)))
  })
}

type Cell = { readonly metadata: { readonly colName: string }; readonly value: unknown }

async function run<Row>(
  connection: Connection,
  statement: string,
  parameters: readonly MssqlParameter[],
  { timeoutMs, signal, take }: StatementOptions<Row> & { readonly timeoutMs: number },
): Promise<MssqlResult<Row>> {
  signal?.throwIfAborted()
  const cancel = () => connection.cancel()
  let failure: { readonly error: unknown } | undefined
  try {
    return await new Promise((resolve, reject) => {
      let rows: Row[] = []
      const request = new Request(statement, (error, rowCount) => {
        if (error == null) resolve({ rows, rowCount: rowCount ?? 0 })
        else reject(error)
      })
      parameters.forEach((value, index) => addParameter(request, String(index + 1), value))
      request.on('row', (cells: readonly Cell[]) => {
        rows.push(Object.fromEntries(cells.map(({ metadata, value }) => [metadata.colName, value])) as Row)
        if (take === undefined || rows.length < BATCH_ROWS) return
        const batch = rows
        rows = []
        request.pause()
        take(batch).then(
          () => request.resume(),
          (error: unknown) => {
            failure = { error }
            request.resume()
            cancel()
          },
        )
      })
      request.setTimeout(timeoutMs)
      signal?.addEventListener('abort', cancel, { once: true })
      connection.execSql(request)
    })
  } catch (error) {
    signal?.throwIfAborted()
    // An error of the rows' consumer is not the database's.
    throw failure === undefined ? error : failure.error
  } finally {
    signal?.removeEventListener('abort', cancel)
  }
}

/** Characters. Longer texts are nvarchar(max). Source: learn.microsoft.com/sql/t-sql/data-types (nchar and nvarchar) */
const MAX_NVARCHAR = 4000

function addParameter(request: Request, name: string, value: MssqlParameter): void {
  if (value instanceof Date) request.addParameter(name, TYPES.DateTime2, value, { scale: 3 })
  else if (typeof value === 'boolean') request.addParameter(name, TYPES.Bit, value)
  else if (typeof value === 'bigint') request.addParameter(name, TYPES.BigInt, value)
  else if (typeof value === 'number') request.addParameter(name, numberType(value), value)
  else if (value instanceof Uint8Array) request.addParameter(name, TYPES.VarBinary, Buffer.from(value))
  else {
    // One length for all texts: the server keeps one plan for a statement, not one for each length.
    const length = value === null || value.length <= MAX_NVARCHAR ? MAX_NVARCHAR : Infinity
    request.addParameter(name, TYPES.NVarChar, value, { length })
  }
}

function numberType(value: number) {
  if (!Number.isInteger(value)) return TYPES.Float
  return value >= -2_147_483_648 && value <= 2_147_483_647 ? TYPES.Int : TYPES.BigInt
}
