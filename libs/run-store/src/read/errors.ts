import { TerminalError } from '@cinelake/core'
import { OPS } from '../schema/tables.ts'

/** A run that is not in the history. */
export class RunMissingError extends TerminalError {
  readonly code = 'RUN_MISSING'

  constructor(run: string) {
    super(
      `there is no such run [run=${run}]: expected PIPELINE@WINDOW of a run in the history, got none; list them with \`cinelake status\` or GET /v1/runs`,
      { run },
    )
  }
}

/** The database refuses to show the run history. */
export class OpsUnreadableError extends TerminalError {
  readonly code = 'OPS_NOT_READABLE'

  constructor(location: string, options: ErrorOptions) {
    super(
      `the run history cannot be read [database=${location}]: expected a user who may SELECT in the schema ${OPS}, got a refusal of the database; have that right granted, or ask the scheduler: set CINELAKE_API to its address`,
      { database: location },
      options,
    )
  }
}
