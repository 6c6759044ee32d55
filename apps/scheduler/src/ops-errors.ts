import { TransientError } from '@cinelake/core'

/** The schema of the run history could not be brought up to date. */
export class OpsMigrationError extends TransientError {
  readonly code = 'OPS_MIGRATION_FAILED'

  constructor(migration: string, options?: ErrorOptions) {
    super(
      `the run history's schema could not be migrated [schema=ops migration=${migration}]: expected every step to apply, got an error; ` +
        'the step was undone: remedy the cause and start again',
      { migration },
      options,
    )
  }
}
