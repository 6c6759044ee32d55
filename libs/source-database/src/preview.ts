import type { DatabaseSource } from './config/index.ts'
import type { TableName } from '@cinelake/contracts'
import type { SourceRow, SourceTable } from './source-database.ts'
import { withDatabase, type DatabaseDeps } from './with-database.ts'

export type FirstRows = { readonly table: SourceTable; readonly rows: readonly SourceRow[]; readonly isAll: boolean }

/** The first rows of a table with its columns, for looking at what it is like. */
export async function firstRows(
  source: DatabaseSource,
  name: TableName,
  { limit, ...deps }: DatabaseDeps & { readonly limit: number },
): Promise<FirstRows> {
  return await withDatabase(source, deps, async (database) => {
    const table = await database.describe(name)
    await using snapshot = await database.snapshot()
    const rows: SourceRow[] = []
    for await (const batch of snapshot.rows(table)) {
      rows.push(...batch.slice(0, limit - rows.length + 1))
      if (rows.length > limit) break
    }
    return { table, rows: rows.slice(0, limit), isAll: rows.length <= limit }
  })
}
