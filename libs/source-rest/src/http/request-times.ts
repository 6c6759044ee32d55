import type { Ingest } from '@cinelake/contracts'
import { parseWindow, type Window } from '@cinelake/core'
import type { Landed } from '@cinelake/lake'
import type { PipelineOfSource } from '@cinelake/source-kind'
import type { RestDataset } from '../config/index.ts'

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

/** The values of a request's placeholders. */
export type RequestTimes = {
  readonly window: Window
  /** Start of an incremental request; null the first time. */
  readonly since: string | null
  /** The cursor that the API returned at the end of the last successful window, if that is used instead. */
  readonly cursor?: string | undefined
  /** The time zone of dates: the schedule's. */
  readonly timeZone: string
}

const PLACEHOLDER = /\{(window\.(?:start|end|date|lastDate|label)|since|until)(?::([^{}]+))?\}/g

/**
 * A text with the window's placeholders filled; undefined if it contains `{since}` and there is no value for it yet.
 * Formats: `unix`, `unixMs`, and `yyyy`, `MM`, `dd`, `HH`, `mm`, `ss` in the schedule's zone, or in UTC after `utc `.
 */
export function fillTimes(template: string, times: RequestTimes): string | undefined {
  if (times.since === null && /\{since(?::[^{}]*)?\}/.test(template)) return undefined
  return template.replaceAll(PLACEHOLDER, (_, name: string, format?: string) => timeText(name, format, times))
}

/** A text that is only a number of seconds or milliseconds becomes a number in JSON. */
export function isTimeNumber(template: string): boolean {
  return /^\{(?:window\.(?:start|end)|since|until):unix(?:Ms)?\}$/.test(template)
}

function timeText(name: string, format: string | undefined, { window, since, timeZone }: RequestTimes): string {
  if (name === 'window.label') return window.label
  if (name === 'window.date') return formatted(new Date(window.start), 'yyyy-MM-dd', timeZone)
  // The window's end is exclusive; its last second is included.
  if (name === 'window.lastDate') return formatted(new Date(Date.parse(window.end) - 1000), 'yyyy-MM-dd', timeZone)
  const instant = name === 'window.start' ? window.start : name === 'since' ? (since ?? '') : window.end
  if (format === undefined) return instant
  const date = new Date(instant)
  if (format === 'unix') return String(Math.floor(date.getTime() / 1000))
  if (format === 'unixMs') return String(date.getTime())
  return format.startsWith('utc ') ? formatted(date, format.slice(4), 'UTC') : formatted(date, format, timeZone)
}

function formatted(date: Date, format: string, timeZone: string): string {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'iso8601',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  }).formatToParts(date)
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.find((one) => one.type === type)?.value ?? ''
  const values: Readonly<Record<string, string>> = {
    yyyy: part('year').padStart(4, '0'),
    MM: part('month').padStart(2, '0'),
    dd: part('day').padStart(2, '0'),
    HH: part('hour').padStart(2, '0'),
    mm: part('minute').padStart(2, '0'),
    ss: part('second').padStart(2, '0'),
  }
  return format.replaceAll(/yyyy|MM|dd|HH|mm|ss/g, (field) => values[field] ?? field)
}
