import type { TaskContext, TaskOutcome } from '@cinelake/bus'
import type { TableName } from '@cinelake/contracts'
import { PipelineError } from '@cinelake/core'
import type { PreviewDeps, Sample, SourceInPipeline, SourceKind } from '@cinelake/source-kind'
import { splitColumn, watermarkOf } from './columns.ts'
import { databaseConfig, type DatabaseDataset, type DatabaseSource } from './config/index.ts'
import { databaseQuestions } from './config/questions.ts'
import { createDatabaseTasks, type DatabaseTasksDeps } from './database-tasks.ts'
import { listWanted } from './discover-tables.ts'
import { fullName } from './errors.ts'
import type { SourceColumn, SourceDatabase, SourceRow } from './source-database.ts'
import { withDatabase, type DatabaseDeps } from './with-database.ts'

export type DatabasePreviewDeps = Pick<PreviewDeps, 'limit' | 'signal' | 'format'> &
  Pick<DatabaseDeps, 'fill' | 'credential'>

type ChecksDeps = Pick<DatabaseDeps, 'fill' | 'credential'>

export const databaseKind: Required<
  SourceKind<DatabaseSource, DatabaseTasksDeps, TaskContext, TaskOutcome, DatabasePreviewDeps, ChecksDeps>
> = {
  config: databaseConfig,
  questions: databaseQuestions,
  createTasks: createDatabaseTasks,
  preview: previewDatabase,
  checks: (source, { fill, credential }) => [
    { name: `database ${source.name}`, run: (signal) => checkDatabase(source, { fill, credential, signal }) },
  ],
}

/** An error of one table that says nothing about the others. */
const OF_ONE_TABLE: ReadonlySet<string> = new Set([
  'DATABASE_CURSOR_UNUSABLE',
  'DATABASE_NO_TABLES',
  'DATABASE_SPLIT_UNUSABLE',
  'DATABASE_TABLE_MISSING',
  'DATABASE_TABLE_UNUSABLE',
])

/** Checks that a source's database has the declared tables and columns. Exported for tests. */
export async function checkDatabase(
  source: DatabaseSource,
  deps: DatabaseDeps,
): Promise<string | { readonly outcome: 'problem'; readonly detail: string }> {
  return await withDatabase(source, deps, async (database) => {
    const tables = new Set<string>()
    const problems: string[] = []
    const look = async (find: () => Promise<readonly TableName[]>) => {
      try {
        for (const table of await find()) tables.add(fullName(table))
      } catch (error) {
        if (!(error instanceof PipelineError) || !OF_ONE_TABLE.has(error.code)) throw error
        problems.push(error.message)
      }
    }
    await look(() => listWanted(source, database))
    for (const dataset of source.datasets) await look(() => checkTable(database, source, dataset))
    if (problems.length === 0) return `answers; ${tables.size} tables to copy are to be seen`
    const [first = '', ...others] = problems
    const list = problems.map((problem) => `\n    ${problem}`).join('')
    return { outcome: 'problem', detail: others.length === 0 ? first : `${problems.length} things to fix:${list}` }
  })
}

async function checkTable(
  database: SourceDatabase,
  source: DatabaseSource,
  { table, incremental, split = source.split }: DatabaseDataset,
): Promise<readonly TableName[]> {
  const described = await database.describe(table)
  if (incremental !== undefined) {
    watermarkOf(database.place, described, [incremental.column, ...(incremental.orColumns ?? [])])
  }
  splitColumn(database.place, described, split)
  return [table]
}

async function previewDatabase(
  { source }: SourceInPipeline<DatabaseSource>,
  name: string,
  { limit, format, ...deps }: DatabasePreviewDeps,
): Promise<Sample> {
  const dataset = source.datasets.find((each) => each.name === name)
  if (dataset === undefined) throw new RangeError(`expected a dataset ${name}`)
  return await withDatabase(source, deps, async (database) => {
    const table = await database.describe(dataset.table)
    const { columns, primaryKey } = table
    await using snapshot = await database.snapshot()
    const rows: SourceRow[] = []
    for await (const batch of snapshot.rows(table)) {
      rows.push(...batch.slice(0, limit - rows.length + 1))
      if (rows.length > limit) break
    }
    return {
      facts: [['table', `${fullName(dataset.table)}, ${format.count(columns.length)} columns`]],
      columns: columns.map(({ name: column, type, sourceType, nullable }) => ({
        name: column,
        type,
        sourceType,
        isNeverNull: !nullable,
      })),
      rows: rows.slice(0, limit).map((row) => row.map((value, index) => shownOf(columns[index], value))),
      isAll: rows.length <= limit,
      primaryKey,
    }
  })
}

function shownOf({ shown }: Partial<SourceColumn> = {}, value: string | null): string | null {
  return value === null || shown === undefined ? value : shown(value)
}
