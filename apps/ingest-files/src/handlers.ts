import type { TaskHandlers } from '@cinelake/bus'
import { sourceHandlers } from '@cinelake/pipeline'
import { createDatabaseTasks, type DatabaseTasksDeps } from '@cinelake/source-database'
import { createFilesTasks, type FilesTasksDeps } from '@cinelake/source-files'

export type IngestFilesDeps = FilesTasksDeps & DatabaseTasksDeps

/** The work of the on-prem agent: lands files and tables in raw, and lists the tables of a database. */
export function createIngestFilesHandlers(deps: IngestFilesDeps): TaskHandlers {
  return sourceHandlers(deps.lake, { files: createFilesTasks(deps), database: createDatabaseTasks(deps) })
}
