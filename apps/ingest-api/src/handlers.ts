import type { TaskHandlers } from '@cinelake/bus'
import { sourceHandlers } from '@cinelake/pipeline'
import { createPushTasks } from '@cinelake/source-push'
import { createRestTasks, type RestTasksDeps } from '@cinelake/source-rest'

export type IngestApiDeps = RestTasksDeps

/** The work of the service that lands REST APIs, and what was pushed, in raw. */
export function createIngestApiHandlers(deps: IngestApiDeps): TaskHandlers {
  return sourceHandlers(deps.lake, { rest: createRestTasks(deps), push: createPushTasks(deps) })
}
