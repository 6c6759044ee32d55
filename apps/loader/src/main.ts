import { runTaskWorker } from '@cinelake/bus'
import { openBus } from '@cinelake/bus/open'
import { systemClock } from '@cinelake/core'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import { openPlace as openServer, placeSchemeOf } from '@cinelake/file-places'
import { openLake } from '@cinelake/lake/open'
import { createFill, guardSecrets } from '@cinelake/secrets'
import { openSecrets } from '@cinelake/secrets/open'
import { runService, taskMetrics, workerName } from '@cinelake/service'
import { azureCredential as credential } from '@cinelake/service/azure'
import { openWarehouse } from '@cinelake/warehouse/open'
import { LoaderEnv } from './config.ts'
import type { PlaceSettings } from './deliver/deliver-tables.ts'
import { onServer } from './deliver/server-place.ts'
import { createLoaderHandlers } from './handlers.ts'

await runService('loader', LoaderEnv, async ({ config, settings, log, meter, use, redact, redactWith }) => {
  const lake = use(await openLake(config.lake, { credential, log }))
  const engine = use(await createDuckDbEngine({ ...config.engine, directories: lake.localDirectories }))
  const warehouse = use(await openWarehouse(config.warehouse, { credential, log }))
  const secrets = use(guardSecrets(await openSecrets(config.secrets, { settings, credential })))
  redactWith(secrets.redact)
  const fill = createFill({ settings, secrets })
  const openPlace = async ({ path, access }: PlaceSettings) =>
    placeSchemeOf(path) === undefined
      ? await openLake({ url: `file:${path}`, scratch: config.lake.scratch }, { credential, log })
      : onServer(await openServer(path, access, { credential }))
  const bus = use(await openBus(config.bus, { credential, log })) // last in, first closed: the bus stops before the storage

  use(
    await runTaskWorker({
      bus,
      queue: 'loader',
      worker: workerName(),
      handlers: createLoaderHandlers({ lake, engine, warehouse, fill, openPlace, clock: systemClock, log }),
      clock: systemClock,
      log,
      redact,
      observe: taskMetrics(meter),
      options: { concurrency: config.concurrency },
    }),
  )
})
