import { defineErrors, terminal } from '@cinelake/core'
import { OPS } from '../schema/tables.ts'

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
