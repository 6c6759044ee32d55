import type { TaskContext, TaskOutcome } from '@cinelake/bus'
import type { Ingest, QualityResult } from '@cinelake/contracts'
import type { Clock, Log } from '@cinelake/core'
import { type Lake, landOnce, manifestOf, readManifest } from '@cinelake/lake'
import type { Fill } from '@cinelake/secrets'
import { type SourceKind, type SourceTasks, sourceErrors } from '@cinelake/source-kind'
import { access, constants, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { createArchiveLanded } from './archive-landed.ts'
import { type FilesDataset, type FilesSource, filesConfig } from './config/index.ts'
import { filesQuestions } from './config/questions.ts'
import { parseFilePattern } from './file-pattern.ts'
import { findFiles } from './find-files.ts'
import { type FilesPlace, createIngestFileDrop } from './ingest-file-drop.ts'
import { archiveFolder } from './local-paths.ts'
import { type FilesPreviewDeps, previewFiles } from './preview.ts'

/** Files that arrive in a folder. */
export const filesKind: Required<
  SourceKind<FilesSource, FilesTasksDeps, TaskContext, TaskOutcome, FilesPreviewDeps, { readonly fill: Fill }>
> = {
  config: filesConfig,
  questions: filesQuestions,
  createTasks: createFilesTasks,
  preview: previewFiles,
  checks: (source, { fill }) =>
    source.datasets.map((dataset) => ({
      name: `folder ${source.name}/${dataset.name}`,
      run: (signal) => checkFolder(source, dataset, { fill, signal }),
    })),
}

/** Checks that a dataset's folder may be read, and written to if files are archived after landing. No file is opened. */
async function checkFolder(
  source: FilesSource,
  dataset: FilesDataset,
  { fill, signal }: { readonly fill: Fill; readonly signal: AbortSignal },
): Promise<string | { readonly outcome: 'problem'; readonly detail: string }> {
  const path = await fill(source.path)
  const folder = resolve(path)
  const found = await findFiles({ source: source.name, folder: path }, parseFilePattern(dataset.files), { signal })
  for (const { file } of found.slice(-1)) await access(file, constants.R_OK)
  const { afterLanding = 'leave' } = dataset
  const count = `${folder} may be read; ${found.length} files like ${dataset.files} are there`
  if (afterLanding === 'leave') return count
  const targets = [folder]
  if (typeof afterLanding === 'object') targets.push(archiveFolder(folder, await fill(afterLanding.archive)))
  for (const target of targets) {
    const existing = await nearestThatExists(target)
    const mayWrite = await access(existing, constants.W_OK).then(
      () => true,
      () => false,
    )
    if (mayWrite) continue
    const detail = `${existing} may not be written to: expected so, as files are moved away or deleted after landing; give the agent's account the right to`
    return { outcome: 'problem', detail }
  }
  return `${count}, and may be moved away or deleted`
}

/** An archive folder is created when the first file is archived. */
async function nearestThatExists(folder: string): Promise<string> {
  const isThere = (await stat(folder).catch(() => undefined)) !== undefined
  return isThere || dirname(folder) === folder ? folder : await nearestThatExists(dirname(folder))
}

export type FilesTasksDeps = {
  readonly lake: Lake
  /** Fills the placeholders of paths on this machine. */
  readonly fill: Fill
  readonly clock: Clock
  readonly log: Log
}

/** The task handlers of file sources: land the files of a window in raw, then archive them if the dataset declares it. */
function createFilesTasks({
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
