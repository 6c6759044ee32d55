import { type Ingest, type LandedFile, type LeftOutFile, rawFolder } from '@cinelake/contracts'
import { type Lake, landObject, pathProblem, windowFolder } from '@cinelake/lake'
import { createHash } from 'node:crypto'
import type { FilesDataset } from './config/index.ts'
import { FileChangedError, FileForbiddenError, FileLockedError, FileMisnamedError } from './errors.ts'
import { modifiedAt } from './late-files.ts'
import type { DropPlace, FoundFile } from './places/drop-place.ts'
import type { ProcessedFileLedger } from './processed-file-ledger.ts'

/** A file to be landed, with the window that it is late for. */
export type WantedFile = FoundFile & { readonly lateFor?: string }

/** The outcome for a file. `dropped`: a late file that another window has landed meanwhile. */
export type Fate =
  | { readonly kind: 'landed'; readonly file: LandedFile }
  | { readonly kind: 'left-out'; readonly file: LeftOutFile }
  | { readonly kind: 'dropped' }

type LandContext = {
  readonly place: DropPlace
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly lake: Lake
  readonly command: Ingest
  readonly dataset: FilesDataset
  /** The ledger, if bytes land once; undefined if every window lands its own files. */
  readonly claims: ProcessedFileLedger | undefined
  readonly signal: AbortSignal
}

/** Copies one file into raw, byte for byte, unless its dataset says that it is to be skipped. */
export async function landFile(file: WantedFile, place: LandContext): Promise<Fate> {
  try {
    const held = await heldElsewhere(file, place)
    return held ?? { kind: 'landed', file: await copy(file, place) }
  } catch (error) {
    const reason = reasonToLeaveOut(error, place.dataset)
    if (reason === undefined) throw error
    const problem = error instanceof FileMisnamedError ? { problem: error.problem } : {}
    return { kind: 'left-out', file: { name: file.name, reason, ...problem } }
  }
}

async function heldElsewhere(file: WantedFile, { place, now, claims, signal }: LandContext): Promise<Fate | undefined> {
  if (claims === undefined) return undefined
  const read = async () => await digestOf(place, file, signal)
  const sha256 = await claims.digestOf(place.identityOf(file, now()), read, { signal })
  return fateOfHeld(file, sha256, await claims.look(sha256, { signal }))
}

/** How a file is handled whose bytes another window has landed. */
export function fateOfHeld(
  file: { readonly name: string; readonly lateFor?: string | undefined },
  sha256: string,
  found: Awaited<ReturnType<ProcessedFileLedger['look']>>,
): Fate | undefined {
  if (found.holder !== 'elsewhere') return undefined
  if (file.lateFor !== undefined) return { kind: 'dropped' }
  const known = found.landed ? { sha256 } : {}
  return { kind: 'left-out', file: { name: file.name, reason: 'landed-before', ...known } }
}

async function copy(file: WantedFile, { place, lake, command, dataset, signal }: LandContext): Promise<LandedFile> {
  const below = file.lateFor === undefined ? '' : `late-${file.lateFor}/`
  const folder = rawFolder(command.pipeline.name, 'files', command.source, command.dataset)
  const path = `${folder}/${windowFolder(command)}/${below}${file.name}`
  checkName(file, path, command.source)
  let compression: Compression | undefined
  // A file that was complete when it was examined may have been written to while other files landed.
  const asFound = dataset.restMs !== undefined && dataset.restMs > 0
  const content = () =>
    seeingFirst(place.read(file, { signal, asFound }), (first) => {
      compression = compressionOf(first)
    })
  const landed = await landObject(lake, path, content, { signal })
  return {
    path: landed.path,
    name: file.name,
    sizeBytes: landed.sizeBytes,
    sha256: landed.sha256,
    ...(compression === undefined ? {} : { compression }),
    modifiedAt: modifiedAt(file),
    ...(file.lateFor === undefined ? {} : { lateFor: file.lateFor }),
  }
}

/**
 * Checks a file's name, which comes from outside. Names that the lake refuses, or that storage services change silently, are errors.
 * @throws {FileMisnamedError} terminal
 */
function checkName({ name }: WantedFile, path: string, source: string): void {
  // If a name is taken by other bytes, the file gets a folder named after a part of its digest.
  const slash = path.lastIndexOf('/') + 1
  const longest = `${path.slice(0, slash)}${'0'.repeat(16)}/${path.slice(slash)}`
  const problem =
    pathProblem(longest) ??
    (name.split('/').some((step) => step.endsWith('.')) ? 'expected no name that ends with a dot' : undefined)
  if (problem !== undefined) throw new FileMisnamedError(source, name, problem)
}

async function* seeingFirst(
  blocks: AsyncIterable<Uint8Array>,
  see: (first: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  let isFirst = true
  for await (const block of blocks) {
    if (isFirst) see(block)
    isFirst = false
    yield block
  }
}

/** SHA-256 of a file's bytes. */
export async function digestOf(
  place: Pick<DropPlace, 'read'>,
  file: FoundFile,
  signal: AbortSignal | undefined,
): Promise<string> {
  const hash = createHash('sha256')
  for await (const block of place.read(file, { signal })) hash.update(block)
  return hash.digest('hex')
}

function reasonToLeaveOut(error: unknown, { onProblem = {} }: FilesDataset): LeftOutFile['reason'] | undefined {
  if (error instanceof FileMisnamedError) return onProblem.misnamed === 'fail' ? undefined : 'misnamed'
  if (error instanceof FileForbiddenError) return onProblem.forbidden === 'skip' ? 'forbidden' : undefined
  const isUnstable = error instanceof FileChangedError || error instanceof FileLockedError
  return isUnstable && onProblem.unstable === 'skip' ? 'unstable' : undefined
}

/** How a file is compressed, detected by its signature, since names are unreliable. Sources: RFC 1952, 2.3.1; APPNOTE.TXT 4.3.7 and 4.3.16; RFC 8878, 3.1.1 */
const MAGIC: readonly { readonly bytes: readonly number[]; readonly compression: Compression }[] = [
  { bytes: [0x1f, 0x8b, 0x08], compression: 'gzip' },
  { bytes: [0x50, 0x4b, 0x03, 0x04], compression: 'zip' },
  { bytes: [0x50, 0x4b, 0x05, 0x06], compression: 'zip' },
  { bytes: [0x28, 0xb5, 0x2f, 0xfd], compression: 'zstd' },
]

export type Compression = 'gzip' | 'zip' | 'zstd'

/** @param first first bytes of a file: at least four, unless the file is shorter */
export function compressionOf(first: Uint8Array): Compression | undefined {
  return MAGIC.find(({ bytes }) => bytes.every((byte, at) => first[at] === byte))?.compression
}
