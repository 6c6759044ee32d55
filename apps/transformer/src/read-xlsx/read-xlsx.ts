import type { CheckedColumn, FileReading } from '@cinelake/pipeline'
import type { UnpackLimits } from '../read-csv/unpack-settings.ts'
import { type Grid, gridRecords, type GridRow } from '../read-grid/grid-records.ts'
import { type Cell, KIND, type RecordFile } from '../read-records/record.ts'
import { refineErrors } from '../refine/errors.ts'
import { type DateSystem, timeOfNumber } from './cell-date.ts'
import { cellRange, columnLetters } from './cell-range.ts'
import { MergedAreas } from './merged-areas.ts'
import { OfficePackage } from './office-package.ts'
import { type Part, readPart } from './part-events.ts'
import { SharedTexts } from './shared-texts.ts'
import { SheetRows } from './sheet-rows.ts'
import { readWorkbook, type Sheet, type Workbook } from './workbook.ts'

type XlsxFile = {
  readonly name: string
  readonly file: string
  readonly reading: FileReading
  readonly columns: readonly CheckedColumn[]
  readonly limits: UnpackLimits
}

/**
 * The rows of one worksheet of a workbook, with the values that formulas had when it was saved. Texts that cells share
 * are held in memory, rows are not.
 * @throws {REFINE_WORKBOOK_REFUSED} terminal, while reading: it is not clear which sheet is meant
 * @throws {PackedFileError} terminal, while reading: the workbook is damaged
 * @throws {UnpackedTooLargeError} terminal, while reading: its parts are larger than the limit
 */
export function readXlsx(file: XlsxFile): RecordFile {
  return gridRecords(xlsxGrid(file))
}

/** The rows of that worksheet, its header among them. */
export function xlsxGrid({ name, file, reading, columns, limits }: XlsxFile): Grid {
  const range = cellRange(reading.range ?? '')
  const first = range.top + (reading.skip ?? 0)
  let dateSystem: DateSystem = 1900
  return {
    name,
    columns,
    reading,
    fieldName: (field) => `column ${columnLetters(range.left + field)}`,
    meant: (cell, column) => (dateSystem === 1904 ? serialOf1904(cell, column) : cell),
    async *rows(signal) {
      using parts = await OfficePackage.open({ name, file, limits })
      const book = await readWorkbook(name, parts, signal)
      ;({ dateSystem } = book)
      const partOf = (part: string): Part => ({ file: name, package: parts, part })
      const texts = book.textsPart === undefined ? NO_TEXTS : await SharedTexts.read(partOf(book.textsPart), signal)
      const rowsOf = (sheet: Sheet, areas: Pick<MergedAreas, 'at'>) => {
        const { mergedCells } = reading
        const rows = new SheetRows({
          name: sheet.name,
          book,
          texts,
          areas,
          range: { ...range, top: first },
          mergedCells,
        })
        return taken(readPart(partOf(sheet.part), rows, signal), rows)
      }
      const hasRows = async (sheet: Sheet) => {
        for await (const rows of rowsOf(sheet, NO_AREAS))
          if (rows.some(({ cells }) => cells.some((cell) => cell !== undefined))) return true
        return false
      }
      const sheet = await sheetIn(book, reading.sheet, name, hasRows)
      yield* rowsOf(sheet, await MergedAreas.find(partOf(sheet.part), signal))
    },
  }
}

const NO_TEXTS = { at: () => undefined }
const NO_AREAS = { at: () => [] }

async function* taken(pieces: AsyncIterable<void>, rows: SheetRows): AsyncGenerator<readonly GridRow[]> {
  for await (const _ of pieces) yield rows.take()
}

/** Names of sheets that a message shows. */
const MOST_NAMED = 10

/**
 * The sheet that is meant: the one of a name or number, else the only visible one with a value.
 * @throws {REFINE_WORKBOOK_REFUSED} terminal
 */
async function sheetIn(
  { sheets }: Workbook,
  meant: string | number | undefined,
  file: string,
  hasRows: (sheet: Sheet) => Promise<boolean>,
): Promise<Sheet> {
  const named = (some: readonly Sheet[]) => {
    const shown = some.slice(0, MOST_NAMED).map(({ name, isHidden }) => `\`${name}\`${isHidden ? ' (hidden)' : ''}`)
    return `${some.length === 0 ? 'none' : shown.join(', ')}${some.length > MOST_NAMED ? ', …' : ''}`
  }
  if (meant !== undefined) {
    const isMeant = ({ name }: Sheet) => name.toLowerCase() === String(meant).toLowerCase()
    const found = typeof meant === 'number' ? sheets[meant - 1] : sheets.find(isMeant)
    if (found !== undefined) return found
    const expected = typeof meant === 'number' ? `${meant} worksheets or more` : `a worksheet \`${meant}\``
    throw refineErrors.REFINE_WORKBOOK_REFUSED(file, expected, named(sheets), OTHER_SHEET)
  }
  const visible = sheets.filter(({ isHidden }) => !isHidden)
  const filled: Sheet[] = []
  if (visible.length > 1) for (const sheet of visible) if (await hasRows(sheet)) filled.push(sheet)
  const [one, ...others] = filled.length > 0 ? filled : visible.slice(0, 1)
  if (one === undefined)
    throw refineErrors.REFINE_WORKBOOK_REFUSED(file, 'a visible worksheet', named(sheets), OTHER_SHEET)
  if (others.length === 0) return one
  const expected = 'one visible worksheet with rows, or a word which is meant'
  throw refineErrors.REFINE_WORKBOOK_REFUSED(file, expected, named(filled), OTHER_SHEET)
}

const OTHER_SHEET = 'name one in pipeline.yaml, `read: { format: xlsx, sheet: NAME }`; each dataset reads one'

/** A number that the text of the pipeline takes for a spreadsheet's day counts in this workbook from another one. */
function serialOf1904(cell: Cell, { type, reading }: CheckedColumn): Cell {
  const isTime = type === 'DATE' || type === 'TIME' || type.startsWith('TIMESTAMP')
  if (cell?.kind !== KIND.number || !isTime || reading.formats?.includes('excel') !== true) return cell
  const time = timeOfNumber(cell.text, type === 'DATE' ? 'date' : type === 'TIME' ? 'time' : 'datetime', 1904)
  return time === undefined ? cell : { kind: KIND.time, text: time }
}
