import { defineErrors, transient } from '@cinelake/core'

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
