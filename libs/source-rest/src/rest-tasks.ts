import { setTimeout as sleep } from 'node:timers/promises'
import type { TaskContext, TaskOutcome } from '@cinelake/bus'
import type { Ingest } from '@cinelake/contracts'
import { CancelledError, type Clock, type Log } from '@cinelake/core'
import { landOnce, type Lake } from '@cinelake/lake'
import { SourceCommandUnknownError, type CheckedPipeline, type SourceTasks } from '@cinelake/pipeline'
import type { Fill } from '@cinelake/secrets'
import { createTokenCache } from './auth/token-cache.ts'
import { createSourceLimiters } from './http/source-limiters.ts'
import {
  createIngestDataset,
  landingFolder,
  type IngestDatasetDeps,
  type IngestTarget,
} from './landing/ingest-dataset.ts'
import { removeLanding } from './landing/landed-pages.ts'

/** Bytes. Far more than a page has, far less than a worker's memory. */
const MAX_BODY_BYTES = 64 * 1024 * 1024

export type RestTasksDeps = {
  readonly lake: Lake
  /** Fills the placeholders of addresses, headers and tokens. */
  readonly fill: Fill
  readonly clock: Clock
  readonly log: Log
} & Partial<Pick<IngestDatasetDeps, 'maxBodyBytes' | 'random' | 'pause' | 'azure' | 'hide' | 'lookup' | 'proxy'>>

/** The work over REST APIs: lands a dataset's records of a window in raw. */
export function createRestTasks(deps: RestTasksDeps): SourceTasks<TaskContext, TaskOutcome> {
  const { lake, clock, log } = deps
  const wait = { clock, pause: deps.pause ?? pause }
  const shared = { tokens: createTokenCache(clock), limiterOf: createSourceLimiters(wait) }
  const own = { maxBodyBytes: MAX_BODY_BYTES, random: Math.random, pause, ...shared }
  const ingestDataset = createIngestDataset({ ...own, ...deps })

  return {
    async ingest(command, pipeline, context) {
      const outcome = await landOnce({ lake, clock, log }, command, context, () =>
        ingestDataset(command, targetOf(pipeline, command), context),
      )
      await removeLanding({ lake, log, folder: landingFolder(command) }, context.signal)
      return outcome
    },
  }
}

function targetOf(pipeline: CheckedPipeline, command: Ingest): IngestTarget {
  const source = pipeline.sources.find(({ name }) => name === command.source)
  const dataset = source?.type === 'rest' ? source.datasets.find(({ name }) => name === command.dataset) : undefined
  if (source?.type !== 'rest' || dataset === undefined)
    throw new SourceCommandUnknownError(command, 'a dataset of a REST source')
  return { pipeline, source, dataset }
}

/** @throws {CancelledError} the signal was aborted */
export async function pause(waitMs: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(waitMs, undefined, { signal })
  } catch (error) {
    throw new CancelledError('waiting to repeat a request', { cause: error })
  }
}
