import { literal } from '@cinelake/sql'
import type { ForeseenCsv } from './readable.ts'

/** Column with the flag of a copy's records. */
export const FLAG_COLUMN = 'cinelake.flag'

/** Column with the number of a record's file in a batch. */
export const FILE_COLUMN = 'cinelake.number'

/** Column with the text of a field. */
export function fieldColumn(place: number): string {
  return `cinelake.field${place}`
}

/**
 * A readable file as a relation with a VARCHAR column per field, and `FLAG_COLUMN` where it is a copy. Every parse option is
 * given: the engine does not report wrong guesses.
 * @param keepsEmpty whether an empty text in quotes is a text; in a file of one column it is how no value is written
 */
export function csvRelation(csv: ForeseenCsv, keepsEmpty: boolean): string {
  const fields = Array.from({ length: csv.fieldCount }, (_, place) => fieldColumn(place))
  const columns = [...(csv.isCopy ? [FLAG_COLUMN] : []), ...(csv.isBatch === true ? [FILE_COLUMN] : []), ...fields].map(
    (name) => `${literal(name)}: 'VARCHAR'`,
  )
  const options = [
    'auto_detect = false',
    // `strict_mode` keeps its default, true: given together with CRLF and a header (1.5.6), it makes the file empty.
    `header = ${csv.hasHeader}`,
    `delim = ${literal(csv.dialect.delimiter)}`,
    `quote = ${literal(csv.dialect.quote)}`,
    `escape = ${literal(csv.dialect.quote)}`,
    // By default the engine takes the first line end that it sees, though it may be within quotes.
    `new_line = ${csv.lineEnd === '\n' ? String.raw`'\n'` : String.raw`'\r\n'`}`,
    "nullstr = ''",
    ...(keepsEmpty && csv.fieldCount > 1 ? ['allow_quoted_nulls = false'] : []),
    `columns = {${columns.join(', ')}}`,
    // The same as for Parquet: see `landedParquet`.
    'hive_partitioning = false',
  ]
  return `read_csv(${literal(csv.file)}, ${options.join(', ')})`
}
