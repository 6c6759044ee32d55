import type { JsonObject } from '@cinelake/json-rows'

/** Why a text is not valid CSV, as text without values. */
export class CsvProblem extends Error {}

const DELIMITERS = [',', ';', '\t', '|']

/**
 * The rows of a CSV text as records, by the names in its first row. Values stay texts; an empty cell is null, an empty
 * quoted text is an empty text.
 * @param delimiter detected from the first row if undefined
 * @throws {CsvProblem}
 */
export function csvRecords(text: string, delimiter?: string): JsonObject[] {
  const rows = csvRows(text, delimiter ?? delimiterOf(text))
  const header = rows.next().value?.cells.map((name, index) => (name?.trim() ?? '') || `column_${index + 1}`)
  if (header === undefined) return []
  const twice = header.find((name, index) => header.indexOf(name) !== index)
  if (twice !== undefined) throw new CsvProblem(`a first row in which the name ${twice} is there twice`)
  const records: JsonObject[] = []
  for (const { cells, line } of rows) {
    if (cells.length !== header.length) {
      throw new CsvProblem(`a row of ${cells.length} cells in line ${line}, where the first row has ${header.length}`)
    }
    records.push(Object.fromEntries(header.map((name, index) => [name, cells[index] ?? null])))
  }
  return records
}

function delimiterOf(text: string): string {
  const end = /\r|\n/.exec(text)?.index ?? text.length
  const first = text.slice(0, end).replaceAll(/"[^"]*"/g, '')
  const counts = DELIMITERS.map((delimiter) => first.split(delimiter).length)
  return DELIMITERS[counts.indexOf(Math.max(...counts))] ?? ','
}

type Row = { readonly cells: readonly (string | null)[]; readonly line: number }

/** Rows by RFC 4180, with any line end. Empty lines are skipped. */
function* csvRows(text: string, delimiter: string): Generator<Row, undefined> {
  // A cell is quoted, or extends to the next delimiter or line end.
  const cell = new RegExp(
    `(?:"([^"]*(?:""[^"]*)*)"|([^${RegExp.escape(delimiter)}\\r\\n]*))(${RegExp.escape(delimiter)}|\\r\\n|\\r|\\n|$)`,
    'y',
  )
  let line = 1
  let cells: (string | null)[] = []
  let rowLine = 1
  while (cell.lastIndex < text.length) {
    if (cells.length === 0) rowLine = line
    const from = cell.lastIndex
    const [whole = '', quoted, plain = '', end = ''] = cell.exec(text) ?? []
    if (whole === '' || (quoted === undefined && plain.startsWith('"'))) {
      throw new CsvProblem(`a cell in line ${line} whose quotes do not end where it does`)
    }
    line += text.slice(from, from + whole.length).split(/\r\n|\r|\n/).length - 1
    cells.push(quoted === undefined ? plain || null : quoted.replaceAll('""', '"'))
    const isEnd = end !== delimiter
    if (!isEnd && cell.lastIndex === text.length) cells.push(null)
    if (!isEnd && cell.lastIndex < text.length) continue
    if (!(cells.length === 1 && cells[0] === null)) yield { cells, line: rowLine }
    cells = []
  }
  return undefined
}
