import { packageFormatOf, WORKBOOK } from '@cinelake/csv'
import type { LandedFile } from '@cinelake/contracts'
import { CancelledError } from '@cinelake/core'
import { createReadStream, createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { constants, crc32, createGunzip, createZstdDecompress } from 'node:zlib'
import { getFileNameLowLevel, openPromise, type Entry, type ZipFile } from 'yauzl'
import { PackedFileError, refineErrors, UnpackedTooLargeError } from '../refine/errors.ts'
import type { UnpackLimits } from './unpack-settings.ts'

/** A file to read: a landed one, or one that was unpacked from it. */
export type UnpackedFile = {
  /** As received; a member of an archive is named `archive.zip/member.csv`. */
  readonly name: string
  /** Absolute path. */
  readonly file: string
}

type Packed = {
  readonly landed: Pick<LandedFile, 'name' | 'compression' | 'sizeBytes'>
  /** Absolute path of the landed bytes. */
  readonly file: string
  /** Scratch folder for one unpacked file at a time. */
  readonly directory: string
  readonly limits: UnpackLimits
  readonly signal: AbortSignal
}

/** Members of an archive that are listed, which is done in memory. */
const MAX_MEMBERS = 100_000

/**
 * The files in a landed file, one after the other: the file itself, the content of a gzip or zstd file, or each member of a zip
 * archive in order of name; but a workbook is one file, as it is. An unpacked file exists until the next one is requested, and is verified against the
 * checksum of the archive. Folders and metadata files of desktop systems are skipped.
 *
 * @throws {PackedFileError} terminal
 * @throws {REFINE_FILE_FORMAT} terminal: the archive is one document that is not read, such as a Word one
 * @throws {UnpackedTooLargeError} terminal: the unpacked size, over all members, exceeds the limit
 */
export async function* unpack(packed: Packed): AsyncGenerator<UnpackedFile> {
  const { landed, file, directory, signal } = packed
  if (landed.compression === undefined) {
    yield { name: landed.name, file }
    return
  }
  const unpacked = join(directory, 'unpacked.csv')
  const meter = new Meter(packed)
  try {
    if (landed.compression === 'zip') yield* members(packed, unpacked, meter)
    else {
      // A window of at most 128 MiB, as zstd itself allows by default; without it 2 GiB may be asked for.
      const content =
        landed.compression === 'zstd'
          ? createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: 27 } })
          : createGunzip({ finishFlush: constants.Z_FINISH })
      await told(landed.name, signal, () =>
        pipeline(createReadStream(file), content, meter.counted, createWriteStream(unpacked), { signal }),
      )
      yield { name: landed.name, file: unpacked }
    }
  } finally {
    await rm(unpacked, { force: true })
  }
}

/** Counts the unpacked bytes of a file. */
class Meter {
  readonly #packed: Packed
  #unpackedBytes = 0

  constructor(packed: Packed) {
    this.#packed = packed
  }

  readonly counted = async function* (this: Meter, blocks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const block of blocks) {
      this.expect(block.length)
      this.#unpackedBytes += block.length
      yield block
    }
  }.bind(this)

  /** @throws {UnpackedTooLargeError} terminal: so many more bytes exceed the limit */
  expect(bytes: number): void {
    const { landed, limits } = this.#packed
    const unpackedBytes = this.#unpackedBytes + bytes
    if (unpackedBytes <= limits.maxUnpackedBytes) return
    throw new UnpackedTooLargeError(landed.name, landed.sizeBytes, unpackedBytes, limits.maxUnpackedBytes)
  }
}

/** A name in an archive is for display only: it is never used as a path. */
function shownName(entry: EntryOfBytes): string {
  const name = getFileNameLowLevel(entry.generalPurposeBitFlag, entry.fileName, entry.extraFields, false)
  return name.replaceAll(/\p{Cc}/gu, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/**
 * The raw name, as the archive's reader returns it without validation: one invalid name would fail the whole archive.
 */
type EntryOfBytes = Omit<Entry, 'fileName'> & { readonly fileName: Buffer }

export type Member = { readonly entry: Entry; readonly name: string }

async function* members(
  { landed, file, signal }: Packed,
  unpacked: string,
  meter: Meter,
): AsyncGenerator<UnpackedFile> {
  const archive = await told(landed.name, signal, () => openArchive(file))
  try {
    const all = await told(landed.name, signal, () => entriesOf(archive, landed.name))
    const entries = all.filter(({ name }) => isData(name))
    const format = packageFormatOf(all.map(({ name: one }) => one.replaceAll('\\', '/')))
    if (format === WORKBOOK) {
      yield { name: landed.name, file }
      return
    }
    if (format !== undefined) throw refineErrors.REFINE_FILE_FORMAT(landed.name, format)
    if (entries.length === 0) throw new PackedFileError(landed.name, 'an archive with a file in it', 'one without any')
    for (const { entry, name: own } of entries) {
      const name = `${landed.name}/${own}`
      meter.expect(entry.uncompressedSize)
      await told(name, signal, () => extract(archive, entry, { name, unpacked, meter, signal }))
      yield { name, file: unpacked }
    }
  } finally {
    archive.close()
  }
}

/** An archive, to be closed by the caller. */
export async function openArchive(file: string): Promise<ZipFile> {
  return await openPromise(file, { autoClose: false, decodeStrings: false, validateEntrySizes: true })
}

/** The members of an archive in order of name. @throws {PackedFileError} terminal: too many */
export async function entriesOf(archive: ZipFile, file: string): Promise<Member[]> {
  if (archive.entryCount > MAX_MEMBERS)
    throw new PackedFileError(file, `at most ${MAX_MEMBERS} files in an archive`, `${archive.entryCount}`)
  const entries: Member[] = []
  for await (const entry of archive.eachEntry()) {
    entries.push({ entry, name: shownName(entry as unknown as EntryOfBytes) })
  }
  return entries.sort((one, other) => (one.name < other.name ? -1 : 1))
}

/** Folders end in `/`; macOS keeps `__MACOSX/` and names that begin with a dot. */
function isData(name: string): boolean {
  const steps = name.split('/').filter((step) => step !== '.' && step !== '..')
  return !name.endsWith('/') && !steps.some((step) => step.startsWith('.') || step === '__MACOSX')
}

type Extraction = {
  readonly name: string
  readonly unpacked: string
  readonly meter: Meter
  readonly signal: AbortSignal
}

async function extract(archive: ZipFile, entry: Entry, { name, unpacked, meter, signal }: Extraction): Promise<void> {
  const content = await archive.openReadStreamPromise(entry)
  let sum = 0
  const counted = async function* (blocks: AsyncIterable<Buffer>) {
    for await (const block of blocks) {
      sum = crc32(block, sum)
      yield block
    }
  }
  await pipeline(content, meter.counted, counted, createWriteStream(unpacked), { signal })
  if (sum !== entry.crc32) throw new PackedFileError(name, `the checksum ${hex(entry.crc32)}`, hex(sum))
}

const hex = (sum: number) => sum.toString(16).padStart(8, '0')

/** Translates errors of Node and of the archive's reader to this program's errors. */
async function told<T>(name: string, signal: AbortSignal, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (signal.aborted) throw new CancelledError(`unpacking ${name}`, { cause: error })
    if (error instanceof PackedFileError || error instanceof UnpackedTooLargeError || isFromDisk(error)) throw error
    const found = error instanceof Error ? error.message : 'something else'
    throw new PackedFileError(name, 'a whole gzip or zstd file, or a zip archive without a password', found, {
      cause: error,
    })
  }
}

/** A full disk is not a defect of the file. Errors of zlib have a code as well, but no system call. */
function isFromDisk(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error
}
