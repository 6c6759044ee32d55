import { defineErrors, terminal, transient } from '@cinelake/core'

export const deliveryErrors = defineErrors({
  /** A command names a delivery that its pipeline does not have. */
  DELIVERY_UNKNOWN: terminal((delivery: string, pipeline: string) => [
    `the delivery is not declared [delivery=${delivery}, pipeline=${pipeline}]: expected it under \`deliver\`, got nothing; ` +
      'add it there, or start the run again with the pipeline as it is now',
    { delivery, pipeline },
  ]),

  /** A value that the format has no exact form for, or more rows than a file may have. Nothing was written. */
  DELIVERY_VALUE_REFUSED: terminal((file: string, row: string, problem: string) => [
    `the file cannot hold the table exactly [file=${file}, row=${row}]: ${problem}; nothing was delivered. ` +
      'Correct or leave out the value in a model, leave the column out with `exclude`, or choose another format',
    { file, row },
  ]),

  /** Files that are named for a window, and tables that have later ones: what they had then is not to be had any more. */
  DELIVERY_WINDOW_PASSED: terminal((delivery: string, window: string, tables: readonly string[]) => [
    `files named for a window cannot be made any more [delivery=${delivery}, window=${window}]: expected tables as of that window, ` +
      `got later windows in ${tables.join(', ')}; \`cinelake rebuild DIR ${tables[0] ?? 'TABLE'}\` makes a table again window by window, ` +
      'or give the files a name that does not tell windows apart',
    { delivery, window, tables: tables.join(', ') },
  ]),

  /** A file that another program made, or another delivery, has the name of one that is to be delivered. */
  DELIVERY_FILE_TAKEN: terminal((file: string, place: string, owner: string) => [
    `the name of a file is taken [file=${file}, place=${place}]: expected none, or one of this delivery, got one of ${owner}; ` +
      'move it away, or give the delivery another `path` or `file`',
    { file, place },
  ]),

  /** What was read back of a file is not what was written. Nothing was delivered. */
  DELIVERY_READ_BACK: terminal((file: string, expected: number, actual: number) => [
    `the file is not what was written [file=${file}]: expected ${expected} rows as they are in the table, ` +
      `got ${actual === expected ? 'other values' : `${actual} rows`} when it was read back; nothing was delivered. ` +
      'Choose another format, or report this together with the types of the columns',
    { file, expected, actual },
  ]),

  /** The refined table and its log differ. */
  DELIVERY_COUNT_WRONG: terminal((table: string, expected: number, actual: number) => [
    `the refined table has another number of rows than its log says [table=${table}]: expected ${expected}, got ${actual}; ` +
      `rebuild the table from raw: \`cinelake rebuild DIR ${table}\` (DIR is the folder of its pipeline)`,
    { table, expected, actual },
  ]),

  /** The bytes at the place are not those that were sent. */
  DELIVERY_UPLOAD_DAMAGED: transient((file: string, place: string) => [
    `the file was damaged on its way [file=${file}, place=${place}]: expected the SHA-256 of what was sent, got another; the next attempt sends it again`,
    { file, place },
  ]),
})
