import { parseWindow, windowAt, type Calendar, type WindowLength } from '@cinelake/core'

const DIGITS: Readonly<Record<string, string>> = {
  yyyy: String.raw`(?<yyyy>\d{4})`,
  MM: String.raw`(?<MM>\d{2})`,
  dd: String.raw`(?<dd>\d{2})`,
  HH: String.raw`(?<HH>\d{2})`,
}

/**
 * The label of the window that a file belongs to by the time in its name; undefined where it has none.
 * @param files the dataset's pattern, which the name matches
 */
export function windowOfName(files: string, name: string, calendar: Calendar): string | undefined {
  const time = /\{yyyy\}.*\{(?:yyyy|MM|dd|HH)\}|\{yyyy\}/.exec(files)?.[0]
  if (time === undefined) return undefined
  const seen = new Set<string>()
  const expression = time.split(/(\{\w+\}|\*+)/).map((part) => {
    const digits = DIGITS[part.slice(1, -1)]
    if (digits === undefined) return part.startsWith('*') ? '.*' : escaped(part)
    // The same part again is the same time again.
    if (seen.has(part)) return String.raw`\d+`
    seen.add(part)
    return digits
  })
  const found = new RegExp(expression.join('')).exec(name)?.groups
  if (found === undefined) return undefined
  const { yyyy, MM = '01', dd, HH } = found
  const every: WindowLength = HH !== undefined ? 'hour' : dd === undefined ? 'month' : 'day'
  const label = `${yyyy}-${MM}${dd === undefined ? '' : `-${dd}`}${HH === undefined ? '' : `T${HH}`}`
  const start = parseWindow({ every, timeZone: calendar.timeZone }, label)?.start
  return start === undefined ? undefined : windowAt(calendar, new Date(start)).label
}

const escaped = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
