import type { PreviewDeps, Sample, SourceInPipeline } from '@cinelake/source-kind'
import type { DatabaseSource } from './config/index.ts'
import type { TableName } from '@cinelake/contracts'
import type { SourceRow, SourceTable } from './source-database.ts'
import { withDatabase, type DatabaseDeps } from './with-database.ts'

type FirstRows = { readonly table: SourceTable; readonly rows: readonly SourceRow[]; readonly isAll: boolean }

export type DatabasePreviewDeps = Pick<PreviewDeps, 'limit' | 'signal' | 'format'> &
  Pick<DatabaseDeps, 'fill' | 'credential'>

/** The first rows of a dataset's table. */
export async function previewDatabase(
  { source }: SourceInPipeline<DatabaseSource>,
  name: string,
  { fill, credential, limit, signal, format }: DatabasePreviewDeps,
): Promise<Sample> {
  const dataset = source.datasets.find((each) => each.name === name)
  if (dataset === undefined) throw new RangeError(`expected a dataset ${name}`)
  const { table, rows, isAll } = await firstRows(source, dataset.table, { fill, credential, limit, signal })
  return {
    facts: [['table', `${dataset.table.schema}.${dataset.table.name}, ${format.count(table.columns.length)} columns`]],
    columns: table.columns.map((column) => ({
      name: column.name,
      type: column.type,
      sourceType: column.sourceType,
      isNeverNull: !column.nullable,
    })),
    rows,
    isAll,
    primaryKey: table.primaryKey,
  }
}

/** The first rows of a table with its columns, for previews. */
async function firstRows(
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
