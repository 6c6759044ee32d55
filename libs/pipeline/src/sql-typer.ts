import { complaintOf, identifier, type SqlComplaint } from '@cinelake/sql'

export type TypedColumn = { readonly name: string; readonly type: string }

/**
 * Infers the types of queries over tables that have columns but no rows: an engine session in which the tables that models
 * read are created empty.
 */
export interface SqlTyper {
  createTable(name: string, columns: readonly TypedColumn[]): Promise<void>
  /** The engine's parse trees of texts, as returned by DuckDB's `json_serialize_sql`. Each text is parsed once. */
  parse(sqls: readonly string[]): Promise<readonly unknown[]>
  /** Why a text is not allowed as a pipeline's SQL over these tables. */
  audit(sql: string, options: SqlAudit): Promise<readonly SqlRefusal[]>
  /** Drops all tables that were created so far. */
  dropTables(): Promise<void>
  /** @throws an error with a `complaint` (`SqlComplaint`) if the query is invalid; others are passed on */
  describe(query: string): Promise<readonly TypedColumn[]>
}

export type SqlAudit = { readonly tables: readonly string[]; readonly as?: 'query' | 'condition' }

/** A construct that is not allowed in a pipeline's SQL, found by the engine's own parser. */
export type SqlRefusal = {
  readonly name: string
  readonly message: string
  readonly remedy: string
  readonly position: { readonly line: number; readonly column: number } | undefined
  /** Suggested names. */
  readonly choices?: Iterable<string>
}

/** The part of an engine's session that is needed: `SqlSession` fits. */
export type TypingSession = {
  run(sql: string): Promise<void>
  parse(sqls: readonly string[]): Promise<readonly unknown[]>
  audit(sql: string, options: SqlAudit): Promise<readonly SqlRefusal[]>
  describe(query: string): Promise<readonly TypedColumn[]>
}

/** A typer on a session of its own: the tables that it creates stay there. */
export function createSqlTyper(session: TypingSession): SqlTyper {
  const made: string[] = []
  return {
    async createTable(name, columns) {
      made.push(name)
      const list = columns.map((column) => `${identifier(column.name)} ${column.type}`).join(', ')
      await session.run(`CREATE TEMP TABLE ${identifier(name)} (${list})`)
    },
    async parse(sqls) {
      return await session.parse(sqls)
    },
    async audit(sql, options) {
      return await session.audit(sql, options)
    },
    async dropTables() {
      for (const name of made.splice(0)) await session.run(`DROP TABLE IF EXISTS ${identifier(name)}`)
    },
    async describe(query) {
      return await session.describe(query)
    },
  }
}

/**
 * The columns of a query, or why it is invalid. Errors that are not about the query (an engine out of memory) are passed on.
 */
export async function describeOrComplain(
  typer: SqlTyper,
  query: string,
): Promise<readonly TypedColumn[] | SqlComplaint> {
  try {
    return await typer.describe(query)
  } catch (error) {
    const complaint = complaintOf(error)
    if (complaint === undefined) throw error
    return complaint
  }
}
