import { defineErrors, terminal, TerminalError, transient } from '@cinelake/core'

export const deltaErrors = defineErrors({
  /** Another writer committed first, and this commit's basis has changed. Transient: a retry sees the new state. */
  DELTA_CONFLICT: transient((table: string, expected: string, got: string) => [
    `commit to a Delta table met another [table=${table}]: expected ${expected}, got ${got}; run the task again on the new version`,
    { table },
  ]),

  /** Rows that cannot be put into a partition. */
  DELTA_PARTITION_INVALID: terminal((table: string, column: string) => [
    `partition column holds empty text [table=${table} column=${column}]: expected a word or NULL, which a Delta table cannot ` +
      `tell from empty text; write NULLIF(${column}, '') or another word`,
    { table, column },
  ]),

  /** A merge that has no single outcome. */
  DELTA_MERGE_AMBIGUOUS: terminal((table: string, key: readonly string[], keyCount: number) => [
    `merge has several new rows of one key [table=${table} key=${key.join(',')}]: expected one row of each key, got ${keyCount} keys with more; deduplicate the query`,
    { table, key: key.join(','), keyCount },
  ]),
})

/** The columns to write cannot be the table's. */
export class DeltaSchemaError extends TerminalError {
  readonly code = 'DELTA_SCHEMA_MISMATCH'
  readonly problems: readonly string[]

  constructor(table: string, problems: readonly string[]) {
    super(`columns do not fit the Delta table [table=${table}]: ${problems.join('; ')}`, { table })
    this.problems = problems
  }
}

/** The command that rebuilds a table from raw: the remedy for every loss or damage. */
function rebuilding(table: string): string {
  return `rebuild the table from raw: \`cinelake rebuild DIR ${tableNameOf(table)}\` (DIR is the folder of its pipeline; name all tables that are lost, or \`--all\`; what depends on a table and is lost as well begins again with it)`
}

/** `refined/titles` → `titles` */
function tableNameOf(table: string): string {
  return table.slice(table.lastIndexOf('/') + 1)
}

/** The log is incomplete or damaged. */
export class DeltaCorruptError extends TerminalError {
  readonly code = 'DELTA_LOG_CORRUPT'

  /** @param place lake path of the file, and the line where it is known */
  constructor(place: string, expected: string, got: string, options?: ErrorOptions) {
    const [table = place] = place.split('/_delta_log', 1)
    super(
      `Delta log is damaged [table=${tableNameOf(table)} file=${place}]: expected ${expected}, got ${got}; restore it from a copy, or ${rebuilding(table)}`,
      { table, file: place },
      options,
    )
  }
}

/** A data file that the log names is missing or was modified. */
export class DeltaFileDamagedError extends TerminalError {
  readonly code = 'DELTA_FILE_DAMAGED'

  /** @param file lake path */
  constructor(table: string, file: string, expected: string, got: string, options?: ErrorOptions) {
    super(
      `data file of a Delta table is damaged [table=${tableNameOf(table)} file=${file}]: expected ${expected}, got ${got}; restore the file from a copy, or ${rebuilding(table)}`,
      { table, file },
      options,
    )
  }
}

/** A known state of a table is missing: the table was deleted, or replaced by an older copy. */
export class TableLostError extends TerminalError {
  readonly code = 'TABLE_LOST'

  constructor(table: string, known: number, got: string) {
    super(
      `a table has lost what it held [table=${tableNameOf(table)} path=${table}]: expected version ${known} or a later one, which is known to have been made, got ${got}; nothing was written: restore the folder from a copy that is not older, or ${rebuilding(table)}`,
      { table, version: known },
    )
  }
}

/** The log of a table is intact, but data files that it names are missing, or of another size. */
export class TableFilesLostError extends TerminalError {
  readonly code = 'TABLE_FILES_LOST'

  /** @param lost how many, and the first of them, relative to the table */
  constructor(
    table: string,
    { version, files }: { readonly version: number; readonly files: readonly unknown[] },
    { count, named }: { readonly count: number; readonly named: readonly string[] },
  ) {
    const more = count > named.length ? ` and ${count - named.length} more` : ''
    super(
      `data files of a table are gone or cut off [table=${tableNameOf(table)} path=${table} version=${version}]: expected the ${files.length} that its log names, got ${files.length - count} of them, without ${named.join(', ')}${more}; nothing was written: restore the files from a copy, or ${rebuilding(table)}`,
      { table, version, fileCount: count },
    )
  }
}

/** Another table exists in place of a known one: the versions are not comparable. */
export class TableReplacedError extends TerminalError {
  readonly code = 'TABLE_REPLACED'

  constructor(table: string, known: { readonly version: number; readonly id: string }, gotId: string) {
    super(
      `another table is in the place of the one that is known [table=${tableNameOf(table)} path=${table}]: expected version ${known.version} of the table with id ${known.id}, got a table with id ${gotId}; nothing was written: put the right folder back, or ${rebuilding(table)}`,
      { table, version: known.version, id: known.id, gotId },
    )
  }
}

/** A version that the table does not have, or no longer. */
export class DeltaVersionMissingError extends TerminalError {
  readonly code = 'DELTA_VERSION_MISSING'
  /** The existing versions, as a phrase. */
  readonly got: string

  constructor(table: string, version: number, got: string) {
    super(
      `version of a Delta table is not there [table=${table} version=${version}]: ${got}; name another version, or, where this one is known to have been made, ${rebuilding(table)}`,
      { table, version },
    )
    this.got = got
  }
}

/** A table of another writer that uses more of the Delta protocol than is supported here. */
export class DeltaUnsupportedError extends TerminalError {
  readonly code = 'DELTA_UNSUPPORTED'

  constructor(table: string, expected: string, got: string) {
    super(
      `Delta table needs what is not supported [table=${table}]: expected ${expected}, got ${got}; drop the feature with the tool that set it, or write to a new table`,
      { table },
    )
  }
}
