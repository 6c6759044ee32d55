import { csvRow, guardFormula } from '@cinelake/core'
import { readCsv } from './read-csv.ts'

/** Bytes that are gathered before they are passed on. */
const BLOCK = 64 * 1024

/**
 * The same CSV with an apostrophe before each text that a spreadsheet would calculate. It is for people: no program reads
 * it, so nothing has to be undone.
 */
export async function* withoutFormulas(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let text = ''
  for await (const row of readCsv(bytes)) {
    text += `${csvRow(row.map((cell) => (cell === null ? null : guardFormula(cell))))}\n`
    if (text.length < BLOCK) continue
    yield Buffer.from(text)
    text = ''
  }
  yield Buffer.from(text)
}
