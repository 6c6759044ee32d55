import type { TaskContext, TaskOutcome } from '@cinelake/bus'
import { sourceErrors, type SourceKind, type SourceTasks } from '@cinelake/source-kind'
import { restConfig, type RestSource } from './config/index.ts'
import { restQuestions } from './config/questions.ts'
import { previewRest, type RestPreviewDeps } from './preview/preview-rest.ts'
import { landingPath } from '@cinelake/contracts'
import { type Clock, type Log, taskFileName } from '@cinelake/core'
import { type Lake, landOnce, windowFolder } from '@cinelake/lake'
import type { Fill } from '@cinelake/secrets'
import { createTokenCache } from './auth/token-cache.ts'
import { createSourceLimiters, pause } from './http/limiter.ts'
import { createIngestDataset, type IngestDatasetDeps } from './landing/ingest-dataset.ts'
import { removeFolder } from './landing/kept-answers.ts'

/** REST APIs. */
export const restKind: SourceKind<RestSource, RestTasksDeps, TaskContext, TaskOutcome, RestPreviewDeps> = {
  config: restConfig,
  questions: restQuestions,
  createTasks: createRestTasks,
  preview: previewRest,
}

/** Bytes. Far more than a page has, far less than a worker's memory. */
const MAX_BODY_BYTES = 64 * 1024 * 1024

export type RestTasksDeps = {
  readonly lake: Lake
  /** Fills the placeholders of addresses, headers and tokens. */
  readonly fill: Fill
  readonly clock: Clock
  readonly log: Log
} & Partial<Pick<IngestDatasetDeps, 'maxBodyBytes' | 'random' | 'pause' | 'azure' | 'hide' | 'lookup' | 'proxy'>>

/** The task handler of REST sources: lands a dataset's records of a window in raw. */
function createRestTasks(deps: RestTasksDeps): SourceTasks<RestSource, TaskContext, TaskOutcome> {
  const { lake, clock, log } = deps
  const wait = { clock, pause: deps.pause ?? pause }
  const shared = { tokens: createTokenCache(clock), limiterOf: createSourceLimiters(wait) }
  const own = { maxBodyBytes: MAX_BODY_BYTES, random: Math.random, pause, ...shared }
  const ingestDataset = createIngestDataset({ ...own, ...deps })

  return {
    async ingest(command, { pipeline, source }, context) {
      const dataset = source.datasets.find(({ name }) => name === command.dataset)
      if (dataset === undefined) throw sourceErrors.INGEST_COMMAND_UNKNOWN(command, 'a dataset of a REST source')
      const outcome = await landOnce({ lake, clock, log }, command, context, () =>
        ingestDataset(command, { pipeline, source, dataset }, context),
      )
      // Where former versions kept the pages of a landing that they began.
      const folder = landingPath(command.pipeline.name, windowFolder(command), taskFileName(command.task))
      await removeFolder({ lake, log, folder }, context.signal)
      return outcome
    },
  }
}
