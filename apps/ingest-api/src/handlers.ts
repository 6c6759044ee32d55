import { setTimeout as sleep } from 'node:timers/promises'
import type { TaskHandlers } from '@cinelake/bus'
import type { Ingest } from '@cinelake/contracts'
import { CancelledError, type Clock, type Log } from '@cinelake/core'
import { landOnce, type Lake } from '@cinelake/lake'
import { loadPipeline, type CheckedPipeline, type RestDataset, type RestSource } from '@cinelake/pipeline'
import type { Fill } from '@cinelake/secrets'
import { CommandUnknownError } from './errors.ts'
import { createIngestDataset, type IngestDatasetDeps } from './ingest-dataset.ts'

/** Bytes. Far more than a page has, far less than a worker's memory. */
const MAX_BODY_BYTES = 64 * 1024 * 1024

export type IngestApiDeps = {
  readonly lake: Lake
  /** Fills the placeholders of addresses, headers and tokens. */
  readonly fill: Fill
  readonly clock: Clock
  readonly log: Log
} & Partial<Pick<IngestDatasetDeps, 'maxBodyBytes' | 'random' | 'pause'>>

/** The work of the service that lands REST APIs in raw. */
export function createIngestApiHandlers(deps: IngestApiDeps): TaskHandlers {
  const { lake, clock, log } = deps
  const ingestDataset = createIngestDataset({ maxBodyBytes: MAX_BODY_BYTES, random: Math.random, pause, ...deps })

  return {
    ingest: (command, context) =>
      landOnce({ lake, clock, log }, command, context, async () => {
        const pipeline = await loadPipeline(lake, command.pipeline, { signal: context.signal })
        return await ingestDataset(command, datasetOf(pipeline, command), context)
      }),
  }
}

function datasetOf(pipeline: CheckedPipeline, command: Ingest): { source: RestSource; dataset: RestDataset } {
  const source = pipeline.sources.find(({ name }) => name === command.source)
  const dataset = source?.type === 'rest' ? source.datasets.find(({ name }) => name === command.dataset) : undefined
  if (source?.type !== 'rest' || dataset === undefined) throw new CommandUnknownError(command)
  return { source, dataset }
}

async function pause(waitMs: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(waitMs, undefined, { signal })
  } catch (error) {
    throw new CancelledError('waiting to repeat a request', { cause: error })
  }
}
