import { WarehouseRefusedError } from '../errors.ts'
import { faultOf, type MssqlSession } from '@cinelake/database/sql-server'
import type { WarehouseTable } from '../warehouse.ts'

/** The views that read a table (`@1`), as SQL. Source: learn.microsoft.com/sql/relational-databases/system-catalog-views/sys-sql-expression-dependencies-transact-sql */
const VIEWS_UPON =
  "SELECT DISTINCT QUOTENAME(s.[name]) + N'.' + QUOTENAME(v.[name]) AS [name] FROM sys.sql_expression_dependencies AS d " +
  'INNER JOIN sys.views AS v ON v.[object_id] = d.[referencing_id] INNER JOIN sys.schemas AS s ON s.[schema_id] = v.[schema_id] ' +
  "WHERE d.[referenced_id] = OBJECT_ID(@1, N'U') ORDER BY [name]"

/** A name that is not there: invalid object name, invalid column name, binding errors. */
const BROKEN = [207, 208, 4413]

/** @param target the table, as SQL */
export async function viewsUpon(session: MssqlSession, target: string): Promise<readonly string[]> {
  const { rows } = await session.run<{ name: string }>(VIEWS_UPON, [target])
  return rows.map(({ name }) => name)
}

/**
 * Has views read their table by its new columns. SQL Server binds a view when it is read: one that names a column that is
 * gone would fail then, and `SELECT *` would go on with the columns of before. Within the transaction that swaps the table.
 * @throws {WarehouseRefusedError} terminal: names the view that reads what is to go
 */
export async function refreshViews(
  session: MssqlSession,
  table: WarehouseTable,
  views: readonly string[],
): Promise<void> {
  for (const view of views) {
    try {
      await session.run(`EXEC sys.sp_refreshview N'${view.replaceAll("'", "''")}'`)
    } catch (error) {
      if (!BROKEN.includes(faultOf(error)?.number ?? 0)) throw error
      throw new WarehouseRefusedError(
        table.name,
        `it is to get other columns, but the view ${view} reads one that is to go`,
        'drop the view and make it again after the load',
        { view },
        { cause: error },
      )
    }
  }
}
