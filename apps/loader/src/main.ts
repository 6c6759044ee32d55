import { runTaskWorker } from '@cinelake/bus'
import { createMemoryBus } from '@cinelake/bus/memory'
import { openByScheme, systemClock } from '@cinelake/core'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import { createDirectoryLake } from '@cinelake/lake/directory'
import { runService, taskMetrics, workerName } from '@cinelake/service'
import { createPgliteWarehouse, openPgliteDatabase } from '@cinelake/warehouse/pglite'
import { LoaderEnv } from './config.ts'
import { createLoaderHandlers } from './handlers.ts'

await runService('loader', LoaderEnv, async ({ config, log, metrics, use }) => {
  const openLake = openByScheme(config.lake, { file: (root) => () => createDirectoryLake(root) }, 'CINELAKE_LAKE')
  const openDatabase = openByScheme(
    config.warehouse,
    { pglite: (directory) => () => openPgliteDatabase(directory) },
    'CINELAKE_WAREHOUSE',
  )
  const openBus = openByScheme(config.bus, { memory: () => () => createMemoryBus() }, 'CINELAKE_BUS')

  const lake = use(await openLake())
  const engine = use(await createDuckDbEngine(config.engine))
  const warehouse = use(await createPgliteWarehouse(use(await openDatabase())))
  const bus = use(openBus()) // last in, first closed: the intake stops before the storage

  use(
    await runTaskWorker({
      bus,
      queue: 'loader',
      worker: workerName(),
      handlers: createLoaderHandlers({ lake, engine, warehouse, clock: systemClock, log }),
      clock: systemClock,
      log,
      observe: taskMetrics(metrics),
      options: { concurrency: config.concurrency },
    }),
  )
})
