import type { TaskContext, TaskOutcome } from '@cinelake/bus'
import type { SourceKind } from '@cinelake/source-kind'
import { pushConfig, type PushSource } from './config/index.ts'
import { pushQuestions } from './config/questions.ts'
import { previewPush, type PushPreviewDeps } from './preview.ts'
import { createPushTasks, type PushTasksDeps } from './push-tasks.ts'

/** Data that clients push. */
export const pushKind: SourceKind<PushSource, PushTasksDeps, TaskContext, TaskOutcome, PushPreviewDeps> = {
  config: pushConfig,
  questions: pushQuestions,
  createTasks: createPushTasks,
  preview: previewPush,
}
