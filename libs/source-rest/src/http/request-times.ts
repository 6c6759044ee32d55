import type { Ingest } from '@cinelake/contracts'
import { parseWindow } from '@cinelake/core'
import type { Landed } from '@cinelake/lake'
import type { PipelineOfSource } from '@cinelake/source-kind'
import type { RestDataset } from '../config/index.ts'
import type { RequestTimes } from './window-text.ts'

/**
 * The interval that a dataset's requests cover: `[since, until)` of an incremental one.
 *
 * Merged records may be read twice, so a window starts where the last successful one ended, less the overlap. Appended
 * records would then be counted twice: each window has exactly its own interval, and the schedule's first one also everything before.
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
 * The interval that an incremental dataset was requested for, for its manifest.
 * @param kept the cursor on the last page for the next window
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
