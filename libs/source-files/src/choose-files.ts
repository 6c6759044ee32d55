import { windowAt, type Calendar, type Window } from '@cinelake/core'
import type { FilesDataset } from './config/index.ts'
import type { FilePattern } from './file-pattern.ts'
import type { FoundFile } from './find-files.ts'

/** The files of a folder, from the point of view of one window. */
export type ChosenFiles = {
  /** Files of the window. */
  readonly wanted: readonly FoundFile[]
  /** Files of earlier windows that are searched for late files, by the label of their window. */
  readonly earlier: ReadonlyMap<string, readonly FoundFile[]>
  /** Files whose name matches the dataset's pattern but has an invalid time, with the reason. */
  readonly impossible: readonly { readonly name: string; readonly problem: string }[]
  /** Whether every file belongs to every window. */
  readonly isTimeless: boolean
}

type Rules = {
  readonly pattern: FilePattern
  readonly windowFrom: NonNullable<FilesDataset['windowFrom']>
  readonly calendar: Calendar
  readonly window: Pick<Window, 'start' | 'end'>
  /** How far before the window late files are searched for. */
  readonly lateForMs: number
}

/** Assigns each file to a window. Deterministic: the same files give the same result at any time. */
export function chooseFiles(found: readonly FoundFile[], rules: Rules): ChosenFiles {
  const { pattern, calendar, window, lateForMs } = rules
  const start = Date.parse(window.start)
  const end = Date.parse(window.end)
  const wanted: FoundFile[] = []
  const earlier = new Map<string, FoundFile[]>()
  const impossible: { name: string; problem: string }[] = []
  let isTimeless = false
  for (const file of found) {
    const verdict = pattern.judge(file.name, calendar.timeZone)
    if (verdict.kind === 'impossible') impossible.push({ name: file.name, problem: verdict.problem })
    const at = instantOf(file, verdict, rules.windowFrom)
    if (at === undefined) continue
    if (at === 'every') isTimeless = true
    if (at === 'every' || (start <= at && at < end)) wanted.push(file)
    else if (at < start && at >= start - lateForMs) {
      const { label } = windowAt(calendar, new Date(at))
      const known = earlier.get(label)
      if (known === undefined) earlier.set(label, [file])
      else known.push(file)
    }
  }
  return { wanted, earlier, impossible, isTimeless }
}

/** The instant that decides on a file's window; `every` for a file of all windows, undefined for a file of none. */
function instantOf(
  { modifiedMs, changedMs }: FoundFile,
  verdict: ReturnType<FilePattern['judge']>,
  windowFrom: Rules['windowFrom'],
): number | 'every' | undefined {
  if (verdict.kind === 'other') return undefined
  if (windowFrom === 'modified') return modifiedMs
  if (windowFrom === 'arrival') return changedMs
  if (verdict.kind === 'timeless') return 'every'
  return verdict.kind === 'timed' ? Date.parse(verdict.start) : undefined
}
