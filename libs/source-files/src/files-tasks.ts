import type { TaskContext, TaskOutcome } from '@cinelake/bus'
import type { Ingest, QualityResult } from '@cinelake/contracts'
import type { Clock, Log } from '@cinelake/core'
import { landOnce, manifestOf, readManifest, type Lake } from '@cinelake/lake'
import { sourceErrors, type SourceTasks } from '@cinelake/source-kind'
import type { Fill } from '@cinelake/secrets'
import type { FilesSource } from './config/index.ts'
import { createArchiveLanded } from './archive-landed.ts'
import { createIngestFileDrop, type FilesPlace } from './ingest-file-drop.ts'

export type FilesTasksDeps = {
  readonly lake: Lake
  /** Fills the placeholders of paths on this machine. */
  readonly fill: Fill
  readonly clock: Clock
  readonly log: Log
}

/** The task handlers of file sources: land the files of a window in raw, then archive them if the dataset declares it. */
export function createFilesTasks({
  lake,
  fill,
  clock,
  log,
}: FilesTasksDeps): SourceTasks<FilesSource, TaskContext, TaskOutcome> {
  const ingestFileDrop = createIngestFileDrop({ lake, fill, clock, log })
  const clearLanded = createArchiveLanded({ fill, log })

  /** Archives files that have landed: also those of an attempt that died before it could. */
  const clear = async (command: Ingest, place: FilesPlace, signal: AbortSignal): Promise<QualityResult[]> => {
    if ((place.dataset.afterLanding ?? 'leave') === 'leave') return []
    const manifest = await readManifest(lake, manifestOf(command), { signal })
    if (manifest === undefined) return []
    const failed = await clearLanded(command, place, manifest, signal)
    if (failed.length === 0) return []
    const detail = `landed, and could not be moved away or deleted: ${failed.slice(0, 5).join(', ')}; give the agent the right to`
    return [
      { rule: 'file_not_cleared', severity: 'warn', checked: manifest.files.length, failed: failed.length, detail },
    ]
  }

  return {
    async ingest(command, { pipeline, source }, context) {
      const dataset = source.datasets.find(({ name }) => name === command.dataset)
      if (dataset === undefined) throw sourceErrors.INGEST_COMMAND_UNKNOWN(command, 'a dataset of files')
      const place = { source, dataset, calendar: pipeline.schedule }
      const outcome = await landOnce({ lake, clock, log }, command, context, () =>
        ingestFileDrop(command, place, context),
      )
      const { quality = [] } = outcome
      return { ...outcome, quality: [...quality, ...(await clear(command, place, context.signal))] }
    },
  }
}
