import { randomUUID } from 'node:crypto'
import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { RecordScanner } from '@cinelake/csv'
import { CopyWriter, dialectOfCopy } from './copy.ts'
import type { GuessedEncoding } from './text-encoding.ts'
import type { ReadableCsv, WholeCsv } from './readable.ts'

/**
 * Bytes up to which a file is combined with others: staging one by itself costs as much as reading this much. The head
 * of such a file is all of it.
 */
export const SMALL_BYTES = 256 * 1024

/** Bytes after which a batch is complete. */
const BATCH_BYTES = 32 * 1024 * 1024

/** Bytes that are buffered before a write. */
const PENDING_BYTES = 1024 * 1024

/** Batches open at once. Files that alternate between more dialects than that end up in smaller batches. */
const MAX_OPEN = 8

export type SmallCsv = WholeCsv & {
  readonly name: string
  /** Number for its rows. */
  readonly number: number
}

/** Several files combined into one that the engine reads. */
export type CsvBatch = {
  readonly csv: ReadableCsv
  /** Of the files, in order. */
  readonly names: readonly string[]
  /** @param ordinal of a record of the batch, from 0 */
  readonly placeOf: (ordinal: number) => RowPlace
  /** The files whose encoding was guessed, by name. */
  readonly guessed: ReadonlyMap<string, GuessedEncoding>
}

/** The origin of a row: its file as received, and the number of its record there, from 1. */
export type RowPlace = { readonly file: string; readonly row: number }

/**
 * Combines small files with the same dialect and columns: the engine reads some megabytes at once instead of thousands
 * of files. Each record keeps the number of its file, and is located by file and line.
 */
export class CsvBatches implements AsyncDisposable {
  readonly #directory: string
  readonly #open = new Map<string, OpenBatch>()

  /** @param directory scratch */
  constructor(directory: string) {
    this.#directory = directory
  }

  /** @returns batches that are complete after it */
  async add(file: SmallCsv): Promise<CsvBatch[]> {
    const { dialect, fieldCount, places, paths, names } = file.head
    const kind = JSON.stringify([dialect, fieldCount, places.map((place) => place ?? -1), paths, names])
    const complete: CsvBatch[] = []
    let batch = this.#open.get(kind)
    if (batch === undefined) {
      if (this.#open.size >= MAX_OPEN) complete.push(...(await this.#closeFirst()))
      batch = await OpenBatch.create(join(this.#directory, `batch-${randomUUID()}.csv`), file)
    }
    await batch.add(file)
    // The most recently used batch is closed last.
    this.#open.delete(kind)
    if (batch.sizeBytes >= BATCH_BYTES) complete.push(await batch.close())
    else this.#open.set(kind, batch)
    return complete
  }

  /** @returns the remaining batches, in order of their last use */
  async end(): Promise<CsvBatch[]> {
    const complete: CsvBatch[] = []
    while (this.#open.size > 0) complete.push(...(await this.#closeFirst()))
    return complete
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const batch of this.#open.values()) await batch[Symbol.asyncDispose]()
  }

  async #closeFirst(): Promise<CsvBatch[]> {
    for (const [kind, batch] of this.#open) {
      this.#open.delete(kind)
      return [await batch.close()]
    }
    return []
  }
}

class OpenBatch implements AsyncDisposable {
  readonly #file: string
  readonly #handle: FileHandle
  readonly #first: SmallCsv
  readonly #writer: CopyWriter
  readonly #names: string[] = []
  #hasNul = false
  #mayBeDamaged = false
  readonly #guessed = new Map<string, GuessedEncoding>()
  /** The ordinal of each file's first record. */
  readonly #starts: number[] = []

  private constructor(file: string, handle: FileHandle, first: SmallCsv) {
    const { dialect, fieldCount } = first.head
    this.#file = file
    this.#handle = handle
    this.#first = first
    this.#writer = new CopyWriter(handle, dialect, fieldCount, { isBatch: true })
  }

  static async create(file: string, first: SmallCsv): Promise<OpenBatch> {
    return new OpenBatch(file, await open(file, 'wx'), first)
  }

  get sizeBytes(): number {
    return this.#writer.sizeBytes
  }

  async add({ name, number, head, text, isDamaged, guessed }: SmallCsv): Promise<void> {
    const { dialect, fieldCount, headerLength, headerLineCount: lineCount } = head
    this.#names.push(name)
    this.#hasNul ||= text.includes(0)
    this.#mayBeDamaged ||= isDamaged !== undefined
    if (guessed !== undefined) this.#guessed.set(name, guessed)
    this.#starts.push(this.#writer.recordCount)
    this.#writer.beginFile(number, lineCount, isDamaged)
    const scanner = new RecordScanner({ dialect, fieldCount, lineCount, sink: this.#writer.sink })
    scanner.scan(text, headerLength, text.length, 0, true)
    if (this.#writer.pendingBytes >= PENDING_BYTES) await this.#writer.flush()
  }

  async close(): Promise<CsvBatch> {
    await this.#writer.flush()
    await this.#handle.close()
    const { dialect, fieldCount, places, paths, names, unknown } = this.#first.head
    const csv: ReadableCsv = {
      name: this.#first.name,
      file: this.#file,
      isCopy: true,
      isBatch: true,
      hasHeader: false,
      dialect: dialectOfCopy(dialect),
      sourceDialect: dialect,
      lineEnd: '\n',
      fieldCount,
      places,
      ...(paths && { paths }),
      names,
      unknown,
      encoding: 'utf-8',
      hasNul: this.#hasNul,
      mayBeDamaged: this.#mayBeDamaged,
      recordCount: this.#writer.recordCount,
      index: this.#writer.index,
      nameAt: (ordinal) => this.#names[lastAtMost(this.#starts, ordinal)] ?? this.#first.name,
    }
    const placeOf = (ordinal: number): RowPlace => {
      const number = lastAtMost(this.#starts, ordinal)
      return { file: csv.nameAt?.(ordinal) ?? csv.name, row: ordinal - (this.#starts[number] ?? 0) + 1 }
    }
    return { csv, names: this.#names, placeOf, guessed: this.#guessed }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close()
  }
}

/** Index of the last number that is not greater than another; the numbers ascend. */
function lastAtMost(numbers: readonly number[], most: number): number {
  let low = 0
  let high = numbers.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((numbers[middle] ?? 0) <= most) low = middle + 1
    else high = middle
  }
  return low - 1
}
