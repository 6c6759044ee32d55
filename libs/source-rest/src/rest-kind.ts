import type { TaskContext, TaskOutcome } from '@cinelake/bus'
import type { SourceKind } from '@cinelake/source-kind'
import { restConfig, type RestSource } from './config/index.ts'
import { restQuestions } from './config/questions.ts'
import { previewRest, type RestPreviewDeps } from './preview/preview-rest.ts'
import { createRestTasks, type RestTasksDeps } from './rest-tasks.ts'

/** REST APIs. */
export const restKind: SourceKind<RestSource, RestTasksDeps, TaskContext, TaskOutcome, RestPreviewDeps> = {
  config: restConfig,
  questions: restQuestions,
  createTasks: createRestTasks,
  preview: previewRest,
}
