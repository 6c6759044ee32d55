import type { Ingest } from '@cinelake/contracts'
import { parseWindow } from '@cinelake/core'
import type { PipelineOfSource } from '@cinelake/source-kind'

/**
 * Where an incremental read begins. Merged rows may be read twice, so that a window goes on where the last one that
 * succeeded ended. Appended rows would count twice then, as soon as a window is done after a later one: each window has
 * exactly its own, and the schedule's first one also what was before.
 */
export function sinceOf(
  { datasets, schedule }: Pick<PipelineOfSource, 'datasets' | 'schedule'>,
  { source, dataset, since, window }: Pick<Ingest, 'source' | 'dataset' | 'since' | 'window'>,
): string | null {
  const target = datasets.find((one) => one.source === source && one.sourceDataset === dataset)
  if (target?.mode !== 'append') return since
  const first = parseWindow(schedule, schedule.start)
  return first !== undefined && Date.parse(first.start) === Date.parse(window.start) ? null : window.start
}
