import type { OpsSchema } from '@cinelake/run-store'
import { prepareSchema } from '@cinelake/run-store/write'
import { runService } from '@cinelake/service'
import { azureCredential } from '@cinelake/service/azure'
import { warehouseEnv, warehouseSettings } from '@cinelake/warehouse'
import { openDatabase } from '@cinelake/warehouse/open'
import { z } from 'zod'

// Brings the schema `ops` up to date and ends: for a job before a new version of the scheduler is rolled out. Doing it
// again does nothing. Exit codes: 0 it is up to date, 1 it is not, 78 the settings cannot be used.

const MigrateEnv = z.object(warehouseEnv).transform((env) => ({ warehouse: warehouseSettings(env) }))

await runService('scheduler-migrate', MigrateEnv, async ({ config, log, use, stop }) => {
  const database = use(await openDatabase<OpsSchema>(config.warehouse, { credential: azureCredential, log }))
  await prepareSchema(database.db, 'auto')
  log.info({ database: database.location }, 'the run history is up to date')
  stop('done')
})
