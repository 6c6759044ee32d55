import { windowAt, type Calendar, type Window } from '@cinelake/core'
import type { FilesDataset } from './config/index.ts'
import type { FilePattern } from './file-pattern.ts'
import type { FoundFile } from './find-files.ts'

/** The files of a folder, as one window sees them. */
export type ChosenFiles = {
  /** Those of the window. */
  readonly wanted: readonly FoundFile[]
  /** Those of windows before it that late files are looked for in, by the label of their window. */
  readonly earlier: ReadonlyMap<string, readonly FoundFile[]>
  /** Those whose name says that they are of the dataset, and what is wrong with it. */
  readonly impossible: readonly { readonly name: string; readonly problem: string }[]
  /** Whether files belong to every window. */
  readonly isTimeless: boolean
}

type Rules = {
  readonly pattern: FilePattern
  readonly windowFrom: NonNullable<FilesDataset['windowFrom']>
  readonly calendar: Calendar
  readonly window: Pick<Window, 'start' | 'end'>
  /** How far before the window late files are looked for. */
  readonly lateForMs: number
}

/** Decides to which window each file belongs. The same files give the same answer, whenever it is asked. */
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

/** The instant that decides on a file's window; `every` for a file of all windows, undefined for one of none. */
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
