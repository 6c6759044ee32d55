import { type Calendar, type Clock, windowAt } from '@cinelake/core'
import { type PreviewDeps, type Sample, type SourceInPipeline, nothing, withFacts } from '@cinelake/source-kind'
import { open } from 'node:fs/promises'
import type { FilesDataset, FilesSource } from './config/index.ts'
import { fileErrors } from './errors.ts'
import { parseFilePattern, recently } from './file-pattern.ts'
import { type Compression, compressionOf } from './land-file.ts'
import type { DropPlace, FoundFile } from './places/drop-place.ts'
import { isMarker } from './places/local-paths.ts'
import { type DropPlaceDeps, inDropPlace } from './places/open.ts'

/** Bytes that are enough to detect compression. */
const HEAD_BYTES = 4

export type FilesPreviewDeps = PreviewDeps &
  DropPlaceDeps & {
    readonly clock: Clock
    /** The data files in a landed file: the file itself, or the entries of an archive. */
    readonly unpack: (
      landed: { readonly name: string; readonly sizeBytes: number; readonly compression?: Compression },
      file: string,
    ) => AsyncIterable<{ readonly name: string; readonly file: string }>
  }

/** The first rows of the newest file of a dataset, with the window of the time in its name. */
export async function previewFiles(
  { pipeline, source }: SourceInPipeline<FilesSource>,
  name: string,
  deps: FilesPreviewDeps,
): Promise<Sample> {
  const { unpack, readCsv, format, limit } = deps
  const dataset = source.datasets.find((each) => each.name === name)
  if (dataset === undefined) throw new RangeError(`expected a dataset ${name}`)
  const found = await inDropPlace(
    { source, dataset },
    deps,
    async (place) => await firstFile(place, { source, dataset, timeZone: pipeline.schedule.timeZone, deps }),
  )
  const { file, sizeBytes, compression, fileCount } = found
  const packed = compression === undefined ? '' : `, ${compression}`
  const facts = [
    ['files', `${format.count(fileCount)} match, of any window`],
    ['read', `${found.name}, ${format.bytes(sizeBytes)}${packed}`],
  ] as const
  const landed = { name: found.name, sizeBytes, ...(compression === undefined ? {} : { compression }) }
  const isNamed = dataset.windowFrom === undefined || dataset.windowFrom === 'name'
  const window = isNamed ? windowOfName(dataset.files, found.name, pipeline.schedule) : undefined
  for await (const unpacked of unpack(landed, file)) {
    const sample = withFacts(facts, await readCsv(unpacked, name, limit))
    return { ...sample, ...(window === undefined ? {} : { window }) }
  }
  throw nothing(`${source.name}/${name}`, 'an archive with a file in it')
}

type FirstFile = {
  readonly name: string
  /** Absolute path. */
  readonly file: string
  readonly sizeBytes: number
  readonly compression: Compression | undefined
  /** Number of files that match the pattern, whatever their window. */
  readonly fileCount: number
}

type Looking = {
  readonly source: FilesSource
  readonly dataset: FilesDataset
  readonly timeZone: string
  readonly deps: FilesPreviewDeps
}

/**
 * The newest non-empty file of a dataset, for previews.
 * @throws {FILES_MISSING} transient: no file matches, or all are empty
 */
async function firstFile(place: DropPlace, { source, dataset, timeZone, deps }: Looking): Promise<FirstFile> {
  const { signal, directory } = deps
  const pattern = parseFilePattern(dataset.files)
  // The task reports files that cannot be landed; for a preview any readable file will do.
  const found = await place.list(pattern, { signal, within: recently(deps.clock, timeZone), onMisnamed: () => {} })
  const { marker } = dataset
  const data = found.filter(({ name }) => {
    const { kind } = pattern.judge(name, timeZone)
    return (kind === 'timed' || kind === 'timeless') && (marker === undefined || !isMarker(name, marker))
  })
  const timeOf = ({ name, modifiedMs }: FoundFile) => {
    const verdict = pattern.judge(name, timeZone)
    return verdict.kind === 'timed' ? Date.parse(verdict.start) : modifiedMs
  }
  const newest = data.filter(({ sizeBytes }) => sizeBytes > 0).sort((one, other) => timeOf(other) - timeOf(one))[0]
  if (newest === undefined) {
    const about = { source: source.name, dataset: dataset.name, folder: place.location, files: pattern.text }
    throw fileErrors.FILES_MISSING({ ...about, window: 'any' })
  }
  const { name, sizeBytes } = newest
  const file = await place.localCopy(newest, directory, { signal })
  return { name, file, sizeBytes, compression: compressionOf(await firstBytes(file)), fileCount: data.length }
}

async function firstBytes(file: string): Promise<Uint8Array> {
  await using handle = await open(file, 'r')
  const { bytesRead, buffer } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0)
  return buffer.subarray(0, bytesRead)
}

/**
 * The label of the window that a file belongs to by the time in its name; undefined if it has none. Exported for tests.
 * @param files the dataset's pattern, which the name matches
 */
export function windowOfName(files: string, name: string, calendar: Calendar): string | undefined {
  const verdict = parseFilePattern(files).judge(name, calendar.timeZone)
  return verdict.kind === 'timed' ? windowAt(calendar, new Date(verdict.start)).label : undefined
}
