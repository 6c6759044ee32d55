import {
  type CsvDialect,
  isUsual,
  LF,
  MAX_RECORD_BYTES,
  quotedField,
  RecordIndex,
  type RecordSink,
  splitFields,
} from '@cinelake/csv'
import type { FileHandle } from 'node:fs/promises'

/** Bytes. Limit for the text of a rejected row: more than a person writes in one, and bounded. */
export const RAW_LIMIT_BYTES = 64 * 1024

/** Prefix of the first field of a copy's record when the record is not well-formed. */
export const FLAGS = { loose: 'l', misshapen: 'x', damaged: 'd' } as const

/** Whether a record holds bytes that are invalid in its encoding. */
export type IsDamaged = (record: Uint8Array) => boolean

/** The dialect of a copy of a file: one that the engine knows. */
export function dialectOfCopy(dialect: CsvDialect): CsvDialect {
  if (isUsual(dialect)) return dialect
  return { delimiter: /^[^\P{ASCII}"]$/u.test(dialect.delimiter) ? dialect.delimiter : ',', quote: '"' }
}

export type CopyOptions = {
  /** Absent where every byte is valid. */
  readonly isDamaged?: IsDamaged | undefined
  /** For several files: the number of the record's file follows the flag. */
  readonly isBatch?: boolean
}

/**
 * Writes the records of a file that other readers may interpret differently in an unambiguous form: UTF-8, LF, no
 * header, and a flag as the first field. The flag of a well-formed record is empty, and the record follows unchanged;
 * for irregular quoting it is `l` and the raw text, and the fields follow quoted; for a malformed record it is `x` and
 * the raw text, and the fields are empty. So the copy has one record for each record of the source, in the same order.
 */
export class CopyWriter {
  readonly index: RecordIndex
  readonly #handle: FileHandle
  /** Of the source. */
  readonly #dialect: CsvDialect
  /** Of the copy. */
  readonly #target: CsvDialect
  readonly #fieldCount: number
  #isDamaged: IsDamaged | undefined
  /** For a batch, the number of the record's file, between delimiters: it follows the flag. */
  #fileField: string
  #buffer: Buffer
  #length = 0
  #writtenBytes = 0
  #recordCount = 0
  /** The lines of the previous record cannot be counted in the copy, since it was cut. */
  #hasCut = false

  constructor(handle: FileHandle, dialect: CsvDialect, fieldCount: number, options: CopyOptions = {}) {
    const { isDamaged, isBatch = false } = options
    this.#isDamaged = isDamaged
    this.#handle = handle
    this.#dialect = dialect
    this.#target = dialectOfCopy(dialect)
    this.#fieldCount = fieldCount
    this.#fileField = this.#target.delimiter
    this.index = new RecordIndex(isBatch ? 'sparse' : 'thinning')
    this.#buffer = Buffer.allocUnsafe(isBatch ? 64 * 1024 : 2 * 1024 * 1024)
  }

  /** Bytes of the copy so far. */
  get sizeBytes(): number {
    return this.#writtenBytes + this.#length
  }

  /** Bytes that wait to be written. */
  get pendingBytes(): number {
    return this.#length
  }

  get recordCount(): number {
    return this.#recordCount
  }

  /**
   * For a batch: the following records are of another file.
   * @param number for its records
   * @param lineCount physical lines before its first record
   */
  beginFile(number: number, lineCount: number, isDamaged: IsDamaged | undefined): void {
    const { delimiter } = this.#target
    this.#fileField = `${delimiter}${number}${delimiter}`
    this.#isDamaged = isDamaged
    this.#hasCut = false
    this.index.add(this.#recordCount, this.sizeBytes, lineCount)
  }

  readonly sink: RecordSink = (found, bytes, start, end, lineCount) => {
    const isDamaged = found !== 'blank' && this.#isDamaged?.(bytes.subarray(start, end)) === true
    const shape = isDamaged ? 'misshapen' : found
    this.#reserve(end - start + this.#fileField.length + 1)
    if (shape !== 'blank') this.#enter(lineCount)
    if (shape === 'plain') {
      this.#length += this.#buffer.write(this.#fileField, this.#length, 'latin1')
      this.#buffer.set(bytes.subarray(start, end), this.#length)
      this.#length += end - start
    } else if (shape !== 'blank') {
      const record = bytes.subarray(start, end)
      const loose = shape === 'loose' ? this.#loose(record) : undefined
      this.#append(loose ?? this.#misshapen(record, isDamaged))
      this.#hasCut = record.length > RAW_LIMIT_BYTES
    }
    this.#buffer[this.#length++] = LF
  }

  /** Writes the buffered bytes. */
  async flush(): Promise<void> {
    for (let at = 0; at < this.#length;) {
      const { bytesWritten } = await this.#handle.write(this.#buffer, at, this.#length - at)
      at += bytesWritten
    }
    this.#writtenBytes += this.#length
    this.#length = 0
  }

  #enter(lineCount: number): void {
    const offset = this.sizeBytes
    if (this.#hasCut) this.index.add(this.#recordCount, offset, lineCount)
    else this.index.visit(this.#recordCount, offset, lineCount)
    this.#hasCut = false
    this.#recordCount++
  }

  /** @returns undefined for a record that would be too long in this form */
  #loose(record: Uint8Array): string | undefined {
    const { delimiter, quote } = this.#target
    const fields = splitFields(record, this.#dialect).map((field) => quotedField(field, quote))
    // A record that may lack fields.
    while (fields.length < this.#fieldCount) fields.push('')
    const text = this.#flag('loose', record) + this.#fileField + fields.join(delimiter)
    return Buffer.byteLength(text) < MAX_RECORD_BYTES ? text : undefined
  }

  #misshapen(record: Uint8Array, isDamaged: boolean): string {
    const flag = this.#flag(isDamaged ? 'damaged' : 'misshapen', record)
    return flag + this.#fileField + this.#target.delimiter.repeat(this.#fieldCount - 1)
  }

  #flag(shape: keyof typeof FLAGS, record: Uint8Array): string {
    return quotedField(FLAGS[shape] + rawText(record), this.#target.quote)
  }

  #append(text: string): void {
    const bytes = Buffer.from(text)
    this.#reserve(bytes.length + 1)
    bytes.copy(this.#buffer, this.#length)
    this.#length += bytes.length
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#buffer.length) return
    const grown = Buffer.allocUnsafe(2 * (this.#length + more))
    this.#buffer.copy(grown, 0, 0, this.#length)
    this.#buffer = grown
  }
}

/**
 * The text of a record as it is kept with a reject: cut at a limit, and with a replacement for NUL, which SQL text
 * cannot hold.
 */
export function rawText(record: Uint8Array): string {
  let end = Math.min(record.length, RAW_LIMIT_BYTES)
  while (end < record.length && end > 0 && ((record[end] ?? 0) & 0xc0) === 0x80) end--
  const text = Buffer.from(record.buffer, record.byteOffset, end).toString().replaceAll('\0', '␀')
  return end < record.length ? `${text}…` : text
}
