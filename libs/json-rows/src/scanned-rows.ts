import type { RowBuffer } from '@cinelake/csv'
import { type Column, type Columns, KIND } from './columns.ts'
import { cellOf, kindOf, oneOf, wellFormed } from './flatten-record.ts'
import { SCANNED, type ScannedField, type ScannedRecords, STRIDE } from './scan-records.ts'

/** The records of a page one after the other, as rows. */
export type PageRows = {
  /** Makes a record the current row. @throws {RecordProblem} */
  read(index: number): void
  /** A cell of the current row. */
  readonly cell: (column: number) => string | null | undefined
  writeTo(buffer: RowBuffer): void
}

const KINDS = [KIND.text, KIND.text, KIND.number, KIND.boolean, KIND.boolean, 0] as const

/** Scanned records as rows: most values are copied from the page's bytes. Gives what `createFlattener` gives. */
export function scannedRows(records: ScannedRecords, columns: Columns): PageRows {
  const { bytes, fields, tape, ends, values } = records
  /** The place of each cell in the tape, plus one; zero for none. */
  let places = new Int32Array(Math.max(columns.width, 16))
  let width = 0

  const columnOf = (field: ScannedField): Column => (field.column ??= columns.of(field.name))
  const text = (at: number): string | null => {
    const [form = 0, start = 0, end = 0] = [tape[at + 1], tape[at + 2], tape[at + 3]]
    if (form === SCANNED.isNull) return null
    if (form === SCANNED.value) return cellOf(values[start] ?? null)
    return bytes.toString('utf8', start, end)
  }
  return {
    read(index) {
      places.fill(0)
      width = columns.width
      const end = ends[index] ?? 0
      for (let at = index === 0 ? 0 : (ends[index - 1] ?? 0); at < end; at += STRIDE) {
        const column = columnOf(fields[tape[at] ?? 0] as ScannedField)
        const form = tape[at + 1] ?? 0
        column.kinds |= form === SCANNED.value ? kindOf(values[tape[at + 2] ?? 0] ?? null) : (KINDS[form] ?? 0)
        column.recordCount += 1
        const place = column.index
        if (place < 0) continue
        if (place >= width) width = place + 1
        if (place >= places.length) {
          const larger = new Int32Array(places.length * 2)
          larger.set(places)
          places = larger
        }
        const before = places[place] ?? 0
        if (form === SCANNED.value) wellFormed(text(at), column)
        // Which of the two it is: the one that has the value.
        if (before !== 0 && oneOf(column, text(before - 1), text(at)) !== text(at)) continue
        places[place] = at + 1
      }
    },
    cell(column) {
      const at = places[column] ?? 0
      return at === 0 ? undefined : text(at - 1)
    },
    writeTo(buffer) {
      for (let column = 0; column < width; column += 1) {
        const at = (places[column] ?? 0) - 1
        const form = at < 0 ? SCANNED.isNull : (tape[at + 1] ?? 0)
        const start = tape[at + 2] ?? 0
        const end = tape[at + 3] ?? 0
        if (form === SCANNED.isNull) buffer.addCell(column === 0, null)
        else if (form > SCANNED.textWithComma && form < SCANNED.isNull)
          buffer.addBytes(column === 0, bytes, start, end, false)
        else if (form === SCANNED.value || end === start || !isPlainEdge(bytes[start]) || !isPlainEdge(bytes[end - 1]))
          buffer.addCell(column === 0, text(at))
        else buffer.addBytes(column === 0, bytes, start, end, form === SCANNED.textWithComma)
      }
      buffer.endRow()
    },
  }
}

/** Whether a byte is certainly no part of a blank, which a cell would be quoted for. */
function isPlainEdge(byte: number | undefined): boolean {
  return byte !== undefined && byte > 0x20 && byte < 0x80
}
