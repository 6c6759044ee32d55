import { open } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { FilesDataset, FilesSource } from './config/index.ts'
import type { Fill } from '@cinelake/secrets'
import { compressionOf, type Compression } from './compression.ts'
import { FilesMissingError } from './errors.ts'
import { parseFilePattern } from './file-pattern.ts'
import { findFiles, type FoundFile } from './find-files.ts'
import { isMarker } from './local-paths.ts'

/** Bytes that say whether a file is packed. */
const HEAD_BYTES = 4

export type FirstFile = {
  readonly name: string
  /** Absolute path. */
  readonly file: string
  readonly sizeBytes: number
  readonly compression: Compression | undefined
  /** Files that match the pattern, whatever their window. */
  readonly fileCount: number
}

/**
 * The newest file of a dataset that has something in it, for looking at what the dataset is like.
 * @throws {FilesMissingError} transient: none matches, or all are empty
 */
export async function firstFile(
  source: FilesSource,
  dataset: FilesDataset,
  { fill, timeZone, signal }: { readonly fill: Fill; readonly timeZone: string; readonly signal: AbortSignal },
): Promise<FirstFile> {
  const folder = await fill(source.path)
  const pattern = parseFilePattern(dataset.files)
  // What is landed is said by the task; here any file that can be will do.
  const found = await findFiles({ source: source.name, folder }, pattern, { signal, onMisnamed: () => {} })
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
    const about = { source: source.name, dataset: dataset.name, folder: resolve(folder), files: pattern.text }
    throw new FilesMissingError({ ...about, window: 'any' })
  }
  const { name, file, sizeBytes } = newest
  return { name, file, sizeBytes, compression: compressionOf(await firstBytes(file)), fileCount: data.length }
}

async function firstBytes(file: string): Promise<Uint8Array> {
  await using handle = await open(file, 'r')
  const { bytesRead, buffer } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0)
  return buffer.subarray(0, bytesRead)
}
