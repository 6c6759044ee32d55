import { complaintOf, identifier, type SqlComplaint } from '@cinelake/sql'

export type TypedColumn = { readonly name: string; readonly type: string }

/**
 * Finds the types of queries over tables that have columns but no rows. An engine in which every table that models may
 * read can be made.
 */
export interface SqlTyper {
  createTable(name: string, columns: readonly TypedColumn[]): Promise<void>
  /** What the engine's parser makes of texts, as DuckDB's `json_serialize_sql` gives it. A text is parsed once. */
  parse(sqls: readonly string[]): Promise<readonly unknown[]>
  /** What keeps a text from being SQL of a pipeline over these tables. */
  audit(sql: string, options: SqlAudit): Promise<readonly SqlRefusal[]>
  /** Takes away all tables that were made so far. */
  dropTables(): Promise<void>
  /** @throws an error with a `complaint` (`SqlComplaint`) when the query is wrong; others are passed on */
  describe(query: string): Promise<readonly TypedColumn[]>
}

export type SqlAudit = { readonly tables: readonly string[]; readonly as?: 'query' | 'condition' }

/** Something that SQL of a pipeline must not do, by the engine's own parser. */
export type SqlRefusal = {
  readonly name: string
  readonly message: string
  readonly remedy: string
  readonly position: { readonly line: number; readonly column: number } | undefined
  /** Names that may have been meant. */
  readonly choices?: Iterable<string>
}

/** What is needed of an engine's session: `SqlSession` fits. */
export type TypingSession = {
  run(sql: string): Promise<void>
  parse(sqls: readonly string[]): Promise<readonly unknown[]>
  audit(sql: string, options: SqlAudit): Promise<readonly SqlRefusal[]>
  describe(query: string): Promise<readonly TypedColumn[]>
}

/** A typer of a session of its own: the tables that it makes stay there. */
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
 * The columns of a query, or what is wrong with it. Errors that are not about the query (an engine out of memory) pass.
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
