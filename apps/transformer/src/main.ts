import { runTaskWorker } from '@cinelake/bus'
import { createMemoryBus } from '@cinelake/bus/memory'
import { openByScheme, systemClock } from '@cinelake/core'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import { createDirectoryLake } from '@cinelake/lake/directory'
import { runService, taskMetrics, workerName } from '@cinelake/service'
import { TransformerEnv } from './config.ts'
import { createTransformerHandlers } from './handlers.ts'

await runService('transformer', TransformerEnv, async ({ config, log, metrics, use }) => {
  const openLake = openByScheme(config.lake, { file: (root) => () => createDirectoryLake(root) }, 'CINELAKE_LAKE')
  const openBus = openByScheme(config.bus, { memory: () => () => createMemoryBus() }, 'CINELAKE_BUS')

  const lake = use(await openLake())
  const engine = use(await createDuckDbEngine(config.engine))
  const bus = use(openBus()) // last in, first closed: the intake stops before the storage

  use(
    await runTaskWorker({
      bus,
      queue: 'transformer',
      worker: workerName(),
      handlers: createTransformerHandlers({ lake, engine, clock: systemClock, log }),
      clock: systemClock,
      log,
      observe: taskMetrics(metrics),
      options: { concurrency: config.concurrency },
    }),
  )
})
