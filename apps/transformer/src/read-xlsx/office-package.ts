import { CancelledError, PipelineError } from '@cinelake/core'
import { stat } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import type { Entry, ZipFile } from 'yauzl'
import { entriesOf, openArchive } from '../read-csv/unpack-file.ts'
import type { UnpackLimits } from '../read-csv/unpack-settings.ts'
import { PackedFileError, UnpackedTooLargeError } from '../refine/errors.ts'

type PackedFile = { readonly name: string; readonly file: string; readonly limits: UnpackLimits }

/**
 * The parts of an Office file, which is a zip archive. Parts are checked against their checksums, and their sizes are
 * limited as those of other archives.
 * Source: ECMA-376, part 2
 */
export class OfficePackage {
  readonly #packed: PackedFile
  readonly #archive: ZipFile
  /** By name in small letters, as names are compared. */
  readonly #entries: ReadonlyMap<string, Entry>
  readonly #sizeBytes: number
  readonly #sizes = new Map<string, number>()

  private constructor(packed: PackedFile, archive: ZipFile, entries: ReadonlyMap<string, Entry>, sizeBytes: number) {
    this.#packed = packed
    this.#archive = archive
    this.#entries = entries
    this.#sizeBytes = sizeBytes
  }

  /** @throws {PackedFileError} terminal: the archive is damaged */
  static async open(packed: PackedFile): Promise<OfficePackage> {
    const archive = await openArchive(packed.file).catch((error: unknown) => {
      throw damaged(packed.name, error)
    })
    try {
      const entries = await entriesOf(archive, packed.name)
      const named = entries.map(({ name, entry }) => [partName(name), entry] as const)
      return new OfficePackage(packed, archive, new Map(named), (await stat(packed.file)).size)
    } catch (error) {
      archive.close()
      throw damaged(packed.name, error)
    }
  }

  has(part: string): boolean {
    return this.#entries.has(partName(part))
  }

  /**
   * The bytes of a part.
   * @throws {PackedFileError} terminal: it is not there, or damaged
   * @throws {UnpackedTooLargeError} terminal: with what was read before it exceeds the limit
   */
  async *bytes(part: string, signal: AbortSignal): AsyncGenerator<Buffer> {
    const { name } = this.#packed
    const entry = this.#entries.get(partName(part))
    if (entry === undefined) throw new PackedFileError(name, `a workbook with the part ${part}`, 'one without it')
    this.#expect(part, entry.uncompressedSize)
    let sum = 0
    try {
      for await (const block of await this.#archive.openReadStreamPromise(entry)) {
        if (signal.aborted) throw new CancelledError(`reading ${name}`, { cause: signal.reason })
        const bytes = block as Buffer
        sum = crc32(bytes, sum)
        yield bytes
      }
    } catch (error) {
      throw damaged(`${name}/${part}`, error)
    }
    if (sum !== entry.crc32) throw new PackedFileError(`${name}/${part}`, 'the checksum of the archive', 'another one')
  }

  [Symbol.dispose](): void {
    this.#archive.close()
  }

  /** A part that is read again is not unpacked to more. The archive's reader checks that it has the size it says. */
  #expect(part: string, bytes: number): void {
    const { name, limits } = this.#packed
    this.#sizes.set(partName(part), bytes)
    const unpacked = this.#sizes.values().reduce((sum, size) => sum + size, 0)
    if (unpacked > limits.maxUnpackedBytes)
      throw new UnpackedTooLargeError(name, this.#sizeBytes, unpacked, limits.maxUnpackedBytes)
  }
}

/** Some programs write names with backslashes. */
function partName(name: string): string {
  return name.replaceAll('\\', '/').replace(/^\//, '').toLowerCase()
}

function damaged(name: string, error: unknown): unknown {
  // A full disk is no fault of the file.
  const isOurs = error instanceof PipelineError || (error instanceof Error && 'syscall' in error)
  if (isOurs) return error
  const found = error instanceof Error ? error.message : 'something else'
  return new PackedFileError(name, 'a whole workbook', found, { cause: error })
}
