import { MAX_RECORD_BYTES } from '@cinelake/csv'
import type { CheckedColumn, FileReading } from '@cinelake/pipeline'
import { rawText } from '../read-csv/copy.ts'
import { encodingOf } from '../read-csv/readable.ts'
import { damageIn, type GuessedEncoding } from '../read-csv/text-encoding.ts'
import { type Grid, gridRecords, type GridRow } from '../read-grid/grid-records.ts'
import { textChunks, textLines, type TextLine } from '../read-records/read-chunks.ts'
import { KIND, type RecordFile } from '../read-records/record.ts'

type FixedWidthFile = {
  readonly name: string
  readonly file: string
  readonly reading: FileReading
  readonly columns: readonly CheckedColumn[]
}

type Line = {
  readonly text: string
  readonly line: number
  readonly bytes: Uint8Array
  readonly isDamaged: boolean
}
type Field = { readonly start: number; readonly width: number }

/**
 * The lines of a file whose fields have fixed places. Places are characters, whatever the encoding. A line that is shorter
 * or longer than its fields is rejected alone.
 * @throws {FileUnreadableError} terminal, while reading: bytes that are invalid in the encoding of the file
 */
export function readFixedWidth(file: FixedWidthFile): RecordFile {
  let guessed: GuessedEncoding | undefined
  const records = gridRecords(fixedWidthGrid(file, (found) => (guessed = found)))
  return {
    get names() {
      return records.names
    },
    get footerCount() {
      return records.footerCount ?? 0
    },
    get guessed() {
      return guessed
    },
    read: (signal) => records.read(signal),
  }
}

/** The lines of that file as rows, its header among them. @param onEncoding is told what was guessed, if anything */
export function fixedWidthGrid(
  { name, file, reading, columns }: FixedWidthFile,
  onEncoding: (guessed: GuessedEncoding | undefined) => void = () => {},
): Grid {
  const fields = reading.fields ?? consecutive(reading.widths ?? [])
  const length = Math.max(...fields.map(endOf))
  const rowOf = ({ text, line, bytes, isDamaged }: Line): GridRow => {
    // Characters beyond the first 65,536 have two places in a string.
    const characters = /[\ud800-\udfff]/.test(text) ? Array.from(text) : text
    const isShort = characters.length < length && reading.missingCells !== 'empty'
    const isLong = bytes.length > MAX_RECORD_BYTES
    const problem = isDamaged
      ? 'bytes that its encoding does not have'
      : isLong
        ? `a line of more than ${MAX_RECORD_BYTES} bytes`
        : isShort || characters.length > length
          ? `${characters.length} of ${length} characters`
          : undefined
    const cells = fields.map(({ start, width }) => {
      const part = characters.slice(start - 1, start - 1 + width)
      const cell = typeof part === 'string' ? part : part.join('')
      return cell.trim() === '' ? null : { kind: KIND.written, text: cell }
    })
    return { cells, begin: text, line, problem, raw: () => rawText(bytes) }
  }
  return {
    name,
    columns,
    reading,
    names: reading.fields?.map((field) => field.name),
    fieldName: (field) => `characters ${fields[field]?.start ?? 0} to ${endOf(fields[field] ?? NO_FIELD)}`,
    async *rows(signal) {
      const found = await encodingOf({ name, file, declared: reading.encoding }, signal)
      onEncoding(found.guessed)
      const isDamaged = damageIn(found.encoding)
      const chunks = textChunks({ name, file, encoding: found.encoding }, signal)
      const { skip = 0, comment } = reading
      for await (const lines of textLines(chunks, MAX_RECORD_BYTES)) {
        const rows: GridRow[] = []
        for (const line of lines) {
          const bytes = withoutEnd(line)
          if (line.line <= skip || bytes.length === 0) continue
          const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString()
          if (comment !== undefined && text.startsWith(comment)) continue
          rows.push(rowOf({ text, line: line.line, bytes, isDamaged: isDamaged?.(bytes) === true }))
        }
        yield rows
      }
    },
  }
}

const NO_FIELD: Field = { start: 1, width: 0 }

function endOf({ start, width }: Field): number {
  return start - 1 + width
}

function consecutive(widths: readonly number[]): Field[] {
  let next = 1
  return widths.map((width) => {
    const start = next
    next += width
    return { start, width }
  })
}

/** Without a carriage return, and without the mark that old systems put at the end of a text. */
function withoutEnd({ bytes, isEnded }: TextLine): Uint8Array {
  const end = bytes.at(-1)
  return end === 0x0d || (end === 0x1a && !isEnded) ? bytes.subarray(0, -1) : bytes
}
