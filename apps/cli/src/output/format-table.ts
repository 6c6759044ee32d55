import { plainPaint, type Paint } from './terminal.ts'
import { cut, padded, widthOf } from './width.ts'

export type Column = {
  readonly title: string
  /** Numbers stand at the right. */
  readonly align?: 'left' | 'right'
  /** Wider cells are cut. */
  readonly maxWidth?: number
}

export type TableOptions = { readonly paint?: Paint; readonly indent?: string }

/** Rows under their columns' titles, aligned; `undefined` cells are empty. Ends in a line break. */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly (string | undefined)[])[],
  { paint = plainPaint, indent = '' }: TableOptions = {},
): string {
  const cells = rows.map((row) => columns.map(({ maxWidth = Infinity }, index) => cut(row[index] ?? '', maxWidth)))
  const widths = columns.map(({ title }, index) =>
    Math.max(widthOf(title), ...cells.map((row) => widthOf(row[index] ?? ''))),
  )
  const line = (texts: readonly string[]) =>
    `${indent}${texts
      .map((text, index) => padded(text, widths[index] ?? 0, columns[index]?.align === 'right' ? 'right' : 'left'))
      .join('  ')
      .trimEnd()}\n`
  const head = paint('dim', line(columns.map(({ title }) => title)).trimEnd())
  return `${head}\n${cells.map(line).join('')}`
}

/** A query's result as a table: numbers at the right. */
export function formatRows(
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
