import { matchColumns } from '@cinelake/csv'
import type { CheckedColumn, FileReading } from '@cinelake/pipeline'
import { BATCH_RECORDS, type Cell, type FoundRecord, type RecordFile } from '../read-records/record.ts'
import { FileUnreadableError, refineErrors } from '../refine/errors.ts'
import { Footer } from './footer.ts'

/** A row of a file whose rows have fields in order: of a sheet, or of lines of fixed width. */
export type GridRow = {
  /** By field, from 0; absent or null where there is no value. */
  readonly cells: readonly (Cell | undefined)[]
  /** The same of a row that turns out to be a header, where that is different. */
  readonly header?: readonly (Cell | undefined)[]
  /** What it begins with, as far as that is not its first value. */
  readonly begin?: string
  /** From 1. */
  readonly line: number
  /** Why it is rejected, unless it is a header; without its values. */
  readonly problem?: string | undefined
  /** The place of a field's value, that of the first for the whole row. */
  readonly placeOf?: (field: number) => string
  /** @param names of the fields */
  readonly raw: (names: readonly string[]) => string
}

export type Grid = {
  readonly name: string
  readonly columns: readonly CheckedColumn[]
  readonly reading: FileReading
  /** The names of its fields, where the file does not have them. */
  readonly names?: readonly string[] | undefined
  /** The rows in batches, in the order of the file. */
  readonly rows: (signal: AbortSignal) => AsyncIterable<readonly GridRow[]>
  /** How a field without a name is called: `column G`. */
  readonly fieldName: (field: number) => string
  /** What a cell is for a column, where it depends on the file. */
  readonly meant?: (cell: Cell, column: CheckedColumn) => Cell
}

/**
 * The rows of a grid as records: a header names the fields, unless they are named otherwise or come in the order of the
 * contract. Rows without any value are none.
 * @throws {REFINE_HEADER_MISMATCH} terminal, while reading
 * @throws {FileUnreadableError} terminal, while reading: fewer rows than the footer
 */
export function gridRecords(grid: Grid): RecordFile {
  let head: Head | undefined
  let beside = new Set<string>()
  let footerCount = 0
  return {
    get names() {
      return {
        found: grid.columns.map((_, column) => head?.places[column] !== undefined),
        unknown: [...(head?.unknown ?? []), ...beside],
      }
    },
    get footerCount() {
      return footerCount
    },
    async *read(signal) {
      head = undefined
      beside = new Set()
      const { footer: declared, blankRows } = grid.reading
      const footer = new Footer<GridRow>(declared, firstText)
      const header: GridRow[] = []
      head = headWithout(grid)
      let records: FoundRecord[] = []
      for await (const rows of grid.rows(signal)) {
        for (const row of rows) {
          if (row.problem === undefined && isBlank(row, blankRows === 'skip')) continue
          if (head === undefined) {
            header.push(row)
            if (header.length === (grid.reading.headerLines ?? 1)) head = headOf(grid, header)
            continue
          }
          for (const one of footer.after(row)) records.push(recordOf(one, head, grid, beside))
        }
        if (records.length < BATCH_RECORDS) continue
        yield records
        records = []
      }
      if (head === undefined) throw mismatch(grid, 1, 'a file without any record')
      footerCount = footer.heldCount
      if (typeof declared === 'number' && footerCount < declared) {
        const expected = `a footer of ${declared} records, as \`read.footer\` says`
        throw new FileUnreadableError(grid.name, { line: 1 }, expected, `a file with ${footerCount} in all`)
      }
      yield records
    },
  }
}

type Head = {
  readonly places: readonly (number | undefined)[]
  readonly names: readonly string[]
  readonly unknown: readonly string[]
}

/** Of a file without a header. */
function headWithout(grid: Grid): Head | undefined {
  const { columns, reading, names } = grid
  if (names !== undefined) return matched(grid, names, 1)
  if (reading.header) return undefined
  return {
    places: columns.map(({ reading: { position } }, index) => (position ?? index + 1) - 1),
    names: [],
    unknown: [],
  }
}

function headOf(grid: Grid, rows: readonly GridRow[]): Head {
  const lines = rows.map(({ cells, header = cells }) => header)
  const count = Math.max(...lines.map(({ length }) => length))
  const names = Array.from({ length: count }, (_, field) =>
    lines
      .map((line) => line[field]?.text.trim() ?? '')
      .filter((name) => name !== '')
      .join(' '),
  )
  return matched(grid, names, rows.at(-1)?.line ?? 1)
}

function matched(grid: Grid, names: readonly string[], line: number): Head {
  const { places, unknown, problems } = matchColumns(names, grid.columns)
  // Where no field is a known column the "header" may be a row of data: the message must not repeat it.
  const isHeader = places.some((place) => place !== undefined)
  const told = isHeader ? `: found ${names.map((name) => `\`${name}\``).join(', ')}` : ''
  if (problems.length > 0) throw mismatch(grid, line, `${names.length} fields, and ${problems.join('; ')}${told}`)
  return { places, names, unknown: unknown.filter((name) => name !== '') }
}

function mismatch({ name, columns }: Grid, line: number, found: string) {
  const expected = columns.filter(({ required }) => required).map((column) => `\`${column.name}\``)
  const wanted = `a header with ${expected.length === 0 ? "the contract's columns" : expected.join(', ')}`
  return refineErrors.REFINE_HEADER_MISMATCH(name, line, wanted, found)
}

function recordOf(row: GridRow, { places, names }: Head, grid: Grid, beside: Set<string>): FoundRecord {
  const { cells, line, problem, placeOf } = row
  for (let field = 0; field < cells.length; field += 1) {
    // A field that has no name is told of once it has a value.
    if ((names[field] ?? '') !== '' || (cells[field] ?? null) === null || places.includes(field)) continue
    beside.add(grid.fieldName(field))
  }
  const fieldOf = (column: string) => places[grid.columns.findIndex(({ name }) => name === column)]
  const cellFor = (column: CheckedColumn, index: number): Cell => {
    const field = places[index]
    const cell = field === undefined ? null : (cells[field] ?? null)
    return grid.meant?.(cell, column) ?? cell
  }
  return {
    cells: problem === undefined ? grid.columns.map(cellFor) : [],
    line,
    ...(problem === undefined ? {} : { problem }),
    ...(placeOf && { placeOf: (column: string) => placeOf(fieldOf(column) ?? 0) }),
    raw: () => row.raw(names),
  }
}

function isBlank({ cells }: GridRow, isOfText: boolean): boolean {
  return cells.every((cell) => cell === null || cell === undefined || (isOfText && cell.text.trim() === ''))
}

function firstText({ cells, begin }: GridRow): string {
  if (begin !== undefined) return begin.trim()
  return cells.find((cell) => cell !== null && cell !== undefined && cell.text.trim() !== '')?.text.trim() ?? ''
}
