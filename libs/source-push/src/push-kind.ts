import type { TaskContext, TaskOutcome } from '@cinelake/bus'
import { sourceErrors, type SourceKind, type SourceTasks } from '@cinelake/source-kind'
import { pushConfig, type PushSource } from './config/push-source.ts'
import { pushQuestions } from './config/questions.ts'
import { previewPush, type PushPreviewDeps } from './preview.ts'
import type { Clock, Log } from '@cinelake/core'
import { landOnce, type Lake } from '@cinelake/lake'
import { createLandPushed } from './landing/land-pushed.ts'

/** Data that clients push. */
export const pushKind: SourceKind<PushSource, PushTasksDeps, TaskContext, TaskOutcome, PushPreviewDeps> = {
  config: pushConfig,
  questions: pushQuestions,
  createTasks: createPushTasks,
  preview: previewPush,
}

export type PushTasksDeps = { readonly lake: Lake; readonly clock: Clock; readonly log: Log }

/** The task handler of push sources: lands a window of pushes in raw. Exported for tests. */
export function createPushTasks({
  lake,
  clock,
  log,
}: PushTasksDeps): SourceTasks<PushSource, TaskContext, TaskOutcome> {
  const landPushed = createLandPushed({ lake })
  return {
    async ingest(command, { pipeline, source }, context) {
      if (source.datasets.every(({ name }) => name !== command.dataset))
        throw sourceErrors.INGEST_COMMAND_UNKNOWN(command, 'a dataset of a push source')
      return await landOnce({ lake, clock, log }, command, context, () => landPushed(command, pipeline, context))
    },
  }
}
