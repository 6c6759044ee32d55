import { manifestPath, type Ingest, type Manifest } from '@cinelake/contracts'
import { defineErrors, taskFileName, terminal, WINDOW_LENGTHS, windowAt, type Calendar } from '@cinelake/core'
import { newestManifest } from './newest-manifest.ts'
import type { CallOptions, Lake } from '../lake.ts'

const manifestErrors = defineErrors({
  /**
   * The manifest of a successful window is missing, and with it the position that its source was read up to.
   * @param path in the lake @param window that was to resume from it
   */
  RAW_MANIFEST_LOST: terminal(
    (task: string, path: string, { before, window }: { readonly before: string; readonly window: string }) => [
      `how far the window before was read is not known any more [task=${task} file=${path}]: expected the manifest of ${before}, which succeeded, got no such object in the lake; nothing was read: ` +
        `put it back from a copy, or read everything again: \`cinelake run DIR --window ${window} --again\` (DIR is the folder of the pipeline; the same where the schedule was given another time zone)`,
      { task, file: path, window },
    ],
  ),
})

type After = Pick<Ingest, 'pipeline' | 'task' | 'since' | 'generation' | 'window'>

/**
 * The landing of the last successful window, of its newest generation: the same for every attempt at a window. Its
 * length may differ from that of current windows: a schedule may change. Undefined the first time, and where it is
 * missing and the window is re-run deliberately, which reads from the start.
 * @throws {RAW_MANIFEST_LOST} terminal
 */
export async function manifestBefore(
  lake: Pick<Lake, 'list' | 'readText'>,
  { pipeline, task, since, generation, window }: After,
  schedule: Calendar,
  options?: CallOptions,
): Promise<Manifest | undefined> {
  if (since === null) return undefined
  const labelOf = (every: Calendar['every']) => windowAt({ ...schedule, every }, new Date(Date.parse(since) - 1)).label
  const label = labelOf(schedule.every)
  const found = await newestManifest(lake, { pipeline: pipeline.name, label, task }, options)
  if (found !== undefined) return found
  for (const every of WINDOW_LENGTHS) {
    if (every === schedule.every) continue
    const other = await newestManifest(lake, { pipeline: pipeline.name, label: labelOf(every), task }, options)
    if (other !== undefined && Date.parse(other.window.end) === Date.parse(since)) return other
  }
  if (generation > 1) return undefined
  const path = manifestPath(pipeline.name, label, taskFileName(task), 1)
  throw manifestErrors.RAW_MANIFEST_LOST(task, path, { before: label, window: window.label })
}
