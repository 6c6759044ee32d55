import type { TableName } from '@cinelake/contracts'
import { identifier } from '@cinelake/engine'
import { sql, type Kysely, type Transaction } from 'kysely'
import type { DatabaseAddress } from './database-address.ts'
import { CursorUnusableError, TableMissingError, TableUnusableError, type DatabasePlace } from './errors.ts'
import { findTable, listColumns, listPrimaryKey, listTables, type CatalogColumn } from './postgres-catalog.ts'
import { connectPostgres } from './postgres-connection.ts'
import { translatePostgresError } from './postgres-errors.ts'
import { readBatches } from './postgres-read.ts'
import { landingOf, type Landing } from './postgres-types.ts'
import type { CursorRange, SourceColumn, SourceDatabase, SourceTable } from './source-database.ts'

type PostgresColumn = SourceColumn & { readonly toText: Landing['toText']; readonly nullable: boolean }
type PostgresTable = Omit<SourceTable, 'columns'> & {
  readonly columns: readonly PostgresColumn[]
  readonly kind: string
}

/** A PostgreSQL database, or one that speaks its protocol and has its catalog. */
export function openPostgres(options: {
  readonly source: string
  readonly address: DatabaseAddress
  readonly signal: AbortSignal
}): SourceDatabase {
  const { source, address, signal } = options
  const place = {
    source,
    server: address.port === undefined ? address.host : `${address.host}:${address.port}`,
    database: address.database,
  }
  const connection = connectPostgres(source, address, signal)
  const { db } = connection
  const described = new WeakMap<SourceTable, PostgresTable>()

  const call = async <T>(doing: string, run: () => Promise<T>): Promise<T> => {
    try {
      signal.throwIfAborted()
      return await run()
    } catch (error) {
      throw translatePostgresError(error, place, doing, signal)
    }
  }

  return {
    place,
    tables: () => call('list the tables', () => listTables(db)),
    describe: (table) =>
      call(`look at ${nameOf(table)}`, async () => {
        const found = await describeTable(db, place, table)
        described.set(found, found)
        return found
      }),
    async *read(table, range) {
      const doing = `read ${nameOf(table.table)}`
      const known = described.get(table) ?? (await call(doing, () => describeTable(db, place, table.table)))
      const trx = await call(doing, () => beginSnapshot(db))
      try {
        if (range !== undefined) await checkCursor(trx, place, known, range)
        yield* readBatches(trx, selectOf(known, range), known.columns.length)
      } catch (error) {
        throw translatePostgresError(error, place, doing, signal)
      } finally {
        // Nothing was written. On a connection that broke there is nothing left to end either.
        await trx
          .rollback()
          .execute()
          .catch(() => {})
      }
    },
    [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
  }
}

async function describeTable(db: Kysely<unknown>, place: DatabasePlace, table: TableName): Promise<PostgresTable> {
  const found = await findTable(db, table)
  if (found === undefined) throw new TableMissingError(place, table)
  const columns = (await listColumns(db, found.id)).map(columnOf)
  if (columns.length === 0) throw new TableUnusableError(place, table, 'expected at least one column, got none')
  const names = columns.map(({ name }) => name.toLowerCase())
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) {
    throw new TableUnusableError(place, table, `expected names that differ in more than case, got ${twice} twice`)
  }
  return { table, columns, primaryKey: await listPrimaryKey(db, found.id), kind: found.kind }
}

function columnOf(column: CatalogColumn): PostgresColumn {
  const { element } = column
  const { type, toText, fromText } = landingOf({
    name: column.type_name,
    modifier: Number(column.modifier),
    ...(element === null ? {} : { array: { element, dimensions: Number(column.dimensions) } }),
  })
  return { name: column.name, sourceType: column.declared, type, fromText, toText, nullable: column.not_null !== 't' }
}

/**
 * A transaction that sees one moment and writes nothing, with every setting that changes how values are written or which
 * rows are seen. Settings end with the transaction, so that a connection shared behind a proxy stays as it was.
 */
async function beginSnapshot(db: Kysely<unknown>) {
  const trx = await db.startTransaction().setIsolationLevel('repeatable read').setAccessMode('read only').execute()
  try {
    const settings = Object.entries(SETTINGS).map(([name, value]) => sql`set_config(${name}, ${value}, true)`)
    await sql`SELECT ${sql.join(settings)}`.execute(trx)
    return trx
  } catch (error) {
    await trx
      .rollback()
      .execute()
      .catch(() => {})
    throw error
  }
}

const SETTINGS: Readonly<Record<string, string>> = {
  timezone: 'UTC',
  datestyle: 'ISO, YMD',
  intervalstyle: 'iso_8601',
  bytea_output: 'hex',
  extra_float_digits: '3',
  search_path: 'pg_catalog',
  // Rows that this user may not see are an error, not a smaller table.
  row_security: 'off',
  // A table without a key is read from its beginning, in the order in which it lies, each time.
  synchronize_seqscans: 'off',
  // All rows are wanted, not the first few.
  cursor_tuple_fraction: '1',
  statement_timeout: '0',
  idle_in_transaction_session_timeout: '0',
}

async function checkCursor(
  trx: Transaction<unknown>,
  place: DatabasePlace,
  table: PostgresTable,
  range: CursorRange,
): Promise<void> {
  const column = table.columns.find(({ name }) => name === range.column)
  const unusable = (problem: string) => new CursorUnusableError(place, table.table, range.column, problem)
  if (column === undefined) throw unusable('expected a column of the table, got no such column')
  if (column.type !== 'DATE' && column.type !== 'TIMESTAMP WITH TIME ZONE') {
    throw unusable(`expected a date or a timestamp, got ${column.sourceType}`)
  }
  if (!column.nullable) return
  const { rows } = await sql<{ found: string }>`
    SELECT EXISTS (SELECT FROM ${fromOf(table)} WHERE ${sql.id(range.column)} IS NULL) AS found`.execute(trx)
  if (rows[0]?.found === 't')
    throw unusable('expected a value in every row, got rows without one, which would never be copied')
}

function selectOf(table: PostgresTable, range: CursorRange | undefined) {
  const values = table.columns.map(
    (column, index) => sql`${sql.raw(column.toText(identifier(column.name)))} AS ${sql.id(`c${index}`)}`,
  )
  const where = range === undefined ? sql`` : sql` WHERE ${conditionOf(table, range)}`
  const order =
    table.primaryKey.length === 0 ? sql`` : sql` ORDER BY ${sql.join(table.primaryKey.map((name) => sql.id(name)))}`
  return sql`SELECT ${sql.join(values)} FROM ${fromOf(table)}${where}${order}`
}

/** A table's own rows: those of tables that inherit from it are theirs. */
function fromOf({ table, kind }: PostgresTable) {
  return kind === 'r' ? sql`ONLY ${sql.id(table.schema, table.name)}` : sql.id(table.schema, table.name)
}

function conditionOf(table: PostgresTable, range: CursorRange) {
  const column = sql.id(range.column)
  const isDate = table.columns.some(({ name, type }) => name === range.column && type === 'DATE')
  const bound = (instant: string) => {
    const at = sql`${sql.lit(instant)}::pg_catalog.timestamptz`
    return isDate ? sql`(${at} AT TIME ZONE ${sql.lit(range.timeZone)})` : at
  }
  const until = sql`${column} < ${bound(range.until)}`
  return range.since === null ? until : sql`${column} >= ${bound(range.since)} AND ${until}`
}

function nameOf({ schema, name }: TableName): string {
  return `${schema}.${name}`
}
