import type { WithQuality } from '@cinelake/bus'
import type { QualityResult } from '@cinelake/contracts'
import { defineErrors, terminal, TerminalError } from '@cinelake/core'
import type { CheckedDataset } from '@cinelake/pipeline'

/** Bytes that are not text, or a file that differs from the landed one. */
export class FileUnreadableError extends TerminalError {
  readonly code = 'REFINE_FILE_UNREADABLE'
  constructor(
    file: string,
    place: { readonly byte: number } | { readonly line: number },
    expected: string,
    actual: string,
    options?: ErrorOptions,
  ) {
    const [[key, value] = ['byte', 0]] = Object.entries(place)
    super(
      `file cannot be read [file=${file} ${key}=${value}]: expected ${expected}, got ${actual}; have the file sent again, or declare how it is written under \`read\` in pipeline.yaml`,
      { file, [key]: value },
      options,
    )
  }
}

export const refineErrors = defineErrors({
  /**
   * A file of another format than the dataset's.
   * @param actual the format found: "a PDF"
   * @param expected the format that the dataset states
   */
  REFINE_FILE_FORMAT: terminal((file: string, actual: string, expected = 'CSV, JSON, NDJSON, Parquet, XLSX or XML') => [
    `file has another format [file=${file}]: expected ${expected}, plain or packed with gzip, zip or zstd, got ${actual}; have it sent in such a format, or name only such files under \`files\` in pipeline.yaml`,
    { file, actual },
  ]),

  /**
   * A workbook of which it is not clear what is meant, or that does not fit into memory. Names sheets, never their content.
   * @param remedy what to do
   */
  REFINE_WORKBOOK_REFUSED: terminal((file: string, expected: string, actual: string, remedy: string) => [
    `workbook cannot be read [file=${file}]: expected ${expected}, got ${actual}; ${remedy}`,
    { file },
  ]),

  /** A file whose header lacks columns that the contract requires. Names columns, never their content. */
  REFINE_HEADER_MISMATCH: terminal((file: string, line: number, expected: string, actual: string) => [
    `header does not fit the contract [file=${file} line=${line}]: expected ${expected}, got ${actual}; name the source's spellings under \`columns\` in pipeline.yaml; say under \`read\` what a file without a header (\`header: false\`) or with lines before it (\`skip\`, \`comment\`) has; or have the file sent again`,
    { file, line },
  ]),

  /** The engine found other records in a file than were counted: a bug of this program or of the engine. */
  REFINE_RECORDS_LOST: terminal((file: string, expected: number, actual: number) => [
    `records got lost or made up while a file was read [file=${file}]: expected ${expected}, got ${actual}; nothing was committed: land the file again, and report it if this comes back`,
    { file, expected, actual },
  ]),

  /**
   * A column that has values in the table is not in what landed. Names columns, never their content.
   * @param file the first one without it
   * @param others further columns of that file that the contract does not know
   */
  REFINE_COLUMN_GONE: terminal(
    (gone: {
      readonly dataset: string
      readonly window: string
      readonly file: string
      readonly columns: readonly string[]
      readonly others: readonly string[]
      /** It is kept, but other files of the window have it. */
      readonly isMixed: boolean
    }) => {
      const { dataset, window, file, columns, others, isMixed } = gone
      const names = columns.join(', ')
      const instead =
        others.length === 0 ? '' : `, and ${others.slice(0, 5).join(', ')} that the contract does not know`
      const remedy = isMixed
        ? 'with `missingColumns: keep` all files of a window have a column or none has it: have the file sent again'
        : "have the file sent again, name the column's new spelling under `columns` in pipeline.yaml, or say `missingColumns: keep` (merged rows keep their values) or `empty` (rows have no value in it)"
      return [
        `a column with values in the table is gone from its source [dataset=${dataset} window=${window} file=${file}]: expected ${names}, got none${instead}; nothing was committed: ${remedy}`,
        { dataset, window, file, columns: names },
      ]
    },
  ),

  /** Rows to be appended have keys that another window has already brought. */
  REFINE_KEY_REPEATED: terminal(
    (repeated: {
      readonly dataset: Pick<CheckedDataset, 'name' | 'source' | 'sourceDataset' | 'contract'>
      readonly keyCount: number
      readonly window: string
      /** Absent where the key is personal data. */
      readonly key?: string
      readonly file: string
      readonly row: number
      readonly before: { readonly window: string; readonly files: readonly string[] }
    }) => {
      const { dataset, keyCount, window, key, file, row, before } = repeated
      const columns = dataset.contract.primaryKey.join(', ')
      const shown = before.files.slice(0, 3)
      const from = shown.length === 0 ? '' : ` (${shown.join(', ')}${before.files.length > shown.length ? ', …' : ''})`
      return [
        `rows to append have keys that are there already [dataset=${dataset.name} key=${columns} count=${keyCount} file=${file} row=${row}]: ` +
          `expected each key once with \`mode: append\`, got ${key ?? 'one'} in ${file} and before in window ${before.window}${from}; ` +
          `nothing was committed: correct the file and run \`cinelake run DIR --window ${window} --select ${dataset.source}/${dataset.sourceDataset}+\`, ` +
          'or use `mode: merge` if rows come again',
        { dataset: dataset.name, keyCount, window, file, row, before: before.window },
      ]
    },
  ),

  /**
   * Landed data that is recorded in the run history is no longer in raw.
   * @param path in the lake
   */
  RAW_LOST: terminal((dataset: string, window: string, path: string, what: string) => [
    `what landed is gone [dataset=${dataset} window=${window} file=${path}]: expected ${what}, got no such object in the lake; put it back from a copy, or ${landingAgain(window)}`,
    { dataset, window, file: path },
  ]),

  /**
   * A file in raw whose bytes are not those that landed.
   * @param path in the lake
   */
  RAW_DAMAGED: terminal((dataset: string, window: string, path: string, expected: string, actual: string) => [
    `a landed file is damaged [dataset=${dataset} window=${window} file=${path}]: expected ${expected}, got ${actual}; nothing was committed: put the file back from a copy, or ${landingAgain(window)}`,
    { dataset, window, file: path, expected, actual },
  ]),

  /** A command that contradicts its pipeline or its manifest. */
  REFINE_INPUT_INVALID: terminal((dataset: string, path: string, expected: string, actual: string, window: string) => [
    `refine cannot start [dataset=${dataset} path=${path}]: expected ${expected}, got ${actual}; ` +
      `land it again: \`cinelake run DIR --window ${window} --select +${dataset}+\``,
    { dataset, path },
  ]),

  /** Changes of a window before one that is already in the table: a row that was deleted since would come back. */
  REFINE_CHANGES_LATE: terminal((table: string, window: string) => [
    `changes come too late [table=${table} window=${window}]: expected those of each window before those of the next, got the table with a later window; \`cinelake rebuild DIR ${table}\` applies all windows in order`,
    { table, window },
  ]),
})

/** A packed file that cannot be unpacked. */
export class PackedFileError extends TerminalError {
  readonly code = 'REFINE_FILE_NOT_UNPACKED'
  constructor(file: string, expected: string, actual: string, options?: ErrorOptions) {
    super(
      `packed file cannot be unpacked [file=${file}]: expected ${expected}, got ${actual}; have the file sent again`,
      { file },
      options,
    )
  }
}

/** A packed file whose unpacked size exceeds the limit. */
export class UnpackedTooLargeError extends TerminalError {
  readonly code = 'REFINE_FILE_UNPACKED_TOO_LARGE'
  constructor(file: string, packedBytes: number, unpackedBytes: number, limitBytes: number) {
    super(
      `packed file is too large when it is unpacked [file=${file} packedBytes=${packedBytes} unpackedBytes=${unpackedBytes}]: expected at most ${limitBytes} bytes, got more; have it sent in parts, or raise CINELAKE_MAX_UNPACKED_BYTES of the transformer`,
      { file, packedBytes, unpackedBytes, limitBytes },
    )
  }
}

/** Rows broke a rule of severity `fail`, or the table as a whole did. */
export class RuleFailedError extends TerminalError implements WithQuality {
  readonly code = 'REFINE_RULE_FAILED'
  readonly quality: readonly QualityResult[]

  /** @param quality results of all rules, including the failed one */
  constructor(
    {
      dataset,
      window,
      isAboutRows,
    }: { readonly dataset: string; readonly window: string; readonly isAboutRows: boolean },
    failed: QualityResult,
    quality: readonly QualityResult[],
  ) {
    const { rule, failed: failedCount, checked } = failed
    const found = failed.detail ?? `expected every row to keep it, got ${failedCount} of ${checked} that do not`
    const rows = isAboutRows ? `\`cinelake rejects ${dataset} --window ${window}\` shows the rows; ` : ''
    super(
      `rule of severity fail is broken [dataset=${dataset} rule=${rule} failed=${failedCount}]: ${found}; the table keeps what it had: ${rows}correct the source, or the rule in the contract`,
      { dataset, rule, failedCount },
    )
    this.quality = quality
  }
}

/** More of a window's rows are rejected than its dataset allows. Names rules, never values. */
export class TooManyRejectedError extends TerminalError implements WithQuality {
  readonly code = 'REFINE_MOSTLY_REJECTED'
  readonly quality: readonly QualityResult[]

  /**
   * @param rejects rejected rows by the first rule that they break
   * @param quality results of all rules
   */
  constructor(
    { dataset, window, expected }: { readonly dataset: string; readonly window: string; readonly expected: string },
    { in: rowCount, rejected }: { readonly in: number; readonly rejected: number },
    rejects: Readonly<Record<string, number>>,
    quality: readonly QualityResult[],
  ) {
    const reasons = Object.entries(rejects).toSorted(([, one], [, other]) => other - one)
    const named = reasons.slice(0, NAMED_REASONS).map(([rule, count]) => `${rule} ${count}`)
    const told = `${named.join(', ')}${reasons.length > NAMED_REASONS ? ', …' : ''}`
    super(
      `too many rows are rejected [dataset=${dataset} window=${window} rejected=${rejected} rows=${rowCount}]: expected ${expected}, got ${rejected} of ${rowCount} (${told}); ` +
        `the table keeps what it had: \`cinelake rejects ${dataset} --window ${window}\` shows the rows; correct the source or how it is read, or allow a larger share with \`maxRejected\` in pipeline.yaml`,
      { dataset, window, rejected, rowCount },
    )
    const failed = { rule: 'max_rejected', severity: 'fail', checked: rowCount, failed: rejected } as const
    this.quality = [...quality, { ...failed, detail: `expected ${expected}, got ${rejected}: ${told}`.slice(0, 1000) }]
  }
}

/** Most reasons that an error names. */
const NAMED_REASONS = 3

/**
 * How to land a window again: a run that is requested again repeats an ingest whose landed data a task found to be
 * gone.
 */
function landingAgain(window: string): string {
  return `run the window again, which lands it again from its source: \`cinelake run DIR --window ${window}\` (DIR is the folder of the pipeline)`
}
