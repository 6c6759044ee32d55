import type { TaskHandlers } from '@cinelake/bus'
import { sourceHandlers } from '@cinelake/pipeline'
import { pushKind } from '@cinelake/source-push'
import { restKind, type RestTasksDeps } from '@cinelake/source-rest'

export type IngestApiDeps = RestTasksDeps

/** The work of the service that lands REST APIs and pushed data in raw. */
export function createIngestApiHandlers(deps: IngestApiDeps): TaskHandlers {
  return sourceHandlers(deps.lake, { rest: restKind.createTasks(deps), push: pushKind.createTasks(deps) })
}
