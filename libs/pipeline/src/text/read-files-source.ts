import type { FilesDataset, FilesSource } from '../checked/files-source.ts'
import { durationMs } from './duration.ts'
import { filePatternProblems } from './file-pattern.ts'
import type { FilesDatasetText, FilesSourceText } from './files-source-schema.ts'
import { isAbsolutePath, staysBelow } from './relative-path.ts'
import { siteOf, type SourcePlace } from './source-place.ts'

export function readFilesSource(name: string, source: FilesSourceText, place: SourcePlace): FilesSource {
  const datasets = Object.entries(source.datasets).map(([dataset, details]) =>
    readDataset(dataset, details, { ...place, path: [...place.path, 'datasets', dataset] }),
  )
  return { type: 'files', name, path: source.path, ...siteOf(source), datasets }
}

function readDataset(name: string, details: FilesDatasetText, place: SourcePlace): FilesDataset {
  const { text, path, problems } = place
  const at = (...steps: string[]) => text.at([...path, ...steps])
  for (const { message, remedy } of filePatternProblems(details.files)) problems.error(at('files'), message, remedy)
  checkMissing(details, place)
  checkMarker(details, place)
  checkOnce(details, place)
  checkLate(details, place)
  checkArchive(details, place)
  const { missing, ...onProblem } = details.onProblem ?? {}
  const { windowFrom, once, stable, marker, late, lateFor, afterLanding } = details
  return {
    name,
    files: details.files,
    whenMissing: missing ?? details.whenMissing ?? 'fail',
    ...(windowFrom === undefined ? {} : { windowFrom }),
    ...(once === undefined ? {} : { once }),
    ...(stable === undefined ? {} : { restMs: durationMs(stable) }),
    ...(marker === undefined ? {} : { marker }),
    ...(Object.keys(onProblem).length === 0 ? {} : { onProblem }),
    ...(late === undefined ? {} : { late }),
    ...(lateFor === undefined ? {} : { lateForMs: durationMs(lateFor) }),
    ...(afterLanding === undefined ? {} : { afterLanding }),
  }
}

function checkMissing({ whenMissing, onProblem }: FilesDatasetText, { text, path, problems }: SourcePlace): void {
  const missing = onProblem?.missing
  if (whenMissing === undefined || missing === undefined || whenMissing === missing) return
  problems.error(
    text.at([...path, 'onProblem', 'missing']),
    `\`onProblem.missing: ${missing}\` contradicts \`whenMissing: ${whenMissing}\``,
    'they mean the same: leave one of them out',
  )
}

function checkMarker({ marker }: FilesDatasetText, { text, path, problems }: SourcePlace): void {
  if (marker === undefined) return
  const plain = marker.replaceAll(/\{(?:name|stem)\}/g, 'x')
  if (plain !== '.' && plain !== '..' && !/[/\\{}*?]/.test(plain) && marker !== '{name}') return
  problems.error(
    text.at([...path, 'marker']),
    `the marker '${marker}' is no name of another file`,
    'expected a name without folders, in which `{name}` and `{stem}` (without its last ending) stand for the file, such as `{name}.done`',
  )
}

/** `..` and a drive without a folder depend on where the source's folder, or this program, happens to be. */
function checkArchive({ afterLanding }: FilesDatasetText, { text, path, problems }: SourcePlace): void {
  if (typeof afterLanding !== 'object') return
  const { archive } = afterLanding
  const isPlaced = isAbsolutePath(archive) && !archive.split(/[/\\]/).includes('..')
  if (isPlaced || staysBelow(archive)) return
  problems.error(
    text.at([...path, 'afterLanding', 'archive']),
    `the archive '${archive}' is no folder below the source's \`path\``,
    'expected a folder below it, such as `done`, or an absolute one',
  )
}

/** What was landed late is known by its bytes alone: no window of its own has it. */
function checkOnce({ late, once }: FilesDatasetText, { text, path, problems }: SourcePlace): void {
  if (late !== 'include' || once === true) return
  problems.error(
    text.at([...path, 'late']),
    '`late: include` needs `once: true`: else a late file would land with every window',
    'add `once: true`',
  )
}

/** With the rows of the current window come those of an earlier one: only some ways of refining put them in their place. */
function checkLate({ late, mode = 'snapshot', newestBy = [] }: FilesDatasetText, place: SourcePlace): void {
  if (late !== 'include' || mode === 'append' || (mode === 'merge' && newestBy.length > 0)) return
  place.problems.error(
    place.text.at([...place.path, 'late']),
    mode === 'merge'
      ? '`late: include` needs `newestBy` where rows are merged: else rows of a late file would win over newer ones'
      : '`late: include` would put an old file in the place of the whole table',
    mode === 'merge'
      ? 'name with `newestBy` the columns that say which row is newer'
      : 'use `late: report`, `mode: append`, or `mode: merge` with `newestBy`',
  )
}
