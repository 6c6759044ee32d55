import { identifier, literal } from '@cinelake/sql'
import { CancelledError, PipelineError, Semaphore } from '@cinelake/core'
import type { DuckDBConnection, DuckDBResult } from '@duckdb/node-api'
import { appendText } from './append.ts'
import { isInterrupt, positionIn, translateError } from './errors.ts'
import { asCondition, asGiven, computing, describing, takeEndMark, withEndMark, type Sql } from './sql.ts'
import { rowsOfChunk } from './values.ts'
import type {
  AuditOptions,
  EngineColumn,
  EngineRow,
  EngineValue,
  QueryOptions,
  SqlRefusal,
  SqlSession,
} from '../engine.ts'
import { engineErrors, SqlInvalidError } from '../errors.ts'
import { complaintOf, isCondition, notOneSelect, objectionsTo } from './sql-audit.ts'

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
    return rows.map(({ column_name: name, column_type: type }) => ({ name: textOf(name), type: textOf(type) }))
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
    for (const { kind, name } of made) await connection.run(`DROP ${textOf(kind)} temp.${identifier(textOf(name))}`)
  } catch {
    // A connection that cannot even do this is broken, and what failed on it before has been told.
  }
}

async function rowsOf(result: DuckDBResult): Promise<EngineRow[]> {
  const names = result.deduplicatedColumnNames()
  const chunks = await result.fetchAllChunks()
  return chunks.flatMap((chunk) => rowsOfChunk(chunk, names))
}

function textOf(value: EngineValue | undefined): string {
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
