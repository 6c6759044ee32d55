import { CancelledError, PipelineError, Semaphore } from '@cinelake/core'
import { identifier, literal } from '@cinelake/sql'
import {
  type DuckDBAppender,
  DuckDBArrayValue,
  DuckDBBlobValue,
  type DuckDBConnection,
  DuckDBDataChunk,
  DuckDBDateValue,
  DuckDBGeometryValue,
  DuckDBListValue,
  DuckDBMapValue,
  type DuckDBResult,
  DuckDBStructValue,
  DuckDBTimestampMillisecondsValue,
  DuckDBTimestampNanosecondsValue,
  DuckDBTimestampSecondsValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  DuckDBUnionValue,
  type DuckDBValue,
  DuckDBVariantValue,
  VARCHAR,
} from '@duckdb/node-api'
import type {
  AuditOptions,
  EngineColumn,
  EngineRow,
  EngineValue,
  QueryOptions,
  SqlRefusal,
  SqlSession,
} from '../engine.ts'
import { SqlInvalidError, engineErrors } from '../errors.ts'
import { isInterrupt, positionIn, translateError } from './errors.ts'
import { complaintOf, isCondition, notOneSelect, objectionsTo } from './sql-audit.ts'
import { type Sql, asCondition, asGiven, computing, describing, takeEndMark, withEndMark } from './sql.ts'

/**
 * Milliseconds. DuckDB forgets an interrupt that comes before the statement has started, so it is told again until it
 * stops.
 */
const INTERRUPT_EVERY_MS = 10

/** Parsed texts that a session keeps: those of a pipeline with a hundred models. A tree takes some 20 KB. */
const KEPT_TREES = 500

type Deps = {
  readonly connection: DuckDBConnection
  /** Shared by all sessions of the engine. */
  readonly statements: Semaphore
  readonly scratchDirectory: string
  readonly onClose: () => void
}

/**
 * A DuckDB connection as a session. A statement that comes while a stream is being read is an error of the caller, and
 * is reported as one.
 */
export class DuckDbSession implements SqlSession {
  readonly #deps: Deps
  readonly #mutex = new Semaphore(1)
  readonly #closing = new AbortController()
  /** By text, the one that was not asked for longest first. */
  readonly #trees = new Map<string, unknown>()
  #streaming = false

  constructor(deps: Deps) {
    this.#deps = deps
  }

  async run(sql: string, options: QueryOptions = {}): Promise<void> {
    await this.#statement(asGiven(sql), options, async () => await this.#deps.connection.run(sql))
  }

  async rows<Row = EngineRow>(sql: string, options: QueryOptions = {}): Promise<Row[]> {
    const work = async () => await rowsOf(await this.#deps.connection.run(sql))
    return (await this.#statement(asGiven(sql), options, work)) as Row[]
  }

  async *stream(sql: string, options: QueryOptions = {}): AsyncGenerator<readonly EngineRow[]> {
    const marked = withEndMark(sql)
    const result = await this.#startStream(marked, options)
    try {
      const names = result.deduplicatedColumnNames().slice(0, -1)
      for (let ended = false; !ended;) {
        const chunk = await this.#mutex.run(
          async () => await this.#guarded(marked, options, async () => await result.fetchChunk()),
        )
        if (chunk === null || chunk.rowCount === 0) throw await this.#reasonOfCut(marked, options)
        ended = takeEndMark(chunk)
        if (chunk.rowCount > 0) yield rowsOfChunk(chunk, names)
      }
    } finally {
      // What the reader leaves unread keeps memory and files until the connection runs something else.
      await this.#mutex.run(async () => {
        if (!this.#closing.signal.aborted) await this.#deps.connection.run('SELECT 1').catch(() => undefined)
        this.#streaming = false
      })
    }
  }

  async describe(query: string): Promise<EngineColumn[]> {
    const sql = describing(query)
    const rows = await this.#statement(sql, {}, async () => {
      const { count } = await this.#deps.connection.extractStatements(sql.text)
      if (count !== 1) throw new SqlInvalidError(`expected one query, got ${count} statements`, undefined)
      return await rowsOf(await this.#deps.connection.run(sql.text))
    })
    return rows.map(({ column_name: name, column_type: type }) => ({
      name: textOrEmpty(name),
      type: textOrEmpty(type),
    }))
  }

  async parse(sqls: readonly string[]): Promise<readonly unknown[]> {
    const found = new Map(sqls.map((sql) => [sql, this.#trees.get(sql)]))
    const unknown = [...found].filter(([, tree]) => tree === undefined).map(([sql]) => sql)
    if (unknown.length > 0) {
      // A NUL would end the statement that the text stands in; another sign that is none of SQL is as long.
      const texts = unknown.map((sql, index) => `(${index}, ${literal(sql.replaceAll('\0', '\u0001'))})`).join(', ')
      const rows = await this.rows<{ tree: string }>(
        `SELECT json_serialize_sql(sql)::VARCHAR AS tree FROM (VALUES ${texts}) AS texts(place, sql) ORDER BY place`,
      )
      for (const [index, sql] of unknown.entries()) found.set(sql, JSON.parse(rows[index]?.tree ?? '{}'))
    }
    for (const [sql, tree] of found) this.#remember(sql, tree)
    return sqls.map((sql) => found.get(sql))
  }

  #remember(sql: string, tree: unknown): void {
    this.#trees.delete(sql)
    this.#trees.set(sql, tree)
    for (const oldest of this.#trees.keys()) {
      if (this.#trees.size <= KEPT_TREES) break
      this.#trees.delete(oldest)
    }
  }

  async audit(sql: string, { tables, as = 'query' }: AuditOptions): Promise<readonly SqlRefusal[]> {
    const parsed = as === 'query' ? asGiven(sql) : asCondition(sql)
    const [tree] = await this.parse([parsed.text])
    const said = complaintOf(tree)
    const found = said === undefined ? objectionsTo(tree, tables) : [notOneSelect(said)]
    if (as === 'condition' && found.length === 0 && !isCondition(tree))
      found.push(notOneSelect('expected one condition'))
    return found.map(({ offset, ...objection }) => ({
      ...objection,
      position: offset === undefined ? undefined : positionIn(sql, offset - parsed.start),
    }))
  }

  async append(
    table: string,
    rows: AsyncIterable<readonly (readonly (string | null)[])[]>,
    options: QueryOptions = {},
  ): Promise<number> {
    return await appendText(this.#deps.connection, table, rows, async (step) => {
      return await this.#statement({ ...asGiven(`append to ${table}`), isCall: true }, options, async () => step())
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await this.#mutex.run(async () => {
      await dropTemporary(this.#deps.connection)
      this.#deps.connection.disconnectSync()
      this.#deps.onClose()
    })
  }

  async #startStream(sql: Sql, options: QueryOptions): Promise<DuckDBResult> {
    return await this.#statement(sql, options, async () => {
      const result = await this.#deps.connection.stream(sql.text)
      this.#streaming = true
      return result
    })
  }

  /** Determines why a stream stopped before its end, by computing the query's every value again without keeping any. */
  async #reasonOfCut(sql: Sql, options: QueryOptions): Promise<unknown> {
    const probe = computing(sql)
    const work = async () => await this.#deps.connection.run(probe.text)
    return await this.#mutex
      .run(async () => await this.#guarded(probe, options, work))
      .then(
        () => engineErrors.ENGINE_STREAM_CUT(),
        (error: unknown) => error,
      )
  }

  async #statement<Result>(sql: Sql, options: QueryOptions, work: () => Promise<Result>): Promise<Result> {
    return await this.#mutex.run(async () => {
      if (this.#streaming) throw new Error('this session is being streamed from: read the stream to its end first')
      return await this.#deps.statements.run(async () => await this.#guarded(sql, options, work))
    })
  }

  /** Runs native work so that a signal stops it, and its errors are ours. */
  async #guarded<Result>(sql: Sql, options: QueryOptions, work: () => Promise<Result>): Promise<Result> {
    const { connection, scratchDirectory } = this.#deps
    const signal = AbortSignal.any([this.#closing.signal, ...(options.signal === undefined ? [] : [options.signal])])
    const stopped = (cause: unknown) => new CancelledError(`SQL ${literal(headOf(sql.given))}`, { cause })
    if (signal.aborted) throw stopped(signal.reason)
    let timer: NodeJS.Timeout | undefined
    const interrupt = () => {
      connection.interrupt()
      timer = setInterval(() => connection.interrupt(), INTERRUPT_EVERY_MS)
    }
    signal.addEventListener('abort', interrupt, { once: true })
    try {
      return await work()
    } catch (error) {
      if (signal.aborted && isInterrupt(error)) throw stopped(signal.reason)
      if (error instanceof PipelineError) throw error
      throw await translateError(error, sql, scratchDirectory, async (message) => {
        return sql.isCall === true || (await failsUnrun(connection, sql.text, message))
      })
    } finally {
      clearInterval(timer)
      signal.removeEventListener('abort', interrupt)
    }
  }
}

/**
 * Frees what a session made for itself. Leaving it to the end of the connection keeps it until the garbage collector
 * finds the last result that was streamed from it, which in a process with little garbage is never.
 */
async function dropTemporary(connection: DuckDBConnection): Promise<void> {
  try {
    const made = await rowsOf(
      await connection.run(`SELECT 'VIEW' AS kind, view_name AS name FROM duckdb_views() WHERE temporary AND NOT internal
        UNION ALL SELECT 'TABLE' AS kind, table_name AS name FROM duckdb_tables() WHERE temporary`),
    )
    for (const { kind, name } of made)
      await connection.run(`DROP ${textOrEmpty(kind)} temp.${identifier(textOrEmpty(name))}`)
  } catch {
    // A connection that cannot even do this is broken, and what failed on it before has been told.
  }
}

async function rowsOf(result: DuckDBResult): Promise<EngineRow[]> {
  const names = result.deduplicatedColumnNames()
  const chunks = await result.fetchAllChunks()
  return chunks.flatMap((chunk) => rowsOfChunk(chunk, names))
}

function textOrEmpty(value: EngineValue | undefined): string {
  return typeof value === 'string' ? value : ''
}

/** Whether a statement fails with just these words when it is only prepared, so that no row can be in them. */
async function failsUnrun(connection: DuckDBConnection, text: string, message: string): Promise<boolean> {
  try {
    const statements = await connection.extractStatements(text)
    for (let index = 0; index < statements.count; index++) {
      try {
        ;(await statements.prepare(index)).destroySync()
      } catch (error) {
        if (error instanceof Error && error.message === message) return true
      }
    }
    return false
  } catch {
    return true // It does not even parse.
  }
}

/** The first words of a statement: names, not values. */
function headOf(sql: string): string {
  return sql.trim().split(/\s+/, 3).join(' ').slice(0, 60)
}

/** Rows. DuckDB's vector size: one chunk. Source: duckdb.org/docs/stable/internals/vector */
const CHUNK_ROW_COUNT = 2048
/** Characters. Rows that are wide go in chunks of fewer: a chunk is copied several times before it is in the table. */
const CHUNK_CHARACTERS = 2 * 1024 * 1024
/**
 * Characters that the appender may hold for itself, where the memory limit does not count them, before they go into the
 * table.
 */
const HELD_CHARACTERS = 8 * 1024 * 1024

type Row = readonly (string | null)[]
/** Runs one step under the session's turn, with its signal and its translation of errors. */
type Step = <Result>(step: () => Promise<Result> | Result) => Promise<Result>

/**
 * Appends rows of text in chunks. What was appended before an error stays.
 * @returns rows appended
 */
async function appendText(
  connection: DuckDBConnection,
  table: string,
  rows: AsyncIterable<readonly Row[]>,
  step: Step,
): Promise<number> {
  const appender = await step(async () => await connection.createAppender(table))
  // Used again for all rows: a chunk's memory goes back only when JavaScript's collector comes by.
  const chunk = DuckDBDataChunk.create(Array.from({ length: appender.columnCount }, () => VARCHAR))
  let [rowCount, pendingCharacters, held] = [0, 0, 0]
  let pending: Row[] = []
  const send = async () => {
    const full = pending
    held += pendingCharacters
    ;[pending, pendingCharacters] = [[], 0]
    rowCount += await step(() => appendChunk(appender, chunk, full))
    if (held < HELD_CHARACTERS) return
    held = 0
    await step(() => appender.flushSync())
  }
  try {
    for await (const batch of rows) {
      for (const row of batch) {
        pending.push(row)
        for (const value of row) pendingCharacters += value?.length ?? 0
        if (pending.length === CHUNK_ROW_COUNT || pendingCharacters >= CHUNK_CHARACTERS) await send()
      }
    }
    if (pending.length > 0) await send()
    await step(() => appender.flushSync())
    return rowCount
  } finally {
    // Closing flushes; the rest after an error is discarded.
    appender.clear()
    appender.closeSync()
  }
}

function appendChunk(appender: DuckDBAppender, chunk: DuckDBDataChunk, rows: readonly Row[]): number {
  const { columnCount } = appender
  const ragged = rows.find((row) => row.length !== columnCount)
  if (ragged !== undefined)
    throw new Error(`a row to append has ${ragged.length} values, the table ${columnCount} columns`)
  chunk.reset()
  chunk.rowCount = rows.length
  chunk.setColumns(Array.from({ length: columnCount }, (_, column) => rows.map((row) => row[column] ?? null)))
  appender.appendDataChunk(chunk)
  return rows.length
}

/** The rows of one chunk of a result as plain objects, columns in order. */
function rowsOfChunk(chunk: DuckDBDataChunk, names: readonly string[]): EngineRow[] {
  const columns = names.map((_, index) => chunk.getColumnValues(index))
  return Array.from({ length: chunk.rowCount }, (_, row) => {
    const object: Record<string, EngineValue> = {}
    for (const [index, name] of names.entries()) object[name] = toEngineValue(columns[index]?.[row])
    return object
  })
}

/**
 * A DuckDB value in the form that `EngineValue` promises. Beyond what is said there: timestamps without a zone lack the
 * `Z`; maps are arrays of `{ key, value }`; unions are `{ tag, value }`; times, intervals and UUIDs are DuckDB's text;
 * `infinity` and `-infinity` stay words.
 */
function toEngineValue(value: DuckDBValue | undefined): EngineValue {
  if (value === null || value === undefined) return null
  if (typeof value === 'bigint') return isSafe(value) ? Number(value) : value
  if (typeof value !== 'object') return value
  if (value instanceof DuckDBTimestampTZValue) return timestampText(value.micros, 'Z')
  if (value instanceof DuckDBDateValue) return dateText(value)
  if (value instanceof DuckDBListValue || value instanceof DuckDBArrayValue) return value.items.map(toEngineValue)
  if (value instanceof DuckDBStructValue) return objectOf(Object.entries(value.entries))
  if (value instanceof DuckDBMapValue) return value.entries.map((entry) => objectOf(Object.entries(entry)))
  if (value instanceof DuckDBUnionValue) return { tag: value.tag, value: toEngineValue(value.value) }
  // The bytes are a view of the chunk's memory, which ends with the chunk.
  if (value instanceof DuckDBBlobValue || value instanceof DuckDBGeometryValue) return new Uint8Array(value.bytes)
  if (value instanceof DuckDBVariantValue) return toEngineValue(value.value)
  return plainTimestampText(value) ?? String(value)
}

function objectOf(entries: readonly (readonly [string, DuckDBValue])[]): EngineValue {
  return Object.fromEntries(entries.map(([name, value]) => [name, toEngineValue(value)]))
}

function isSafe(value: bigint): boolean {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)
}

function plainTimestampText(value: object): string | undefined {
  if (value instanceof DuckDBTimestampValue) return timestampText(value.micros, '')
  if (value instanceof DuckDBTimestampSecondsValue)
    return value.isFinite ? timestampText(value.seconds * 1_000_000n, '') : String(value)
  if (value instanceof DuckDBTimestampMillisecondsValue)
    return value.isFinite ? timestampText(value.millis * 1000n, '') : String(value)
  if (value instanceof DuckDBTimestampNanosecondsValue) return String(value).replace(' ', 'T')
  return undefined
}

/** Milliseconds. Years 0001 to 9999: what `toISOString` writes with four digits. */
const FIRST_MS = Date.parse('0001-01-01T00:00:00Z')
const LAST_MS = Date.parse('9999-12-31T23:59:59.999Z')

function timestampText(micros: bigint, zone: 'Z' | ''): string {
  const remainder = ((micros % 1000n) + 1000n) % 1000n
  const milliseconds = Number((micros - remainder) / 1000n)
  if (milliseconds < FIRST_MS || milliseconds > LAST_MS) {
    const text = String(new DuckDBTimestampValue(micros))
    if (text.endsWith('infinity')) return text
    // The engine reads `0044-03-15 (BC) 10:00:00` with blanks alone.
    return text.includes(' (BC)') ? `${text}${zone}` : `${text.replace(' ', 'T')}${zone}`
  }
  return `${new Date(milliseconds).toISOString().slice(0, -1)}${String(remainder).padStart(3, '0')}${zone}`
}

const DAY_MS = 86_400_000

function dateText(date: DuckDBDateValue): string {
  // The client writes it as a day beyond the last.
  if (!date.isFinite) return date.days > 0 ? 'infinity' : '-infinity'
  const milliseconds = date.days * DAY_MS
  if (milliseconds < FIRST_MS || milliseconds > LAST_MS) return String(date)
  return new Date(milliseconds).toISOString().slice(0, 10)
}
