import type { CheckedColumn, FileReading } from '@cinelake/pipeline'
import { gridRecords, type Grid, type GridRow } from '../read-grid/grid-records.ts'
import { KIND } from '../read-records/record.ts'
import { columnsOf } from './columns-of-header.ts'
import { shapeOfCsv } from './csv-shape.ts'
import type { FileSample, SampleContext, SampledColumn } from './file-sample.ts'
import { COLUMN, sampleRecords, typeOfKinds } from './sample-records.ts'

type SampledGrid = {
  readonly declared: FileReading
  /** How the file is called for people: `XLSX`. */
  readonly format: string
  /** Lines of the file before the cells that are read. */
  readonly top: number
  readonly gridOf: (columns: readonly CheckedColumn[], reading: FileReading) => Grid
}

/** Cells that are merged with others, where nothing is said of them. */
const MERGED = '(merged with '

const ERRORS = 'cells with an error and formulas without their value are rejects, unless `nulls` names them'

/**
 * Reads the first rows of a file whose rows have fields in order, and finds out where its header is.
 * @returns undefined for a file without a row
 */
export async function sampleGrid(
  { declared, format, top, gridOf }: SampledGrid,
  context: SampleContext,
): Promise<(Omit<FileSample, 'read'> & { readonly read: Partial<FileReading> }) | undefined> {
  const { rows, isAll } = await firstRows(gridOf([], declared), context)
  const filled = rows.filter((row) => textsOf(row).length > 0)
  const whole = filled.filter(({ problem }) => problem === undefined)
  if (whole.length === 0) return undefined
  const shape = shapeOf(whole, isAll, declared)
  const head = whole[shape.first]
  const before = filled.findIndex((row) => row === head)
  const skipped = (head?.line ?? 1) - 1 - top
  const headerLines = shape.read.headerLines ?? declared.headerLines ?? 1
  const hasHeader = declared.header && shape.read.header !== false
  const isMerged = whole
    .slice(shape.first + (hasHeader ? headerLines : 0))
    .some(({ cells }) => cells.some((cell) => cell?.kind === KIND.error && cell.text.startsWith(MERGED)))
  const read: Partial<FileReading> = {
    ...(declared.skip === undefined && before > 0 && skipped > 0 ? { skip: skipped } : {}),
    ...shape.read,
    ...(isMerged && declared.mergedCells === undefined ? { mergedCells: 'fill' as const } : {}),
  }
  const reading: FileReading = { ...declared, ...read }
  const width = Math.max(...whole.slice(shape.first).map((row) => textsOf(row).length))
  const given = gridOf([], reading).names
  const names = given ?? (hasHeader ? namesOf(whole.slice(shape.first, shape.first + headerLines), width) : none(width))
  const isInOrder = given === undefined && !hasHeader
  const columns = names.map((name, index): CheckedColumn => ({
    ...COLUMN,
    name,
    reading: { from: [name], position: index + 1 },
  }))
  const open = (asked: readonly CheckedColumn[]) => gridRecords(gridOf(asked, reading))
  const { kinds, ...sampled } = await sampleRecords(columns, open, declared.nulls, context)
  const found: SampledColumn[] = []
  for (const [index, column] of (isInOrder ? names.map((name) => ({ name })) : columnsOf(names)).entries())
    found.push({ ...column, ...(await typeOfKinds(kinds[index], index, context.session)) })
  const place = head?.placeOf?.(textsOf(head).findIndex((text) => text !== '')) ?? `line ${head?.line ?? 1}`
  const notes = [
    ...shape.notes,
    ...(isMerged ? ['cells are merged: each gets the value of the first, check it'] : []),
    ...(kinds.some((those) => those.has(KIND.error)) ? [ERRORS] : []),
  ]
  return {
    facts: [
      [
        'written',
        `${format}, ${isInOrder ? 'no header, rows' : given === undefined ? 'header' : 'rows'} from ${place} on`,
      ],
      ...notes.map((note) => ['note', note] as const),
    ],
    columns: found,
    read,
    isInOrder,
    ...sampled,
  }
}

async function firstRows(
  grid: Grid,
  { limit, signal }: SampleContext,
): Promise<{ readonly rows: readonly GridRow[]; readonly isAll: boolean }> {
  const rows: GridRow[] = []
  for await (const batch of grid.rows(signal)) {
    rows.push(...batch)
    if (rows.length > limit) return { rows: rows.slice(0, limit), isAll: false }
  }
  return { rows, isAll: true }
}

/** The texts of a row up to its last one. */
function textsOf({ cells }: GridRow): string[] {
  const texts = Array.from(cells, (cell) => {
    const isText = cell !== null && cell !== undefined && !(cell.kind === KIND.error && cell.text.startsWith(MERGED))
    return isText ? cell.text.trim() : ''
  })
  return texts.slice(0, texts.findLastIndex((text) => text !== '') + 1)
}

/** Where the header is, and the footer: told as of CSV, whose files have the same lines above and below their tables. */
function shapeOf(rows: readonly GridRow[], isAll: boolean, declared: FileReading) {
  const texts = rows.map(textsOf)
  const of = { delimiter: ',', quote: '"', header: declared.header, nulls: [], ...only(declared) }
  const isSkipped = declared.skip !== undefined
  const outer = shapeOfCsv(asCsv(texts), isAll, { ...of, ...(isSkipped ? { skip: 0 } : {}) })
  const first = outer.read.skip ?? 0
  const below = texts.slice(first)
  const width = Math.max(...below.map(({ length }) => length))
  const even = below.map((line) => [...line, ...none(width - line.length)])
  const { read, notes } = shapeOfCsv(asCsv(even), false, { ...of, skip: 0 })
  return {
    first,
    notes,
    read: {
      ...(read.header === undefined ? {} : { header: read.header }),
      ...(read.headerLines === undefined ? {} : { headerLines: read.headerLines }),
      ...(outer.read.footer === undefined ? {} : { footer: outer.read.footer }),
    } satisfies Partial<FileReading>,
  }
}

function only({ headerLines, footer }: FileReading): Partial<FileReading> {
  return {
    ...(headerLines === undefined ? {} : { headerLines }),
    ...(footer === undefined ? {} : { footer }),
  }
}

/** Rows as CSV, each a line; every field is quoted, so that none is a comment. */
function asCsv(rows: readonly (readonly string[])[]): Uint8Array {
  const field = (text: string) => `"${text.replaceAll(/[\r\n\\]/g, ' ').replaceAll('"', '""')}"`
  return Buffer.from(rows.map((row) => `${row.map(field).join(',')}\n`).join(''))
}

function namesOf(rows: readonly GridRow[], width: number): string[] {
  const lines = rows.map(({ cells, header = cells }) => header)
  return Array.from({ length: width }, (_, field) =>
    lines
      .map((line) => line[field]?.text.trim() ?? '')
      .filter((name) => name !== '')
      .join(' '),
  )
}

const none = (width: number) => Array<string>(width).fill('')
