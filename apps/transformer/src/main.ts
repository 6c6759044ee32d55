import { runTaskWorker } from '@cinelake/bus'
import { openBus } from '@cinelake/bus/open'
import { systemClock } from '@cinelake/core'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import { openScratchSpace } from '@cinelake/lake'
import { openLake } from '@cinelake/lake/open'
import { runService, taskMetrics, workerName } from '@cinelake/service'
import { azureCredential as credential } from '@cinelake/service/azure'
import { join } from 'node:path'
import { openModelRunner } from './build/open-runner.ts'
import { TransformerEnv } from './config.ts'
import { createTransformerHandlers } from './handlers.ts'

await runService('transformer', TransformerEnv, async ({ config, log, meter, use, redact }) => {
  const lake = use(await openLake(config.lake, { credential, log }))
  const engine = use(await createDuckDbEngine({ ...config.engine, directories: lake.localDirectories }))
  const runner = use(await openModelRunner(config.runner, { lake, engine, clock: systemClock }))
  const scratch = use(await openScratchSpace(join(config.engine.scratchDirectory, 'transformer')))
  const bus = use(await openBus(config.bus, { credential, log })) // last in, first closed: the bus stops before the storage

  use(
    await runTaskWorker({
      bus,
      queue: 'transformer',
      worker: workerName(),
      handlers: createTransformerHandlers({
        lake,
        engine,
        runner,
        clock: systemClock,
        log,
        scratch,
        limits: config.unpacking,
        ...(config.mart === undefined ? {} : { mart: config.mart }),
      }),
      clock: systemClock,
      log,
      redact,
      observe: taskMetrics(meter),
      options: { concurrency: config.concurrency },
    }),
  )
})
