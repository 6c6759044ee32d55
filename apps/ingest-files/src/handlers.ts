import type { TaskHandlers } from '@cinelake/bus'
import { sourceHandlers, withIncludedNames } from '@cinelake/pipeline'
import { databaseKind, type DatabaseTasksDeps } from '@cinelake/source-database'
import { filesKind, type FilesTasksDeps } from '@cinelake/source-files'

export type IngestFilesDeps = FilesTasksDeps & DatabaseTasksDeps

/** The work of the on-prem agent: lands files and tables in raw, and lists the tables of a database. */
export function createIngestFilesHandlers(deps: IngestFilesDeps): TaskHandlers {
  const kinds = { files: filesKind.createTasks(deps), database: databaseKind.createTasks(deps) }
  const { ingest, discover } = sourceHandlers(deps.lake, kinds)
  return { ingest, ...(discover && { discover: withIncludedNames(deps.lake, discover) }) }
}
