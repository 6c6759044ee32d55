import { TerminalError, TransientError } from '@cinelake/core'

/** Another writer came first, and what this commit was based on is no longer so. Transient: the next try sees the new state. */
export class DeltaConflictError extends TransientError {
  readonly code = 'DELTA_CONFLICT'

  constructor(table: string, expected: string, got: string) {
    super(
      `commit to a Delta table met another [table=${table}]: expected ${expected}, got ${got}; run the task again on the new version`,
      { table },
    )
  }
}

/** The columns to write cannot be the table's. */
export class DeltaSchemaError extends TerminalError {
  readonly code = 'DELTA_SCHEMA_MISMATCH'
  readonly problems: readonly string[]

  constructor(table: string, problems: readonly string[]) {
    super(`columns do not fit the Delta table [table=${table}]: ${problems.join('; ')}`, { table })
    this.problems = problems
  }
}

/** Rows that cannot be put into a partition. */
export class DeltaPartitionError extends TerminalError {
  readonly code = 'DELTA_PARTITION_INVALID'

  constructor(table: string, column: string) {
    super(
      `partition column holds empty text [table=${table} column=${column}]: expected a word or NULL, which a Delta table cannot ` +
        `tell from empty text; write NULLIF(${column}, '') or another word`,
      { table, column },
    )
  }
}

/** A merge that has no single outcome. */
export class DeltaMergeError extends TerminalError {
  readonly code = 'DELTA_MERGE_AMBIGUOUS'

  constructor(table: string, key: readonly string[], keyCount: number) {
    super(
      `merge has several new rows of one key [table=${table} key=${key.join(',')}]: expected one row of each key, got ${keyCount} keys with more; deduplicate the query`,
      { table, key: key.join(','), keyCount },
    )
  }
}

/** The log cannot be trusted: something is missing or damaged. */
export class DeltaCorruptError extends TerminalError {
  readonly code = 'DELTA_LOG_CORRUPT'

  /** @param place lake path of the file, and the line where it is known */
  constructor(place: string, expected: string, got: string, options?: ErrorOptions) {
    super(
      `Delta log is damaged [file=${place}]: expected ${expected}, got ${got}; restore the file, or rebuild the table from raw`,
      { file: place },
      options,
    )
  }
}

/** A version that the table does not have, or no longer. */
export class DeltaVersionMissingError extends TerminalError {
  readonly code = 'DELTA_VERSION_MISSING'

  constructor(table: string, version: number, got: string) {
    super(`version of a Delta table is not there [table=${table} version=${version}]: ${got}; name another version`, {
      table,
      version,
    })
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
