import type { Ingest } from '@cinelake/contracts'
import { parseWindow } from '@cinelake/core'
import type { Landed } from '@cinelake/lake'
import type { PipelineOfSource } from '@cinelake/source-kind'
import type { RestDataset } from '../config/index.ts'
import type { RequestTimes } from './window-text.ts'

/**
 * The times that a dataset's requests ask for: `[since, until)` of an incremental one.
 *
 * Merged records may come twice, so a window goes on where the last one that succeeded ended, less the overlap. Appended
 * ones would count twice then: each window has exactly its own, and the schedule's first one also what was before.
 */
export function requestTimes(
  { datasets, schedule }: Pick<PipelineOfSource, 'datasets' | 'schedule'>,
  { source, dataset, since, window }: Pick<Ingest, 'source' | 'dataset' | 'since' | 'window'>,
  incremental: RestDataset['incremental'],
): RequestTimes {
  const { timeZone } = schedule
  if (incremental === undefined) return { window, since: null, timeZone }
  const start = incremental.start ?? null
  const target = datasets.find((one) => one.source === source && one.sourceDataset === dataset)
  if (target?.mode === 'append') {
    const first = parseWindow(schedule, schedule.start)
    const isFirst = first !== undefined && Date.parse(first.start) === Date.parse(window.start)
    return { window, since: isFirst ? start : window.start, timeZone }
  }
  return { window, since: since === null ? start : earlier(since, incremental.overlapMs), timeZone }
}

/**
 * The interval that an incremental dataset was asked for, for its manifest.
 * @param kept what the last page told for the next window
 */
export function cursorOf(
  { incremental }: Pick<RestDataset, 'incremental'>,
  { since, window, cursor }: RequestTimes,
  kept: string | undefined,
): Pick<Landed, 'cursor'> {
  if (incremental === undefined) return {}
  if (incremental.cursor === undefined) return { cursor: { column: 'since', since, until: window.end } }
  return { cursor: { kind: 'token', since: cursor ?? null, until: kept ?? cursor ?? null } }
}

function earlier(instant: string, byMs: number): string {
  return byMs === 0 ? instant : `${new Date(Date.parse(instant) - byMs).toISOString().slice(0, 19)}Z`
}
