import type { TableName } from '@cinelake/contracts'
import type { AzureCredential, ServerAddress } from '@cinelake/database'
import { openMssqlConnection, readEncryption, requestToken } from '@cinelake/database/sql-server'
import { sql, type QueryExecutorProvider } from 'kysely'
import { givingUser, requireUsable } from '../address.ts'
import { databaseSourceErrors, type DatabaseLocation } from '../errors.ts'
import type { SourceDatabase } from '../source-database.ts'
import { createSourceDatabase, sourceLocation, type OpenOptions } from '../technology.ts'
import { translateMssqlError } from './errors.ts'
import type { MssqlColumn, MssqlTable } from './select.ts'
import { beginReading } from './snapshot.ts'
import { mssqlLandingOf } from './types.ts'

/** @throws {DATABASE_ADDRESS_INVALID} terminal: an unknown parameter in the address */
export function openMssql(options: OpenOptions & { readonly address: ServerAddress }): SourceDatabase {
  const { source, address, timeoutMs, credential, signal } = options
  const { host, port, database, user, password = '' } = address
  const { encrypt, trustServerCertificate, problems } = readEncryption(address)
  requireUsable(source, problems)
  const connection = openMssqlConnection(
    {
      server: host,
      port,
      database,
      ...(user === undefined ? {} : { login: { userName: user, password } }),
      encrypt,
      trustServerCertificate,
    },
    { token: async () => await tokenFor(sourceLocation(source, address), credential, signal), timeoutMs, signal },
  )
  const { db } = connection
  return createSourceDatabase<MssqlTable>(options, {
    digestEncoding: 'utf16le',
    noChanges:
      'expected Change Tracking to be on for the database and for this table (ALTER TABLE … ENABLE CHANGE_TRACKING), which needs a primary key, and VIEW CHANGE TRACKING to be granted, got none',
    translate: translateMssqlError,
    tables: async (wanted) => await listTables(db, wanted),
    describe: async (table) => await describeTable(db, table),
    isDescribed: (table): table is MssqlTable => 'mssqlKind' in table,
    begin: async () => await beginReading(connection, timeoutMs),
    [Symbol.asyncDispose]: async () => await connection[Symbol.asyncDispose](),
  })
}

/** @throws {DATABASE_IDENTITY_MISSING} transient: this machine has no identity, or Entra no token for it */
async function tokenFor(
  place: DatabaseLocation,
  credential: AzureCredential | undefined,
  signal: AbortSignal,
): Promise<string> {
  const missing = (options?: ErrorOptions) =>
    databaseSourceErrors.DATABASE_IDENTITY_MISSING(place, givingUser('mssql'), options)
  let token: Awaited<ReturnType<typeof requestToken>> = null
  try {
    if (credential !== undefined) token = await requestToken(credential, signal)
  } catch (error) {
    throw signal.aborted ? error : missing({ cause: error })
  }
  if (token === null) throw missing()
  return token.token
}

async function describeTable(db: QueryExecutorProvider, table: TableName): Promise<MssqlTable | undefined> {
  const found = await findTable(db, table)
  if (found === undefined) return undefined
  return {
    table,
    columns: (await listColumns(db, found.id)).map(columnOf),
    primaryKey: await listPrimaryKey(db, found.id),
    mssqlKind: found.kind,
    estimate: Number(found.estimate),
  }
}

function columnOf(column: CatalogColumn): MssqlColumn {
  const { type_name: name, max_length: maxLength, precision, scale } = column
  const type = { name, maxLength, precision, scale }
  const declared = declaredType(type)
  return {
    name: column.name,
    sourceType: declared === 'timestamp' ? 'rowversion' : declared,
    mssqlType: declared,
    nullable: column.nullable === '1',
    ...mssqlLandingOf(type),
  }
}

function declaredType({ name, maxLength, precision, scale }: Parameters<typeof mssqlLandingOf>[0]): string {
  if (name === 'decimal' || name === 'numeric') return `${name}(${precision},${scale})`
  if (name === 'datetime2' || name === 'datetimeoffset' || name === 'time') return `${name}(${scale})`
  if (!/^(?:n?(?:var)?char|(?:var)?binary)$/.test(name)) return name
  const length = name.startsWith('n') ? maxLength / 2 : maxLength
  return `${name}(${maxLength < 0 ? 'max' : length})`
}

type CatalogColumn = {
  readonly name: string
  readonly type_name: string
  /** Bytes; -1 for `max`. */
  readonly max_length: number
  readonly precision: number
  readonly scale: number
  /** `1` or `0` */
  readonly nullable: string
}

/** `kind`: `U` table, `V` view. `estimate`: rows, from the server's statistics. */
type CatalogTable = { readonly id: string; readonly kind: string; readonly estimate: string }

/** Tables with rows of their own, and views if requested; no system tables, and no tables of linked servers. */
async function listTables(db: QueryExecutorProvider, { views }: { readonly views: boolean }): Promise<TableName[]> {
  const kinds = views ? sql`N'U', N'V'` : sql`N'U'`
  const { rows } = await sql<TableName>`
    SELECT s.name AS [schema], o.name AS [name]
    FROM sys.objects AS o
    JOIN sys.schemas AS s ON s.schema_id = o.schema_id
    LEFT JOIN sys.tables AS t ON t.object_id = o.object_id
    WHERE o.type IN (${kinds}) AND o.is_ms_shipped = 0 AND COALESCE(t.is_external, 0) = 0
    ORDER BY s.name COLLATE Latin1_General_BIN2, o.name COLLATE Latin1_General_BIN2`.execute(db)
  return rows
}

/** Undefined if there is no table or view of this name. */
async function findTable(db: QueryExecutorProvider, table: TableName): Promise<CatalogTable | undefined> {
  const { rows } = await sql<CatalogTable>`
    SELECT CONVERT(varchar(20), o.object_id) AS id, RTRIM(o.type) AS kind,
      CONVERT(varchar(20), COALESCE((SELECT SUM(p.rows) FROM sys.partitions AS p
                                     WHERE p.object_id = o.object_id AND p.index_id IN (0, 1)), 0)) AS estimate
    FROM sys.objects AS o
    JOIN sys.schemas AS s ON s.schema_id = o.schema_id
    WHERE s.name = ${table.schema} AND o.name = ${table.name} AND o.type IN (N'U', N'V')`.execute(db)
  return rows[0]
}

/** The columns in order, hidden ones included, without the internal ones of graph tables, which cannot be read. */
async function listColumns(db: QueryExecutorProvider, tableId: string): Promise<CatalogColumn[]> {
  const { rows } = await sql<CatalogColumn>`
    SELECT c.name AS [name],
      CASE WHEN c.system_type_id <> 240 THEN TYPE_NAME(c.system_type_id)
           WHEN t.is_user_defined = 1 THEN N'clr' ELSE t.name END AS type_name,
      c.max_length, c.precision, c.scale, CONVERT(char(1), c.is_nullable) AS nullable
    FROM sys.columns AS c
    JOIN sys.types AS t ON t.user_type_id = c.user_type_id
    WHERE c.object_id = CONVERT(int, ${tableId})
      AND COALESCE(COLUMNPROPERTY(c.object_id, c.name, 'GraphType'), 0) NOT IN (1, 3, 4, 6, 7)
    ORDER BY c.column_id`.execute(db)
  return rows
}

async function listPrimaryKey(db: QueryExecutorProvider, tableId: string): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    SELECT c.name AS [name]
    FROM sys.indexes AS i
    JOIN sys.index_columns AS k ON k.object_id = i.object_id AND k.index_id = i.index_id
    JOIN sys.columns AS c ON c.object_id = k.object_id AND c.column_id = k.column_id
    WHERE i.object_id = CONVERT(int, ${tableId}) AND i.is_primary_key = 1 AND k.key_ordinal > 0
    ORDER BY k.key_ordinal`.execute(db)
  return rows.map(({ name }) => name)
}
