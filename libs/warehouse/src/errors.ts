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
