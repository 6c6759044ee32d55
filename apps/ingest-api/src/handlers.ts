import { setTimeout as sleep } from 'node:timers/promises'
import type { TaskHandlers } from '@cinelake/bus'
import type { Ingest } from '@cinelake/contracts'
import { CancelledError, type Clock, type Log } from '@cinelake/core'
import { commitManifest, manifestOf, outcomeOf, readManifest, type Lake } from '@cinelake/lake'
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
    async ingest(command, context) {
      const path = manifestOf(command)
      const options = { signal: context.signal }
      const before = await readManifest(lake, path, options)
      if (before !== undefined) {
        log.info({ task: command.task, manifest: path }, 'landed already')
        return outcomeOf(before, path)
      }
      const started = clock().getTime()
      const place = datasetOf(await loadPipeline(lake, command.pipeline, options), command)
      const landed = await ingestDataset(command, place, context)
      const { run, task, generation, source, dataset, window } = command
      const manifest = await commitManifest(
        lake,
        path,
        { version: 1, run, task, generation, source, dataset, window, ...landed },
        options,
      )
      const outcome = outcomeOf(manifest, path)
      const { fileCount, sizeBytes, rowCount } = outcome.output
      log.info({ task, fileCount, sizeBytes, rowCount, durationMs: clock().getTime() - started }, 'landed')
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

async function pause(waitMs: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(waitMs, undefined, { signal })
  } catch (error) {
    throw new CancelledError('waiting to repeat a request', { cause: error })
  }
}
