import { formatCell } from './format-value.ts'
import { formatRows, type TableOptions } from './format-table.ts'

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
