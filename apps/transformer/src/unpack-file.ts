import type { LandedFile } from '@cinelake/contracts'
import { CancelledError } from '@cinelake/core'
import { createReadStream, createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { constants, crc32, createGunzip } from 'node:zlib'
import { openPromise, type Entry, type ZipFile } from 'yauzl'
import { PackedFileError } from './refine-errors.ts'

/** A file as it is read: what was landed, or what was packed in it. */
export type UnpackedFile = {
  /** As received; a member of an archive is called `archive.zip/member.csv`. */
  readonly name: string
  /** Absolute path. */
  readonly file: string
}

type Packed = {
  readonly landed: Pick<LandedFile, 'name' | 'compression'>
  /** Absolute path of the bytes that were landed. */
  readonly file: string
  /** Scratch, in which one unpacked file at a time is kept. */
  readonly directory: string
  readonly signal: AbortSignal
}

/**
 * What is in a landed file, one after the other: the file itself, the content of a gzip file, or each member of a zip
 * archive in order of name. What is unpacked is there until the next one is asked for, and checked against the checksums
 * that it was packed with. Folders are no files, nor is what only some computer's desktop keeps for itself.
 *
 * @throws {PackedFileError} terminal
 */
export async function* unpack({ landed, file, directory, signal }: Packed): AsyncGenerator<UnpackedFile> {
  if (landed.compression === undefined) {
    yield { name: landed.name, file }
    return
  }
  const unpacked = join(directory, 'unpacked.csv')
  try {
    if (landed.compression === 'zip') yield* members({ landed, file, directory, signal }, unpacked)
    else {
      const content = createGunzip({ finishFlush: constants.Z_FINISH })
      await told(landed.name, signal, () =>
        pipeline(createReadStream(file), content, createWriteStream(unpacked), { signal }),
      )
      yield { name: landed.name, file: unpacked }
    }
  } finally {
    await rm(unpacked, { force: true })
  }
}

async function* members({ landed, file, signal }: Packed, unpacked: string): AsyncGenerator<UnpackedFile> {
  const archive = await told(landed.name, signal, () => openPromise(file, { autoClose: false }))
  try {
    const entries = await told(landed.name, signal, () => entriesOf(archive))
    if (entries.length === 0) throw new PackedFileError(landed.name, 'an archive with a file in it', 'one without any')
    for (const entry of entries) {
      const name = `${landed.name}/${entry.fileName}`
      await told(name, signal, () => extract(archive, entry, { name, unpacked, signal }))
      yield { name, file: unpacked }
    }
  } finally {
    archive.close()
  }
}

async function entriesOf(archive: ZipFile): Promise<Entry[]> {
  const entries: Entry[] = []
  for await (const entry of archive.eachEntry()) if (isData(entry.fileName)) entries.push(entry)
  return entries.sort((one, other) => (one.fileName < other.fileName ? -1 : 1))
}

/** Folders end in `/`; macOS keeps `__MACOSX/` and names that begin with a dot. */
function isData(name: string): boolean {
  return !name.endsWith('/') && !name.split('/').some((step) => step.startsWith('.') || step === '__MACOSX')
}

type Extraction = { readonly name: string; readonly unpacked: string; readonly signal: AbortSignal }

async function extract(archive: ZipFile, entry: Entry, { name, unpacked, signal }: Extraction): Promise<void> {
  const content = await archive.openReadStreamPromise(entry)
  let sum = 0
  const counted = async function* (blocks: AsyncIterable<Buffer>) {
    for await (const block of blocks) {
      sum = crc32(block, sum)
      yield block
    }
  }
  await pipeline(content, counted, createWriteStream(unpacked), { signal })
  if (sum !== entry.crc32) throw new PackedFileError(name, `the checksum ${hex(entry.crc32)}`, hex(sum))
}

const hex = (sum: number) => sum.toString(16).padStart(8, '0')

/** What Node and the archive's reader say is wrong with a file, in the terms of this program. */
async function told<T>(name: string, signal: AbortSignal, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (signal.aborted) throw new CancelledError(`unpacking ${name}`, { cause: error })
    if (error instanceof PackedFileError || isFromDisk(error)) throw error
    const found = error instanceof Error ? error.message : 'something else'
    throw new PackedFileError(name, 'a whole gzip file or zip archive without a password', found, { cause: error })
  }
}

/** A full disk says nothing about the file. Errors of zlib have a code as well, but no system call. */
function isFromDisk(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error
}
