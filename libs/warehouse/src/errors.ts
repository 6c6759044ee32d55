import { TerminalError, TransientError, type ErrorContext } from '@cinelake/core'

/** The database does not answer, or another transaction was in the way. Another try may help. */
export class WarehouseUnavailableError extends TransientError {
  readonly code = 'WAREHOUSE_UNAVAILABLE'

  constructor(location: string, reason: string, options?: ErrorOptions) {
    super(
      `the warehouse could not do it now [location=${location}]: ${reason}; it is tried again`,
      { location, reason },
      options,
    )
  }
}

/** The server does not let the service in, or cannot be trusted. Another try with the same settings cannot help. */
export class WarehouseLoginError extends TerminalError {
  readonly code = 'WAREHOUSE_LOGIN_REFUSED'

  constructor(location: string, reason: string, options?: ErrorOptions) {
    super(
      `the warehouse cannot be logged in to [location=${location}]: ${reason}; check CINELAKE_WAREHOUSE (user, database, encryption) ` +
        'and the password (in the address or CINELAKE_WAREHOUSE_PASSWORD) or the rights of the identity of the service',
      { location, reason },
      options,
    )
  }
}

/** The database refuses these rows or this table for good. Never says which row: values may be personal data. */
export class WarehouseRefusedError extends TerminalError {
  readonly code = 'WAREHOUSE_REFUSED'

  constructor(table: string, problem: string, remedy: string, context: ErrorContext = {}, options?: ErrorOptions) {
    super(
      `the warehouse refused the rows [table=${table}]: ${problem}; the table is as it was before; ${remedy}`,
      { table, ...context },
      options,
    )
  }
}

/** Another pipeline has a table of this name in this schema, or a person made one: it is not overwritten. */
export class WarehouseTableTakenError extends TerminalError {
  readonly code = 'WAREHOUSE_TABLE_TAKEN'

  /** @param owner undefined: no pipeline made it */
  constructor(table: string, pipeline: string, owner: string | undefined) {
    const found = owner === undefined ? 'one that no pipeline made' : `one of pipeline ${owner}`
    const unlessUsed = owner === undefined ? 'rename or drop that table' : `drop it, if ${owner} is not run any more`
    super(
      `the table is not this pipeline's [table=${table}, pipeline=${pipeline}]: expected a table of pipeline ${pipeline} or none, ` +
        `got ${found}; nothing was changed; serve it under another name (\`as\` under \`serve\`) or in another schema ` +
        `(\`schema\` in pipeline.yaml), or ${unlessUsed}`,
      { table, pipeline, ...(owner === undefined ? {} : { owner }) },
    )
  }
}
/** What names a query could have meant. */
export type UnknownName = { readonly kind: 'table' | 'column'; readonly name: string }

/** A query that an analyst typed does not run, or is not one that reads. */
export class WarehouseQueryError extends TerminalError {
  readonly code = 'WAREHOUSE_QUERY_INVALID'
  /** Why, without the place. */
  readonly problem: string
  /** Characters from 1. */
  readonly position: number | undefined
  /** The name that the database does not know. */
  readonly unknown: UnknownName | undefined

  constructor(
    problem: string,
    position: number | undefined,
    { unknown, ...options }: ErrorOptions & { readonly unknown?: UnknownName | undefined } = {},
  ) {
    super(
      `the query does not run${position === undefined ? '' : ` [position=${position}]`}: ${problem}`,
      position === undefined ? {} : { position },
      options,
    )
    this.problem = problem
    this.position = position
    this.unknown = unknown
  }

  static notAQuery(): WarehouseQueryError {
    return new WarehouseQueryError(
      'expected a query (SELECT, VALUES or WITH … SELECT), got a statement without a result',
      undefined,
    )
  }

  static tooLong(timeoutMs: number, options?: ErrorOptions): WarehouseQueryError {
    return new WarehouseQueryError(
      `it was stopped, since it took longer than a query may (${timeoutMs / 1000} s): ask for fewer rows, allow more time, or let a model compute it once a day`,
      undefined,
      options,
    )
  }
}

/** Another process works on the database's directory; two at once would destroy it. Later it may have ended. */
export class WarehouseInUseError extends TransientError {
  readonly code = 'WAREHOUSE_IN_USE'

  constructor(directory: string, holder: string, lockFile: string) {
    super(
      `the embedded database is in use [directory=${directory}]: expected no other process, got ${holder}; ` +
        `wait until it has ended, use another state directory, or, if that process no longer exists, delete ${lockFile}`,
      { directory, holder, lockFile },
    )
  }
}

/** There is no room for the embedded database. What it holds is whole; another try helps once there is room. */
export class WarehouseDiskFullError extends TransientError {
  readonly code = 'WAREHOUSE_DISK_FULL'

  constructor(directory: string, options?: ErrorOptions) {
    super(
      `the disk of the embedded database is full [directory=${directory}]: no space left on device; ` +
        'make room there, or use another state directory: nothing is lost, and the next start goes on',
      { directory },
      options,
    )
  }
}

/** The disk or its permissions keep the embedded database from being opened: nothing is wrong with what it holds. */
export class WarehouseDirectoryUnusableError extends TransientError {
  readonly code = 'WAREHOUSE_DIRECTORY_UNUSABLE'

  constructor(directory: string, reason: string, options?: ErrorOptions) {
    super(
      `the directory of the embedded database cannot be used [directory=${directory}]: ${reason}; ` +
        'check its disk and who may read and write there',
      { directory, reason },
      options,
    )
  }
}

/** The directory holds something that is not a usable database. */
export class WarehouseDirectoryError extends TerminalError {
  readonly code = 'WAREHOUSE_DIRECTORY_INVALID'

  constructor(directory: string, reason: string, options?: ErrorOptions) {
    super(
      `the embedded database could not be opened [directory=${directory}]: ${reason}; ` +
        'move the directory away to begin with an empty warehouse (the next run loads every table again from the lake)',
      { directory, reason },
      options,
    )
  }
}
