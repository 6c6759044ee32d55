import { windowAt, type Calendar } from '@cinelake/core'
import { parseFilePattern } from '@cinelake/source-files'

/**
 * The label of the window that a file belongs to by the time in its name; undefined where it has none.
 * @param files the dataset's pattern, which the name matches
 */
export function windowOfName(files: string, name: string, calendar: Calendar): string | undefined {
  const verdict = parseFilePattern(files).judge(name, calendar.timeZone)
  return verdict.kind === 'timed' ? windowAt(calendar, new Date(verdict.start)).label : undefined
}
