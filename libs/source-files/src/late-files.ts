import type { Manifest } from '@cinelake/contracts'
import { type Calendar, type Window, windowAt } from '@cinelake/core'
import type { FilesDataset } from './config/index.ts'
import type { FilePattern } from './file-pattern.ts'
import type { FoundFile } from './places/drop-place.ts'

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

/** A file that arrived after its window had been ingested. */
export type LateFile = { readonly file: FoundFile; readonly window: string }

type Look = {
  /** The manifest of the window's latest ingest; undefined if it was not ingested yet. */
  readonly manifestOf: (window: string) => Promise<Manifest | undefined>
  readonly digestOf: (file: FoundFile) => Promise<string>
}

/**
 * The files of earlier windows that their ingests did not have: new files, and new versions of old ones. A file of a
 * window that has not been ingested is not late: that window's own run takes it.
 */
export async function findLate(
  earlier: ReadonlyMap<string, readonly FoundFile[]>,
  { manifestOf, digestOf }: Look,
): Promise<LateFile[]> {
  const late: LateFile[] = []
  for (const [window, files] of [...earlier].sort(([one], [other]) => (one < other ? -1 : 1))) {
    const manifest = await manifestOf(window)
    if (manifest === undefined) continue
    const known = namesOf(manifest)
    for (const file of files) if (await isNew(file, known, digestOf)) late.push({ file, window })
  }
  return late
}

type Known = ReturnType<typeof namesOf>

function namesOf({ files, leftOut = [] }: Manifest) {
  return {
    // Of several windows with the same name the first counts, as in a search.
    landed: new Map(files.toReversed().map((file) => [file.name, file])),
    leftOut: new Map(leftOut.toReversed().map((file) => [file.name, file])),
  }
}

async function isNew(file: FoundFile, known: Known, digestOf: Look['digestOf']): Promise<boolean> {
  const left = known.leftOut.get(file.name)
  if (left !== undefined) return left.reason === 'unstable' || (left.reason === 'empty' && file.sizeBytes > 0)
  const landed = known.landed.get(file.name)
  if (landed === undefined) return true
  if (landed.sizeBytes !== file.sizeBytes) return true
  // Manifests of earlier releases do not contain modification times.
  if (landed.modifiedAt === undefined || landed.modifiedAt === modifiedAt(file)) return false
  return landed.sha256 !== (await digestOf(file))
}

/** A file's modification time as recorded in a manifest. */
export function modifiedAt({ modifiedMs }: Pick<FoundFile, 'modifiedMs'>): string {
  return new Date(modifiedMs).toISOString()
}
