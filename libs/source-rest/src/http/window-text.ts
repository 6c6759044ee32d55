import type { Window } from '@cinelake/core'

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
  return template.replaceAll(PLACEHOLDER, (_, name: string, format?: string) => textOf(name, format, times))
}

/** A text that is only a number of seconds or milliseconds becomes a number in JSON. */
export function isTimeNumber(template: string): boolean {
  return /^\{(?:window\.(?:start|end)|since|until):unix(?:Ms)?\}$/.test(template)
}

function textOf(name: string, format: string | undefined, { window, since, timeZone }: RequestTimes): string {
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
