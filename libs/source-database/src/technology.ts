import type { TableName } from '@cinelake/contracts'
import { CancelledError, PipelineError } from '@cinelake/core'
import type { AzureCredential, ServerAddress } from '@cinelake/database'
import type { ControlledTransaction } from 'kysely'
import { signInRemedy } from './address.ts'
import { checkColumns, checkWatermark } from './columns.ts'
import { databaseSourceErrors, fullName, type DatabaseLocation } from './errors.ts'
import { withoutDigests, type DigestEncoding } from './row-batches.ts'
import type { ChangeVersions, Selection, SourceDatabase, SourceRow, SourceTable } from './source-database.ts'

export type OpenOptions = {
  readonly source: string
  /** As written in the pipeline's text, to name the setting that has to be corrected. */
  readonly template?: string | undefined
  /** Milliseconds. Timeout for the next part of an answer. */
  readonly timeoutMs: number
  readonly credential?: AzureCredential | undefined
  /** Cancels every statement under way and rejects new ones. */
  readonly signal: AbortSignal
}

/** An address for people: without the credentials. */
export function sourceLocation(source: string, { host, port, database }: ServerAddress): DatabaseLocation {
  return { source, server: port === undefined ? host : `${host}:${port}`, database }
}

/** What an error of the driver is about. `remedy`: what to do if the server refuses the credentials. */
export type FailedCall = { readonly place: DatabaseLocation; readonly doing: string; readonly remedy: string }

/** What is the technology's own. Statements may throw the driver's errors. */
export type Technology<Table extends SourceTable> = AsyncDisposable & {
  readonly digestEncoding: DigestEncoding
  /** What was expected and found where changes of a table are not tracked. */
  readonly noChanges: string
  /** @returns the error of this package for one of the driver or the server, without the server's texts about rows */
  translate(error: unknown, call: FailedCall): unknown
  tables(options: { readonly views: boolean }): Promise<TableName[]>
  /** @returns undefined if there is no table or view of this name */
  describe(table: TableName): Promise<Table | undefined>
  /** Whether a table was described by a connection of this technology. */
  isDescribed(table: SourceTable): table is Table
  /** A read-only transaction that sees one consistent snapshot, as far as the database supports that. */
  begin(options: {
    readonly shared?: string | undefined
    readonly table: Table | undefined
  }): Promise<OpenTransaction<Table>>
}

/** Statements within a transaction, as in {@link Snapshot}. */
export type OpenTransaction<Table extends SourceTable> = {
  readonly trx: ControlledTransaction<unknown>
  share(): Promise<string | undefined>
  rows(table: Table, selection: Selection): AsyncIterable<readonly SourceRow[]>
  count(table: Table, selection: Selection): Promise<number>
  /** Whether there are rows without a value in all of the columns. */
  hasRowsWithout(table: Table, columns: readonly string[]): Promise<boolean>
  highest(table: Table, column: string): Promise<string | null>
  /** @returns undefined: changes of this table are not tracked */
  changeVersions(table: Table): Promise<ChangeVersions | undefined>
  boundaries(table: Table, column: string, ranges: number): Promise<readonly string[]>
}

export function createSourceDatabase<Table extends SourceTable & { readonly estimate: number }>(
  { source, template = '', signal, address }: OpenOptions & { readonly address: ServerAddress },
  technology: Technology<Table>,
): SourceDatabase {
  const place = sourceLocation(source, address)
  const remedy = signInRemedy(template, address)
  const translated = (error: unknown, doing: string) => {
    if (error instanceof PipelineError) return error
    return signal.aborted
      ? new CancelledError(doing, { cause: error })
      : technology.translate(error, { place, doing, remedy })
  }
  const call = async <Result>(doing: string, run: () => Promise<Result>): Promise<Result> => {
    try {
      signal.throwIfAborted()
      return await run()
    } catch (error) {
      throw translated(error, doing)
    }
  }
  const describe = async (name: TableName) =>
    await call(`look at ${fullName(name)}`, async () => {
      const table = await technology.describe(name)
      if (table === undefined) throw databaseSourceErrors.DATABASE_TABLE_MISSING(place, name)
      checkColumns(place, name, table.columns)
      return table
    })
  const known = async (table: SourceTable) => (technology.isDescribed(table) ? table : await describe(table.table))
  const on = async <Result>(verb: string, table: SourceTable, work: (read: Table) => Promise<Result>) =>
    await call(`${verb} ${fullName(table.table)}`, async () => await work(await known(table)))

  return {
    place,
    tables: async (options) => await call('list the tables', async () => await technology.tables(options)),
    describe,
    async snapshot({ shared, table } = {}) {
      const described = table && (await known(table))
      const doing = described === undefined ? 'begin to read' : `read ${fullName(described.table)}`
      const open = await call(doing, async () => await technology.begin({ shared, table: described }))
      return {
        share: async () => await call('share what is seen', async () => await open.share()),
        async *rows(table, selection = {}) {
          const read = await known(table)
          try {
            const rows = open.rows(read, selection)
            yield* selection.digests === true ? withoutDigests(rows, technology.digestEncoding, { place, table }) : rows
          } catch (error) {
            throw translated(error, `read ${fullName(table.table)}`)
          }
        },
        count: async (table, selection = {}) => await on('count', table, (read) => open.count(read, selection)),
        async checkRange(table, columns) {
          const hasRowsWithout = async () => await on('look at', table, (read) => open.hasRowsWithout(read, columns))
          return await checkWatermark(place, await known(table), columns, hasRowsWithout)
        },
        highest: async (table, column) => await on('look at', table, (read) => open.highest(read, column)),
        async changeVersions(table) {
          const versions = await on('look at the changes of', table, (read) => open.changeVersions(read))
          if (versions !== undefined) return versions
          throw databaseSourceErrors.DATABASE_CURSOR_UNUSABLE(
            place,
            table.table,
            'changeTracking',
            technology.noChanges,
          )
        },
        estimate: async (table) => (await known(table)).estimate,
        boundaries: async (table, column, ranges) =>
          await on('sample', table, (read) => open.boundaries(read, column, ranges)),
        async [Symbol.asyncDispose]() {
          // The transaction wrote nothing. On a broken connection there is nothing to end either.
          await open.trx
            .rollback()
            .execute()
            .catch(() => {})
        },
      }
    },
    [Symbol.asyncDispose]: async () => await technology[Symbol.asyncDispose](),
  }
}
