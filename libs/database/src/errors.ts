import { defineErrors, terminal, transient, TransientError } from '@cinelake/core'

// Their codes are of the time when the one database was the warehouse's; alerts and runbooks know them.

/** The database does not answer, or another transaction conflicted. A retry may succeed. */
export class DatabaseUnavailableError extends TransientError {
  readonly code = 'WAREHOUSE_UNAVAILABLE'

  constructor(location: string, reason: string, options?: ErrorOptions) {
    super(
      `the database could not do it now [location=${location}]: ${reason}; it is tried again`,
      { location, reason },
      options,
    )
  }
}

export const databaseErrors = defineErrors({
  /** The server rejects the login, or its certificate is not trusted. A retry with the same settings cannot succeed. */
  WAREHOUSE_LOGIN_REFUSED: terminal((location: string, reason: string) => [
    `the database cannot be logged in to [location=${location}]: ${reason}; check its address (CINELAKE_WAREHOUSE, or CINELAKE_DATABASE ` +
      'for the run history: user, database, encryption) and the password (in the address or CINELAKE_…_PASSWORD), or the rights of the ' +
      'identity of the service',
    { location, reason },
  ]),

  /** The disk of the embedded database is full. Its content is intact; a retry succeeds once there is space. */
  WAREHOUSE_DISK_FULL: transient((directory: string) => [
    `the disk of the embedded database is full [directory=${directory}]: no space left on device; ` +
      'make room there, or use another state directory: nothing is lost, and the next start continues',
    { directory },
  ]),

  /** The disk or its permissions prevent opening the embedded database: its content is intact. */
  WAREHOUSE_DIRECTORY_UNUSABLE: transient((directory: string, reason: string) => [
    `the directory of the embedded database cannot be used [directory=${directory}]: ${reason}; ` +
      'check its disk and who may read and write there',
    { directory, reason },
  ]),

  /** The directory holds something that is not a usable database. */
  WAREHOUSE_DIRECTORY_INVALID: terminal((directory: string, reason: string) => [
    `the embedded database could not be opened [directory=${directory}]: ${reason}; ` +
      'move the directory away to begin with an empty warehouse (the next run loads every table again from the lake)',
    { directory, reason },
  ]),
})

/** Another process works on the database's directory; two at once would destroy it. Later it may have ended. */
export class DatabaseInUseError extends TransientError {
  readonly code = 'WAREHOUSE_IN_USE'

  constructor(directory: string, holder: string, lockFile: string) {
    super(
      `the embedded database is in use [directory=${directory}]: expected no other process, got ${holder}; ` +
        `wait until it has ended, use another state directory, or, if that process no longer exists, delete ${lockFile}`,
      { directory, holder, lockFile },
    )
  }
}
