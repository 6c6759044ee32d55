import { isTimeZone } from '@cinelake/core'

/** Times of the day in which an agent takes work, in its own time zone. */
export type OperatingHours = {
  /** The setting as written. */
  readonly text: string
  readonly timeZone: string
  readonly includes: (instant: Date) => boolean
}

/** Minutes since midnight. `[from, to)`; spans midnight where `from` is the later one. */
type Stretch = { readonly from: number; readonly to: number }

/**
 * Parses `22:00-06:00`, or several such ranges separated by commas. Local time counts: where the clock changes, a night
 * is an hour shorter or longer.
 * @returns a description of the problem where the text is invalid
 */
export function readOperatingHours(text: string, timeZone: string): OperatingHours | { readonly problem: string } {
  if (!isTimeZone(timeZone)) return { problem: 'expected a time zone by its IANA name, such as Europe/Berlin' }
  const stretches: Stretch[] = []
  for (const part of text.split(',')) {
    const stretch = readStretch(part.trim())
    if (stretch === undefined) {
      return { problem: 'expected hours such as 22:00-06:00, or several with commas between them' }
    }
    stretches.push(stretch)
  }
  const wall = new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
  return {
    text,
    timeZone,
    includes(instant) {
      const minute = minuteOf(wall.format(instant)) ?? 0
      return stretches.some(({ from, to }) =>
        from < to ? from <= minute && minute < to : from <= minute || minute < to,
      )
    },
  }
}

function readStretch(text: string): Stretch | undefined {
  const [first = '', second = '', ...rest] = text.split('-')
  const [from, to] = [minuteOf(first), second === '24:00' ? 24 * 60 : minuteOf(second)]
  if (from === undefined || to === undefined || from === to || rest.length > 0) return undefined
  return { from, to }
}

function minuteOf(text: string): number | undefined {
  const [, hours, minutes] = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(text) ?? []
  return hours === undefined || minutes === undefined ? undefined : Number(hours) * 60 + Number(minutes)
}
