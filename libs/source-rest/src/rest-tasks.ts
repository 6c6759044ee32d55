import type { TaskContext, TaskOutcome } from '@cinelake/bus'
import { landingPath } from '@cinelake/contracts'
import { taskFileName, type Clock, type Log } from '@cinelake/core'
import { landOnce, windowFolder, type Lake } from '@cinelake/lake'
import { sourceErrors, type SourceTasks } from '@cinelake/source-kind'
import type { Fill } from '@cinelake/secrets'
import type { RestSource } from './config/index.ts'
import { createTokenCache } from './auth/token-cache.ts'
import { createSourceLimiters, pause } from './http/limiter.ts'
import { createIngestDataset, type IngestDatasetDeps } from './landing/ingest-dataset.ts'
import { removeFolder } from './landing/kept-answers.ts'

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
export function createRestTasks(deps: RestTasksDeps): SourceTasks<RestSource, TaskContext, TaskOutcome> {
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
