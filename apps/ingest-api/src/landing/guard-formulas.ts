import { csvRow } from './csv-text.ts'
import { readCsv } from './read-csv.ts'

/** What spreadsheets take for a formula, also in its wide forms. Source: owasp.org/www-community/attacks/CSV_Injection */
const FORMULA = /^[\s]*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]/

/** A number is harmless, and no number any more with a sign in front of it. */
const NUMBER = /^[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/

/** Bytes that are gathered before they are passed on. */
const BLOCK = 64 * 1024

/**
 * The same CSV with an apostrophe before each text that a spreadsheet would calculate. It is for people: no program reads
 * it, so nothing has to be undone.
 */
export async function* withoutFormulas(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let text = ''
  for await (const row of readCsv(bytes)) {
    text += `${csvRow(row.map((cell) => (cell === null ? null : guarded(cell))))}\n`
    if (text.length < BLOCK) continue
    yield Buffer.from(text)
    text = ''
  }
  yield Buffer.from(text)
}

const guarded = (cell: string) => (FORMULA.test(cell) && !NUMBER.test(cell) ? `'${cell}` : cell)
