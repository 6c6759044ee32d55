import type { TableName } from '@cinelake/contracts'
import type { Kysely } from 'kysely'
import { checkColumns } from '../check-columns.ts'
import type { DatabaseAddress } from '../database-address.ts'
import { createDatabaseCall, placeOf, type TranslateError } from '../database-calls.ts'
import { TableMissingError, type DatabasePlace } from '../errors.ts'
import { findTable, listColumns, listPrimaryKey, listTables, type CatalogColumn } from './catalog.ts'
import { connectPostgres } from './connection.ts'
import { translatePostgresError } from './errors.ts'
import type { PostgresColumn, PostgresTable } from './select.ts'
import { openSnapshot } from './snapshot.ts'
import { landingOf } from './types.ts'
import { signInRemedy } from '../sign-in.ts'
import type { SourceDatabase, SourceTable } from '../source-database.ts'

/** A PostgreSQL database, or one that is compatible with its protocol and catalog. */
export function openPostgres(options: {
  readonly source: string
  readonly address: DatabaseAddress
  /** The address as written in the pipeline's text. */
  readonly template?: string | undefined
  readonly timeoutMs: number
  readonly signal: AbortSignal
}): SourceDatabase {
  const { source, address, template = '', timeoutMs, signal } = options
  const place = placeOf(source, address)
  const connection = connectPostgres(source, address, { timeoutMs, signal })
  const { db } = connection

  const remedy = signInRemedy(template, address)
  const translate: TranslateError = (error, doing) => translatePostgresError(error, place, doing, { signal, remedy })
  const call = createDatabaseCall(translate, signal)
  const describe = async (table: TableName) =>
    await call(`look at ${table.schema}.${table.name}`, async () => await describeTable(db, place, table))
  const parts = {
    connection,
    place,
    call,
    translate,
    describe: async (table: SourceTable) => (isDescribed(table) ? table : await describe(table.table)),
  }

  return {
    place,
    tables: (wanted) => call('list the tables', () => listTables(db, wanted)),
    describe,
    snapshot: (options) => openSnapshot(parts, options),
    [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
  }
}

/** Also accepts a table that another connection described. */
function isDescribed(table: SourceTable): table is PostgresTable {
  return 'kind' in table && 'estimate' in table
}

async function describeTable(db: Kysely<unknown>, place: DatabasePlace, table: TableName): Promise<PostgresTable> {
  const found = await findTable(db, table)
  if (found === undefined) throw new TableMissingError(place, table)
  const columns = (await listColumns(db, found.id)).map(columnOf)
  checkColumns(place, table, columns)
  return {
    table,
    columns,
    primaryKey: await listPrimaryKey(db, found.id),
    kind: found.kind,
    estimate: Number(found.estimate),
  }
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
