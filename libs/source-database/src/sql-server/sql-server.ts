import type { TableName } from '@cinelake/contracts'
import type { AzureCredential } from '@cinelake/database'
import type { Kysely } from 'kysely'
import { checkColumns } from '../check-columns.ts'
import type { DatabaseAddress } from '../database-address.ts'
import { createDatabaseCall, placeOf, type TranslateError } from '../database-calls.ts'
import { TableMissingError, type DatabasePlace } from '../errors.ts'
import { findTable, listColumns, listPrimaryKey, listTables, type CatalogColumn } from './catalog.ts'
import { connectMssql } from './connection.ts'
import { translateMssqlError } from './errors.ts'
import type { MssqlColumn, MssqlTable } from './select.ts'
import { openSnapshot } from './snapshot.ts'
import { mssqlLandingOf } from './types.ts'
import { signInRemedy } from '../sign-in.ts'
import type { SourceDatabase, SourceTable } from '../source-database.ts'

/** A database of SQL Server 2016 or newer, or of Azure SQL. */
export function openMssql(options: {
  readonly source: string
  readonly address: DatabaseAddress
  /** The address as written in the pipeline's text. */
  readonly template?: string | undefined
  readonly timeoutMs: number
  readonly signal: AbortSignal
  readonly credential?: AzureCredential | undefined
}): SourceDatabase {
  const { source, address, template = '', signal } = options
  const place = placeOf(source, address)
  const connection = connectMssql(source, address, options)
  const { db } = connection

  const remedy = signInRemedy(template, address)
  const translate: TranslateError = (error, doing) => translateMssqlError(error, place, doing, { signal, remedy })
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
    snapshot: () => openSnapshot(parts),
    [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
  }
}

/** Also accepts a table that another connection described. */
function isDescribed(table: SourceTable): table is MssqlTable {
  return 'mssqlKind' in table
}

async function describeTable(db: Kysely<unknown>, place: DatabasePlace, table: TableName): Promise<MssqlTable> {
  const found = await findTable(db, table)
  if (found === undefined) throw new TableMissingError(place, table)
  const columns = (await listColumns(db, found.id)).map(columnOf)
  checkColumns(place, table, columns)
  const primaryKey = await listPrimaryKey(db, found.id)
  return { table, columns, primaryKey, mssqlKind: found.kind, estimate: Number(found.estimate) }
}

function columnOf(column: CatalogColumn): MssqlColumn {
  const type = {
    name: column.type_name,
    maxLength: Number(column.max_length),
    precision: Number(column.precision),
    scale: Number(column.scale),
  }
  const declared = declaredType(type)
  return {
    name: column.name,
    sourceType: declared === 'timestamp' ? 'rowversion' : declared,
    mssqlType: declared,
    nullable: column.nullable === '1',
    ...mssqlLandingOf(type),
  }
}

/** As in a `CREATE TABLE`. */
function declaredType({ name, maxLength, precision, scale }: Parameters<typeof mssqlLandingOf>[0]): string {
  if (name === 'decimal' || name === 'numeric') return `${name}(${precision},${scale})`
  if (name === 'datetime2' || name === 'datetimeoffset' || name === 'time') return `${name}(${scale})`
  if (!/^(?:n?(?:var)?char|(?:var)?binary)$/.test(name)) return name
  const length = name.startsWith('n') ? maxLength / 2 : maxLength
  return `${name}(${maxLength < 0 ? 'max' : length})`
}
