import { formatCell } from './format-value.ts'
import { type Paint, type Terminal, plainPaint } from './terminal.ts'
import widthOf from 'string-width'

const SEGMENTS = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** The text filled with spaces up to a width. */
export function padded(text: string, width: number, side: 'left' | 'right'): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(text)))
  return side === 'left' ? text + space : space + text
}

/** The text, or its beginning and `…` where it is too wide. For texts without styles. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text
  let kept = ''
  for (const { segment } of SEGMENTS.segment(text)) {
    if (widthOf(kept + segment) > width - 1) break
    kept += segment
  }
  return `${kept}…`
}

/** The text in lines of a width, broken between words where possible, otherwise within them. Exported for tests. */
export function wrapped(text: string, width: number): string[] {
  if (widthOf(text) <= width) return [text]
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`
    if (widthOf(longer) <= width) {
      line = longer
      continue
    }
    if (line !== '') lines.push(line)
    line = ''
    for (const { segment } of SEGMENTS.segment(word)) {
      if (widthOf(line + segment) > width) {
        lines.push(line)
        line = ''
      }
      line += segment
    }
  }
  return [...lines, line]
}

export type Column = {
  readonly title: string
  /** Numbers are right-aligned. */
  readonly align?: 'left' | 'right'
  /** Wider cells are cut. */
  readonly maxWidth?: number
}

type TableOptions = {
  readonly paint?: Paint
  readonly indent?: string
  /** Characters in a line of the screen: longer lines are wrapped between words. Default: no limit. */
  readonly width?: number
  /** One line per value, below the other values of its row. */
  readonly vertical?: boolean
}

/** Options for the layout of tables on a terminal. */
export function layoutOf({ paint, width }: Pick<Terminal, 'paint' | 'width'>): {
  readonly paint: Paint
  readonly width: number
} {
  return { paint, width: width?.() ?? Infinity }
}

const GAP = 2
/** Characters. Narrower text columns are unreadable. */
const NARROWEST = 10

/**
 * Rows under their columns' titles, aligned; `undefined` cells are empty. Ends in a line break. Where the columns do not fit
 * the screen, the widest are wrapped between words; where that is not enough, each row is a paragraph of its own.
 */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly (string | undefined)[])[],
  { paint = plainPaint, indent = '', width = Infinity, vertical = false }: TableOptions = {},
): string {
  const cells = rows.map((row) => columns.map(({ maxWidth = Infinity }, index) => cut(row[index] ?? '', maxWidth)))
  const room = width - widthOf(indent)
  const widths = vertical ? undefined : fitted(columns, cells, room)
  if (widths === undefined) return formatRecords(columns, vertical ? rows : cells, { paint, indent, room })
  const line = (texts: readonly string[]) =>
    `${indent}${texts
      .map((text, index) => padded(text, widths[index] ?? 0, columns[index]?.align === 'right' ? 'right' : 'left'))
      .join(' '.repeat(GAP))
      .trimEnd()}\n`
  const lines = (row: readonly string[]) => {
    const pieces = row.map((text, index) => wrapped(text, widths[index] ?? Infinity))
    const height = Math.max(1, ...pieces.map(({ length }) => length))
    return Array.from({ length: height }, (_, at) => line(pieces.map((piece) => piece[at] ?? ''))).join('')
  }
  const head = lines(columns.map(({ title }) => title)).replace(/\n$/, '')
  return `${head
    .split('\n')
    .map((text) => paint('dim', text))
    .join('\n')}\n${cells.map(lines).join('')}`
}

/** The widths of columns that fit; undefined where none do. */
function fitted(columns: readonly Column[], cells: readonly (readonly string[])[], room: number): number[] | undefined {
  const widths = columns.map(({ title }, index) =>
    Math.max(widthOf(title), ...cells.map((row) => widthOf(row[index] ?? ''))),
  )
  // Numbers are not broken, nor are coloured texts, which are short states.
  const least = columns.map(({ align }, index) =>
    align === 'right' || cells.some((row) => (row[index] ?? '').includes('\u001B'))
      ? (widths[index] ?? 0)
      : Math.min(widths[index] ?? 0, NARROWEST),
  )
  let excess = widths.reduce((sum, width) => sum + width, 0) + GAP * (columns.length - 1) - room
  while (excess > 0) {
    const widest = widths.reduce(
      (best, width, index) => (width > (least[index] ?? 0) && width > (widths[best] ?? 0) ? index : best),
      widths.findIndex((width, index) => width > (least[index] ?? 0)),
    )
    const width = widths[widest]
    if (width === undefined) return undefined
    widths[widest] = width - 1
    excess -= 1
  }
  return widths
}

function formatRecords(
  columns: readonly Column[],
  rows: readonly (readonly (string | undefined)[])[],
  { paint, indent, room }: { readonly paint: Paint; readonly indent: string; readonly room: number },
): string {
  const titleWidth = Math.max(0, ...columns.map(({ title }) => widthOf(title)))
  const valueWidth = Math.max(NARROWEST, room - titleWidth - GAP)
  const space = ' '.repeat(titleWidth + GAP)
  return rows
    .map((row) =>
      columns
        .map(({ title }, index) => {
          const [first = '', ...more] = wrapped(row[index] ?? '', valueWidth)
          const name = paint('dim', padded(title, titleWidth, 'left'))
          return [`${indent}${name}  ${first}`.trimEnd(), ...more.map((text) => `${indent}${space}${text}`)]
            .map((text) => `${text}\n`)
            .join('')
        })
        .join(''),
    )
    .join('\n')
}

/** A query's result as a table: numbers right-aligned. */
function formatRows(
  columns: readonly string[],
  rows: readonly (readonly { readonly text: string; readonly isNumber: boolean }[])[],
  options: TableOptions & { readonly maxWidth?: number } = {},
): string {
  const { maxWidth = 60 } = options
  return formatTable(
    columns.map((title, index) => {
      const values = rows.map((row) => row[index]).filter((cell) => cell !== undefined && cell.text !== '')
      const isNumeric = values.length > 0 && values.every((cell) => cell?.isNumber === true)
      return { title, maxWidth, ...(isNumeric ? { align: 'right' as const } : {}) }
    }),
    rows.map((row) => row.map(({ text }) => text)),
    options,
  )
}

/** The rows of a query as a table, numbers right-aligned with thousands separators. */
export function formatResult(
  result: { readonly columns: readonly string[]; readonly rows: readonly Readonly<Record<string, unknown>>[] },
  options: TableOptions & { readonly maxWidth?: number } = {},
): string {
  const cells = result.rows.map((row) =>
    result.columns.map((column) => ({
      text: formatCell(column, row[column]),
      isNumber: isNumber(row[column]),
    })),
  )
  return formatRows(result.columns, cells, options)
}

/** Decimals are texts, so that no digit is lost. */
function isNumber(value: unknown): boolean {
  if (typeof value === 'string') return /^-?\d+(\.\d+)?$/.test(value)
  return typeof value === 'number' || typeof value === 'bigint'
}
