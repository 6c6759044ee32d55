import { countLines, RecordScanner, splitFields } from '@cinelake/csv'
import { open, type FileHandle } from 'node:fs/promises'
import { FLAGS, rawText } from './copy.ts'
import type { ReadableCsv } from './readable.ts'

/** A record with its place in the file as received. */
export type LocatedRecord = {
  /** From 0. */
  readonly ordinal: number
  /** Physical line of the record's first byte in the file as received, from 1. */
  readonly line: number
  /** As received and decoded, at most 64 KiB of it. */
  readonly raw: string
}

/** Finds records of a file by their ordinals, reading only the index ranges that contain them. */
export class RecordLocator implements AsyncDisposable {
  readonly #csv: ReadableCsv
  readonly #handle: FileHandle
  readonly #sizeBytes: number
  #buffer = Buffer.alloc(0)

  private constructor(csv: ReadableCsv, handle: FileHandle, sizeBytes: number) {
    this.#csv = csv
    this.#handle = handle
    this.#sizeBytes = sizeBytes
  }

  static async open(csv: ReadableCsv): Promise<RecordLocator> {
    const handle = await open(csv.file, 'r')
    return new RecordLocator(csv, handle, (await handle.stat()).size)
  }

  /** @param ordinals ascending */
  async locate(ordinals: readonly number[]): Promise<LocatedRecord[]> {
    const located: LocatedRecord[] = []
    for (let next = ordinals[0]; next !== undefined; next = ordinals[located.length]) {
      const before = located.length
      await this.#locateFrom(next, ordinals, located)
      if (located.length === before) throw new RangeError(`${this.#csv.name} has no record ${next}`)
    }
    return located
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close()
  }

  /** Finds a record, and the other requested ones in the same range. */
  async #locateFrom(first: number, ordinals: readonly number[], located: LocatedRecord[]): Promise<void> {
    const { isCopy, isBatch = false, dialect, fieldCount, index } = this.#csv
    const { from, to } = index.placesAround(first)
    let { ordinal } = from
    /**
     * The number of lines by which a copy is ahead of its file: it has the text of a record that is not well-formed
     * twice.
     */
    let surplus = 0
    const scanner = new RecordScanner({
      dialect,
      fieldCount: fieldCount + (isCopy ? 1 : 0) + (isBatch ? 1 : 0),
      lineCount: from.lineCount,
      sink: (shape, bytes, start, end, lineCount) => {
        if (shape === 'blank') return
        const flag = isCopy ? flagOf(bytes.subarray(start, end), this.#csv) : undefined
        if (ordinal++ === ordinals[located.length]) {
          const raw = flag?.toString() ?? rawText(withoutFields(bytes.subarray(start, end), this.#csv))
          located.push({ ordinal: ordinal - 1, line: lineCount - surplus + 1, raw })
        }
        if (flag !== undefined) surplus += countLines(bytes, start, end) - countLines(flag, 0, flag.length)
      },
    })
    const bytes = await this.#read(from.offset, to?.offset ?? this.#sizeBytes)
    scanner.scan(bytes, 0, bytes.length, from.offset, true)
  }

  async #read(from: number, to: number): Promise<Buffer> {
    const length = to - from
    if (this.#buffer.length < length) this.#buffer = Buffer.alloc(2 * length)
    let read = 0
    while (read < length) {
      const { bytesRead } = await this.#handle.read(this.#buffer, read, length - read, from + read)
      if (bytesRead === 0) break
      read += bytesRead
    }
    return this.#buffer.subarray(0, read)
  }
}

/** A well-formed record without the fields that the copy adds before those of the file. */
function withoutFields(record: Uint8Array, { isCopy, isBatch = false, dialect }: ReadableCsv): Uint8Array {
  if (!isCopy) return record
  return record.subarray(isBatch ? record.indexOf(dialect.delimiter.charCodeAt(0), 1) + 1 : 1)
}

/** The raw text of a copy's record that is not well-formed. */
function flagOf(record: Uint8Array, { dialect }: ReadableCsv): Buffer | undefined {
  if (record[0] === dialect.delimiter.charCodeAt(0)) return undefined
  const [flag = ''] = splitFields(record, dialect)
  return Buffer.from(flag).subarray(FLAGS.loose.length)
}
