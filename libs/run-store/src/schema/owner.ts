import { defineErrors, terminal } from '@cinelake/core'
import { isUniqueViolation } from '../errors.ts'
import { OPS, type OwnerTable, type RunDatabase } from './tables.ts'
import { stepsOf } from './version.ts'

/**
 * Whose run history it is: a deployed scheduler's, which works on it at any time, or that of a process which has all
 * services in it (`cinelake run`) and takes everything unfinished for its own.
 */
export type Owner = OwnerTable['kind']

export const ownerErrors = defineErrors({
  /** A process with all services in it was given the run history of a deployed platform. */
  OPS_DEPLOYED: terminal((location: string) => [
    `the run history belongs to a deployed scheduler [database=${location}]: expected the history of this machine's runs, since a run continues ` +
      'whatever is unfinished; set CINELAKE_API to the address of the scheduler to have it run the pipeline, or unset ' +
      'CINELAKE_DATABASE, CINELAKE_WAREHOUSE and CINELAKE_LAKE to run it here',
    { database: location },
  ]),

  /** The run history of a database server was made by a version that did not note whose it is. */
  OPS_OWNER_UNKNOWN: terminal((location: string) => [
    `the run history does not say whose it is [database=${location}]: expected the history of this machine's runs, got one made by an ` +
      'earlier version or the `migrate` program; if a scheduler is deployed on it, set CINELAKE_API to its address; if ' +
      'there is none, say so once with --adopt',
    { database: location },
  ]),
})

/** The step that adds the table. */
const OWNER_STEP = '0004_pipeline_origin'

/**
 * Keeps a process with all services in it away from the runs of a deployed scheduler. Changes nothing, and comes before
 * everything that does.
 * @param adopt takes a run history whose owner was never noted
 * @throws {OPS_DEPLOYED} terminal @throws {OPS_OWNER_UNKNOWN} terminal
 */
export async function refuseDeployed(database: RunDatabase, { adopt = false } = {}): Promise<void> {
  const { executed } = await stepsOf(database.db)
  if (executed.length === 0) return
  const owner = executed.includes(OWNER_STEP) ? await ownerOf(database) : undefined
  if (owner === 'deployed') throw ownerErrors.OPS_DEPLOYED(database.location)
  // A directory is one process's at a time, and hardly ever a deployed scheduler's.
  const isServer = !database.location.startsWith('pglite:')
  if (owner === undefined && isServer && !adopt) throw ownerErrors.OPS_OWNER_UNKNOWN(database.location)
}

/** Notes whose run history it is. What was a machine's own becomes a deployed scheduler's when one starts on it. */
export async function noteOwner(database: RunDatabase, kind: Owner, at: Date): Promise<void> {
  const known = await ownerOf(database)
  if (known === kind) return
  const db = database.db.withSchema(OPS)
  if (known !== undefined) {
    await db.updateTable('owner').set({ kind, since: at }).where('id', '=', ONLY).execute()
    return
  }
  try {
    await db.insertInto('owner').values({ id: ONLY, kind, since: at }).execute()
  } catch (error) {
    // Another replica has noted the same.
    if (!isUniqueViolation(error)) throw error
  }
}

/** The key of the table's only row. */
const ONLY = 1

async function ownerOf(database: RunDatabase): Promise<Owner | undefined> {
  const db = database.db.withSchema(OPS)
  return (await db.selectFrom('owner').select('kind').where('id', '=', ONLY).executeTakeFirst())?.kind
}
