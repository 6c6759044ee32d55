import { defineErrors, transient, terminal } from '@cinelake/core'
import { OPS } from './schema/tables.ts'

export const migrationErrors = defineErrors({
  /** The schema of the run history could not be brought up to date. */
  OPS_MIGRATION_FAILED: transient((migration: string) => [
    `the run history's schema could not be migrated [schema=ops migration=${migration}]: expected every step to apply, got an error; ` +
      'the step was undone: remedy the cause and start again',
    { migration },
  ]),
})

/** SQLSTATE of PostgreSQL, error numbers of SQL Server (a constraint, an index). */
const UNIQUE_VIOLATIONS: ReadonlySet<unknown> = new Set(['23505', 2627, 2601])

/** Whether a row of that key was there already. */
export function isUniqueViolation(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isUniqueViolation)
  if (!(error instanceof Error)) return false
  const { code, number } = error as { readonly code?: unknown; readonly number?: unknown }
  return UNIQUE_VIOLATIONS.has(code) || UNIQUE_VIOLATIONS.has(number)
}

export const historyErrors = defineErrors({
  /**
   * A run that is not in the history.
   * @param url of the scheduler that was asked
   */
  RUN_MISSING: terminal((run: string, url?: string) => [
    `there is no such run [run=${run}${url === undefined ? '' : ` url=${url}`}]: expected PIPELINE@WINDOW of a run in the history, got none; list them with \`cinelake status\` or GET /v1/runs`,
    { run, ...(url !== undefined && { url }) },
  ]),

  /** The database refuses to show the run history. */
  OPS_NOT_READABLE: terminal((location: string) => [
    `the run history cannot be read [database=${location}]: expected a user who may SELECT in the schema ${OPS}, got a refusal of the database; have that right granted, or ask the scheduler: set CINELAKE_API to its address`,
    { database: location },
  ]),
})
