import type { TableName } from '@cinelake/contracts'
import { sql, type QueryExecutorProvider } from 'kysely'

/** A column as described by the catalog; everything as text. */
export type CatalogColumn = {
  readonly name: string
  /** `decimal(10,2)` for people. */
  readonly type_name: string
  readonly max_length: string
  readonly precision: string
  readonly scale: string
  /** `1` or `0` */
  readonly nullable: string
}

/** `kind`: `U` table, `V` view. `estimate`: rows, from the server's statistics. */
export type CatalogTable = { readonly id: string; readonly kind: string; readonly estimate: string }

/** Tables with rows of their own, and views if requested; no system tables, and no tables of linked servers. */
export async function listTables(
  db: QueryExecutorProvider,
  { views }: { readonly views: boolean },
): Promise<TableName[]> {
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
export async function findTable(db: QueryExecutorProvider, table: TableName): Promise<CatalogTable | undefined> {
  const { rows } = await sql<CatalogTable>`
    SELECT CONVERT(varchar(20), o.object_id) AS id, RTRIM(o.type) AS kind,
      CONVERT(varchar(20), COALESCE((SELECT SUM(p.rows) FROM sys.partitions AS p
                                     WHERE p.object_id = o.object_id AND p.index_id IN (0, 1)), 0)) AS estimate
    FROM sys.objects AS o
    JOIN sys.schemas AS s ON s.schema_id = o.schema_id
    WHERE s.name = ${table.schema} AND o.name = ${table.name} AND o.type IN (N'U', N'V')`.execute(db)
  return rows[0]
}

/**
 * The columns in order, including hidden ones (the period of a temporal table), without the internal columns of graph
 * tables, which cannot be read.
 */
export async function listColumns(db: QueryExecutorProvider, tableId: string): Promise<CatalogColumn[]> {
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

/** The columns of the primary key in key order. */
export async function listPrimaryKey(db: QueryExecutorProvider, tableId: string): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    SELECT c.name AS [name]
    FROM sys.indexes AS i
    JOIN sys.index_columns AS k ON k.object_id = i.object_id AND k.index_id = i.index_id
    JOIN sys.columns AS c ON c.object_id = k.object_id AND c.column_id = k.column_id
    WHERE i.object_id = CONVERT(int, ${tableId}) AND i.is_primary_key = 1 AND k.key_ordinal > 0
    ORDER BY k.key_ordinal`.execute(db)
  return rows.map(({ name }) => name)
}
