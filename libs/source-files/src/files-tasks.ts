import type { TaskContext, TaskOutcome } from '@cinelake/bus'
import type { Ingest, QualityResult } from '@cinelake/contracts'
import { type Clock, type Log, systemClock } from '@cinelake/core'
import { type Lake, landOnce, manifestOf, readManifest } from '@cinelake/lake'
import { type SourceKind, type SourceTasks, sourceErrors } from '@cinelake/source-kind'
import { createArchiveLanded } from './archive-landed.ts'
import { type FilesDataset, type FilesSource, filesConfig } from './config/index.ts'
import { filesQuestions } from './config/questions.ts'
import { parseFilePattern, recently } from './file-pattern.ts'
import { type FilesPlace, createIngestFileDrop } from './ingest-file-drop.ts'
import { type DropPlaceDeps, inDropPlace } from './places/open.ts'
import { type FilesPreviewDeps, previewFiles } from './preview.ts'

/** Files that arrive in a folder. */
export const filesKind: Required<
  SourceKind<FilesSource, FilesTasksDeps, TaskContext, TaskOutcome, FilesPreviewDeps, DropPlaceDeps>
> = {
  config: filesConfig,
  questions: filesQuestions,
  createTasks: createFilesTasks,
  preview: previewFiles,
  checks: (source, deps) =>
    source.datasets.map((dataset) => ({
      name: `folder ${source.name}/${dataset.name}`,
      run: (signal) => checkPlace(source, dataset, deps, signal),
    })),
}

/** Checks that a dataset's place may be read, and a folder written to if files are cleared after landing. */
async function checkPlace(
  source: FilesSource,
  dataset: FilesDataset,
  deps: DropPlaceDeps,
  signal: AbortSignal,
): Promise<string | { readonly outcome: 'problem'; readonly detail: string }> {
  return await inDropPlace({ source, dataset }, deps, async (place) => {
    const found = await place.list(parseFilePattern(dataset.files), { signal, within: recently(systemClock, 'UTC') })
    for (const file of found.slice(-1)) for await (const _ of place.read(file, { signal })) break
    const count = `${place.location} may be read; ${found.length} files like ${dataset.files} are there`
    if ((dataset.afterLanding ?? 'leave') === 'leave') return count
    const detail = await place.clearingProblem()
    return detail === undefined ? `${count}, and may be moved away or deleted` : { outcome: 'problem', detail }
  })
}

export type FilesTasksDeps = DropPlaceDeps & {
  readonly lake: Lake
  readonly clock: Clock
  readonly log: Log
}

/** The task handlers of file sources: land the files of a window in raw, then archive them if the dataset declares it. */
function createFilesTasks(deps: FilesTasksDeps): SourceTasks<FilesSource, TaskContext, TaskOutcome> {
  const { lake, clock, log } = deps
  const ingestFileDrop = createIngestFileDrop(deps)
  const clearLanded = createArchiveLanded(deps)

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
