import { XmlProblem } from '@cinelake/json-rows'
import type { FileReading } from '@cinelake/pipeline'
import { rawText } from '../read-csv/copy.ts'
import type { GridRow } from '../read-grid/grid-records.ts'
import { withoutExponent } from '../read-records/json-cell.ts'
import { type Cell, KIND } from '../read-records/record.ts'
import { timeOfNumber } from './cell-date.ts'
import { cellPlace, type CellRange, columnLetters, MAX_COLUMNS, placeInSheet } from './cell-range.ts'
import type { MergedArea, MergedAreas } from './merged-areas.ts'
import { localName } from './part-events.ts'
import { checkText, type SharedTexts, unescaped } from './shared-texts.ts'
import type { Workbook } from './workbook.ts'

type SheetOptions = {
  /** Of the sheet. */
  readonly name: string
  readonly book: Pick<Workbook, 'dateSystem' | 'forms'>
  readonly texts: Pick<SharedTexts, 'at'>
  readonly areas: Pick<MergedAreas, 'at'>
  readonly range: CellRange
  readonly mergedCells: FileReading['mergedCells']
}

/** A cell while it is read. */
type Begun = {
  readonly column: number
  readonly type: string
  readonly style: number
  text: string
  hasFormula: boolean
}

/**
 * Makes rows of the events of a sheet's XML. Cells and rows without a place of their own follow the one before.
 * Source: ECMA-376, part 1, 18.3.1
 */
export class SheetRows {
  readonly #options: SheetOptions
  #rows: GridRow[] = []
  readonly #open: string[] = []
  #isInData = false
  #row = -1
  #cells: (Cell | undefined)[] = []
  #problem: string | undefined
  #column = -1
  #cell: Begun | undefined
  #isText = false
  #phonetic = 0

  constructor(options: SheetOptions) {
    this.#options = options
  }

  /** The rows that have ended since the last time. */
  take(): readonly GridRow[] {
    const rows = this.#rows
    this.#rows = []
    return rows
  }

  open(name: string, attributes: Readonly<Record<string, string>>): void {
    const local = localName(name)
    this.#open.push(local)
    if (local === 'sheetData') this.#isInData = true
    if (!this.#isInData) return
    if (local === 'row') this.#beginRow(attributes['r'])
    else if (local === 'c') this.#beginCell(attributes)
    else if (this.#cell === undefined) return
    else if (local === 'f') this.#cell.hasFormula = true
    else if (local === 'rPh') this.#phonetic += 1
    this.#isText = local === 'v' || (local === 't' && this.#phonetic === 0)
  }

  text(piece: string): void {
    if (!this.#isText || this.#cell === undefined) return
    this.#cell.text += piece
    checkText(this.#cell.text)
  }

  close(): void {
    const local = this.#open.pop()
    this.#isText = false
    if (!this.#isInData) return
    if (local === 'rPh') this.#phonetic -= 1
    else if (local === 'c') this.#endCell()
    else if (local === 'row') this.#endRow()
    else if (local === 'sheetData') this.#isInData = false
  }

  #beginRow(number: string | undefined): void {
    const row = number === undefined ? this.#row + 1 : Number(number) - 1
    if (!(Number.isInteger(row) && row > this.#row)) throw new XmlProblem(`a row ${row + 1} after row ${this.#row + 1}`)
    this.#row = row
    this.#cells = []
    this.#problem = undefined
    this.#column = -1
  }

  #beginCell({ r, t = 'n', s = '0' }: Readonly<Record<string, string>>): void {
    const place = r === undefined ? { row: this.#row, column: this.#column + 1 } : cellPlace(r)
    if (place === undefined || place.row !== this.#row || place.column >= MAX_COLUMNS)
      throw new XmlProblem(`a cell in row ${this.#row + 1} with the place of another`)
    this.#column = place.column
    this.#cell = { column: place.column, type: t, style: Number(s), text: '', hasFormula: false }
  }

  #endCell(): void {
    const cell = this.#cell
    this.#cell = undefined
    if (cell === undefined) return
    const value = this.#valueOf(cell)
    if (value === null) return
    if (this.#cells[cell.column] !== undefined) this.#problem ??= `two cells ${columnLetters(cell.column)}`
    this.#cells[cell.column] = value
  }

  #valueOf({ type, style, text, hasFormula }: Begun): Cell {
    const { book, texts } = this.#options
    if (text === '') {
      // An empty text that was computed is none; a number that is not there was never computed.
      return hasFormula && type === 'n' ? { kind: KIND.error, text: '(a formula without its value)' } : null
    }
    switch (type) {
      case 's': {
        const shared = texts.at(Number(text))
        if (shared === undefined) return { kind: KIND.error, text: '(a text that the workbook does not have)' }
        return shared === '' ? null : { kind: KIND.text, text: shared }
      }
      case 'b':
        return { kind: KIND.boolean, text: text === '1' || text === 'true' ? 'true' : 'false' }
      case 'e':
        return { kind: KIND.error, text }
      case 'd':
        return { kind: KIND.time, text: text.trim().replace(/\.0+(?=Z?$)/, '') }
      case 'n':
        return numberCell(text, book.forms[style], book.dateSystem)
      default:
        return { kind: KIND.text, text: unescaped(text) }
    }
  }

  #endRow(): void {
    const { range, name, areas, mergedCells } = this.#options
    const row = this.#row
    const touching = areas.at(row)
    for (const area of touching) if (area.top === row) area.value = this.#cells[area.left] ?? null
    if (row < range.top || row > range.bottom) return
    const { left } = range
    const own = left === 0 && range.right === Infinity ? this.#cells : this.#cells.slice(left, range.right + 1)
    const isEmpty = own.every((cell) => cell === undefined)
    const isMerged = touching.length > 0 && !isEmpty
    this.#rows.push({
      cells: isMerged ? this.#merged(own, touching, mergedCells) : own,
      ...(isMerged && {
        header: this.#merged(
          own,
          touching.filter(({ top }) => top === row),
          'fill',
        ),
      }),
      line: row + 1,
      problem: this.#problem,
      placeOf: (field) => placeInSheet(name, row, left + field),
      raw: (names) => {
        const fields = own.flatMap((cell, field): [string, string][] =>
          cell === undefined || cell === null ? [] : [[names[field] || columnLetters(left + field), cell.text]],
        )
        return rawText(Buffer.from(JSON.stringify(Object.fromEntries(fields))))
      },
    })
  }

  /** A row with what its cells have that are merged with others. */
  #merged(
    own: readonly (Cell | undefined)[],
    areas: readonly MergedArea[],
    how: FileReading['mergedCells'],
  ): (Cell | undefined)[] {
    const cells = [...own]
    if (how === 'empty') return cells
    const { left, right } = this.#options.range
    for (const area of areas) {
      if (area.value === null) continue
      const first = `${columnLetters(area.left)}${area.top + 1}`
      const value = how === 'fill' ? area.value : { kind: KIND.error, text: `(merged with ${first})` }
      for (let column = Math.max(left, area.left); column <= Math.min(right, area.right); column += 1)
        cells[column - left] ??= value
    }
    return cells
  }
}

const NUMBER = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/

function numberCell(written: string, form: Workbook['forms'][number], system: Workbook['dateSystem']): Cell {
  const text = written.trim()
  if (!NUMBER.test(text)) return { kind: KIND.text, text: unescaped(written) }
  const time = form === undefined ? undefined : timeOfNumber(text, form, system)
  if (time !== undefined) return { kind: KIND.time, text: time }
  return { kind: KIND.number, text: withoutExponent(meantDigits(text)) }
}

/** Digits that a double needs at most to be written, and those that it has for certain. */
const DOUBLE_DIGITS = { most: 17, certain: 15 }

/**
 * The digits of a number as they were meant. Spreadsheets write the double next to 4.1 as `4.0999999999999996`: what has
 * so many digits is read as the shortest number that is the same double. Others keep their digits.
 */
function meantDigits(text: string): string {
  const plain = text.replace(/^\+/, '').replace(/^(-?)\./, '$10.')
  const digits = plain
    .replace(/[eE].*$/, '')
    .replaceAll(/\D/g, '')
    .replace(/^0+/, '').length
  if (digits <= DOUBLE_DIGITS.certain || digits > DOUBLE_DIGITS.most || !/[.eE]/.test(plain)) return plain
  const number = Number(plain)
  return Number.isFinite(number) ? String(number) : plain
}
