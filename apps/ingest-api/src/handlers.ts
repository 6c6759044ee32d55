import { setTimeout as sleep } from 'node:timers/promises'
import type { TaskHandlers } from '@cinelake/bus'
import type { Ingest } from '@cinelake/contracts'
import { CancelledError, type Clock, type Log } from '@cinelake/core'
import { landOnce, type Lake } from '@cinelake/lake'
import { loadPipeline, type CheckedPipeline, type RestDataset, type RestSource } from '@cinelake/pipeline'
import type { Fill } from '@cinelake/secrets'
import { CommandUnknownError } from './errors.ts'
import { createTokenCache } from './auth/token-cache.ts'
import { createIngestDataset, landingFolder, type IngestDatasetDeps } from './landing/ingest-dataset.ts'
import { removeLanding } from './landing/landed-pages.ts'
import { createLandPushed } from './push/land-pushed.ts'
import { createSourceLimiters } from './requests/source-limiters.ts'

/** Bytes. Far more than a page has, far less than a worker's memory. */
const MAX_BODY_BYTES = 64 * 1024 * 1024

export type IngestApiDeps = {
  readonly lake: Lake
  /** Fills the placeholders of addresses, headers and tokens. */
  readonly fill: Fill
  readonly clock: Clock
  readonly log: Log
} & Partial<Pick<IngestDatasetDeps, 'maxBodyBytes' | 'random' | 'pause' | 'azure' | 'hide' | 'lookup' | 'proxy'>>

/** The work of the service that lands REST APIs, and what was pushed, in raw. */
export function createIngestApiHandlers(deps: IngestApiDeps): TaskHandlers {
  const { lake, clock, log } = deps
  const wait = { clock, pause: deps.pause ?? pause }
  const shared = { tokens: createTokenCache(clock), limiterOf: createSourceLimiters(wait) }
  const own = { maxBodyBytes: MAX_BODY_BYTES, random: Math.random, pause, ...shared }
  const ingestDataset = createIngestDataset({ ...own, ...deps })
  const landPushed = createLandPushed(deps)

  return {
    async ingest(command, context) {
      const outcome = await landOnce({ lake, clock, log }, command, context, async () => {
        const pipeline = await loadPipeline(lake, command.pipeline, { signal: context.signal })
        if (isPushed(pipeline, command)) return await landPushed(command, pipeline, context)
        return await ingestDataset(command, { pipeline, ...datasetOf(pipeline, command) }, context)
      })
      await removeLanding({ lake, log, folder: landingFolder(command) }, context.signal)
      return outcome
    },
  }
}

function datasetOf(pipeline: CheckedPipeline, command: Ingest): { source: RestSource; dataset: RestDataset } {
  const source = pipeline.sources.find(({ name }) => name === command.source)
  const dataset = source?.type === 'rest' ? source.datasets.find(({ name }) => name === command.dataset) : undefined
  if (source?.type !== 'rest' || dataset === undefined) throw new CommandUnknownError(command)
  return { source, dataset }
}

function isPushed(pipeline: CheckedPipeline, command: Ingest): boolean {
  const source = pipeline.sources.find(({ name }) => name === command.source)
  return source?.type === 'push' && source.datasets.some(({ name }) => name === command.dataset)
}

async function pause(waitMs: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(waitMs, undefined, { signal })
  } catch (error) {
    throw new CancelledError('waiting to repeat a request', { cause: error })
  }
}
