import type { Cell } from '../read-records/record.ts'
import { refineErrors } from '../refine/errors.ts'
import { cellPlace, type CellRange } from './cell-range.ts'
import { type Part, textOfPart } from './part-events.ts'

/** Areas of a sheet that are kept in memory. */
const MAX_AREAS = 1_000_000

/** Characters of an element's tag that may be that of an area. */
const MAX_TAG = 1024

/** Cells that are shown as one, which has the value of the first. */
export type MergedArea = CellRange & { value: Cell }

/** The areas of a sheet that touch a row, row by row. */
export class MergedAreas {
  readonly #coming: readonly MergedArea[]
  #next = 0
  #active: MergedArea[] = []

  private constructor(areas: readonly MergedArea[]) {
    this.#coming = areas.toSorted((one, other) => one.top - other.top)
  }

  /**
   * Finds the areas of a sheet, which stand after its rows, without parsing these.
   * @throws {REFINE_WORKBOOK_REFUSED} terminal: too many
   */
  static async find(part: Part, signal: AbortSignal): Promise<MergedAreas> {
    const areas: MergedArea[] = []
    let rest = ''
    for await (const text of textOfPart(part, signal)) {
      const all = rest + text
      const whole = all.lastIndexOf('>') + 1
      // A cell's own text cannot contain this: there it is escaped.
      for (const [, ref = ''] of all.slice(0, whole).matchAll(AREA)) {
        const [from, to = from] = ref.split(':')
        const first = cellPlace(from ?? '')
        const last = cellPlace(to ?? '')
        if (first === undefined || last === undefined) continue
        areas.push({ top: first.row, left: first.column, bottom: last.row, right: last.column, value: null })
      }
      if (areas.length > MAX_AREAS)
        throw refineErrors.REFINE_WORKBOOK_REFUSED(
          part.file,
          `at most ${MAX_AREAS} areas of merged cells`,
          'more',
          'have it sent as CSV or Parquet',
        )
      const begun = all.indexOf('<', whole)
      // The tag of an area is short: anything longer is another's.
      rest = begun < 0 || all.length - begun > MAX_TAG ? '' : all.slice(begun)
    }
    return new MergedAreas(areas)
  }

  /** The areas that touch a row. Rows have to come in order. */
  at(row: number): readonly MergedArea[] {
    if (this.#coming.length === 0) return this.#coming
    for (let area = this.#coming[this.#next]; area !== undefined && area.top <= row; area = this.#coming[this.#next]) {
      this.#active.push(area)
      this.#next += 1
    }
    this.#active = this.#active.filter(({ bottom }) => bottom >= row)
    return this.#active
  }
}

const AREA = /<(?:\w+:)?mergeCell\s[^<>]*?\bref\s*=\s*["']([^"'<>]+)["']/g
