import type { CheckedDelivery, CsvForm } from '@cinelake/pipeline'
import { identifier, literal } from '@cinelake/sql'
import { CELL_CHARACTERS } from '@cinelake/xlsx'
import { textOf, type TypedColumn } from './text-forms.ts'

/** A condition under which a format cannot hold a row exactly, and what was expected instead. */
export type Unheld = { readonly condition: string; readonly problem: string }

type Form = Pick<CheckedDelivery, 'format' | 'csv'>

/** The conditions for rows that a format cannot hold exactly; none for most columns. */
export function unheldValues({ format, csv }: Form, columns: readonly TypedColumn[]): Unheld[] {
  if (format === 'parquet') return columns.flatMap(unheldInParquet)
  if (format === 'xlsx') return columns.flatMap(unheldInXlsx)
  const own = csv === undefined ? [] : columns.flatMap((column) => unheldInCsv(column, csv))
  return [...columns.flatMap(unheldInText), ...own, ...blankLines(columns, csv)]
}

const typeOf = ({ type }: TypedColumn) => type.trim().toUpperCase()
const isTime = (type: string) => type === 'DATE' || type.startsWith('TIMESTAMP')

/** Years of four digits: what ISO 8601 has a form for without an agreement. */
function unheldInText(column: TypedColumn): Unheld[] {
  const [type, value] = [typeOf(column), identifier(column.name)]
  if (!isTime(type)) return []
  const problem = `column ${column.name}: expected a time from 0001 to 9999, got an earlier or later one, or infinity`
  return [{ condition: `NOT isfinite(${value}) OR year(${value}) NOT BETWEEN 1 AND 9999`, problem }]
}

function unheldInCsv(column: TypedColumn, { dates, times, formulas }: CsvForm): Unheld[] {
  const [type, value] = [typeOf(column), identifier(column.name)]
  const form = type === 'DATE' ? dates : type.startsWith('TIMESTAMP') ? times : undefined
  if (form !== undefined) {
    const back = `try_strptime(strftime(${value}, ${literal(form)}), ${literal(form)})`
    const given = type === 'DATE' ? `${value}::TIMESTAMP` : `${value} AT TIME ZONE 'UTC'`
    const problem = `column ${column.name}: expected a value that its form keeps, got one that would lose a part`
    return [{ condition: `${value} IS NOT NULL AND isfinite(${value}) AND ${back} IS DISTINCT FROM ${given}`, problem }]
  }
  if (formulas === 'keep' || !type.startsWith('VARCHAR') || type.endsWith('[]')) return []
  const problem = `column ${column.name}: expected no text that a spreadsheet would calculate (\`formulas: refuse\`), got one`
  return [
    {
      condition: `regexp_matches(${value}, ${literal(FORMULA)}) AND NOT regexp_full_match(${value}, ${literal(NUMBER)})`,
      problem,
    },
  ]
}

/** The same texts as `guardFormula` of `@cinelake/csv`. */
const FORMULA = '^[\\s\\x{A0}\\x{FEFF}]*[=+\\-@\\x{FF1D}\\x{FF0B}\\x{FF0D}\\x{FF20}]|^[\\t\\r\\n]'
const NUMBER = '[+-]?\\d+(\\.\\d+)?([eE][+-]?\\d+)?'

/** Of a single column, NULL would be a blank line, which readers pass over. */
function blankLines([column, ...others]: readonly TypedColumn[], csv: CsvForm | undefined): Unheld[] {
  if (column === undefined || others.length > 0 || csv?.null !== '') return []
  const problem = `column ${column.name}: expected a value, as NULL alone in its row would be a blank line, got NULL; set \`csv.null\``
  return [{ condition: `${identifier(column.name)} IS NULL`, problem }]
}

/** Values that other readers take for numbers with another meaning. */
function unheldInParquet(column: TypedColumn): Unheld[] {
  const [type, value] = [typeOf(column), identifier(column.name)]
  if (isTime(type)) {
    const problem = `column ${column.name}: expected a finite time, got infinity`
    return [{ condition: `NOT isfinite(${value})`, problem }]
  }
  if (type !== 'TIME') return []
  const problem = `column ${column.name}: expected a time of day before 24:00, got 24:00:00`
  return [{ condition: `${value} = TIME '24:00:00'`, problem }]
}

function unheldInXlsx(column: TypedColumn): Unheld[] {
  const type = typeOf(column)
  const isLong = /^(?:VARCHAR|BLOB|STRUCT|MAP|UNION|JSON)/.test(type) || type.endsWith('[]')
  if (!isLong) return unheldInText(column)
  const text = textOf(column)
  // A text has at most as many UTF-16 units as bytes of UTF-8, and these are known without counting.
  const units = `length(${text}) + length(regexp_replace(${text}, '[^\\x{10000}-\\x{10FFFF}]', '', 'g'))`
  const problem = `column ${column.name}: expected at most ${CELL_CHARACTERS} characters in a cell, got more`
  return [{ condition: `strlen(${text}) > ${CELL_CHARACTERS} AND ${units} > ${CELL_CHARACTERS}`, problem }]
}
