import type { TaskContext, TaskOutcome } from '@cinelake/bus'
import type { SourceKind } from '@cinelake/source-kind'
import { checkDatabase } from './check-database.ts'
import { databaseConfig, type DatabaseSource } from './config/index.ts'
import { databaseQuestions } from './config/questions.ts'
import { createDatabaseTasks, type DatabaseTasksDeps } from './database-tasks.ts'
import { previewDatabase, type DatabasePreviewDeps } from './preview.ts'
import type { DatabaseDeps } from './with-database.ts'

type ChecksDeps = Pick<DatabaseDeps, 'fill' | 'credential'>

/** Tables of a database. */
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
