import type { OpsSchema } from '@cinelake/run-store'
import { prepareSchema } from '@cinelake/run-store/write'
import { runService } from '@cinelake/service'
import { azureCredential } from '@cinelake/service/azure'
import { databaseEnv, databaseSettings } from '@cinelake/database'
import { openDatabase } from '@cinelake/database/open'
import { z } from 'zod'

// Migrates the schema `ops` and exits: for a job before a new version of the scheduler is rolled out. Idempotent. Exit
// codes: 0 the schema is up to date, 1 it is not, 78 the settings are invalid.

const MigrateEnv = z.object(databaseEnv).transform((env) => ({ database: databaseSettings(env) }))

await runService('scheduler-migrate', MigrateEnv, async ({ config, log, use, stop }) => {
  const database = use(await openDatabase<OpsSchema>(config.database, { credential: azureCredential, log }))
  await prepareSchema(database.db, 'auto')
  log.info({ database: database.location }, 'the run history is up to date')
  stop('done')
})
