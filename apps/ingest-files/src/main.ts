import { runTaskWorker } from '@cinelake/bus'
import { createMemoryBus } from '@cinelake/bus/memory'
import { openByScheme, systemClock } from '@cinelake/core'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import { createDirectoryLake } from '@cinelake/lake/directory'
import { createFill, guardSecrets } from '@cinelake/secrets'
import { createEnvSecrets } from '@cinelake/secrets/env'
import { createFileSecrets } from '@cinelake/secrets/file'
import { runService, taskMetrics, workerName } from '@cinelake/service'
import { IngestFilesEnv } from './config.ts'
import { createIngestFilesHandlers } from './handlers.ts'

await runService('ingest-files', IngestFilesEnv, async ({ config, settings, log, metrics, use, redactWith }) => {
  const openLake = openByScheme(config.lake, { file: (root) => () => createDirectoryLake(root) }, 'CINELAKE_LAKE')
  const openSecrets = openByScheme(
    config.secrets,
    { env: () => () => createEnvSecrets(settings), file: (directory) => () => createFileSecrets(directory) },
    'CINELAKE_SECRETS',
  )
  const openBus = openByScheme(config.bus, { memory: () => () => createMemoryBus() }, 'CINELAKE_BUS')

  const lake = use(await openLake())
  const engine = use(await createDuckDbEngine(config.engine))
  const secrets = use(guardSecrets(openSecrets()))
  const redact = (text: string) => secrets.redact(text)
  redactWith(redact)
  const fill = createFill({ settings, secrets })
  const bus = use(openBus()) // last in, first closed: the intake stops before the storage

  use(
    await runTaskWorker({
      bus,
      queue: config.queue,
      worker: workerName(),
      handlers: createIngestFilesHandlers({ lake, engine, fill, clock: systemClock, log }),
      clock: systemClock,
      log,
      redact,
      observe: taskMetrics(metrics),
      options: { concurrency: config.concurrency },
    }),
  )
})
