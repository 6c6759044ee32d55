import { runTaskWorker } from '@cinelake/bus'
import { openBus } from '@cinelake/bus/open'
import { createRedactor, proxyFrom, systemClock } from '@cinelake/core'
import { openLake } from '@cinelake/lake/open'
import { currentSources } from '@cinelake/pipeline'
import { createFill, guardSecrets } from '@cinelake/secrets'
import { openSecrets } from '@cinelake/secrets/open'
import { runService, taskMetrics, workerName } from '@cinelake/service'
import { azureCredential as credential } from '@cinelake/service/azure'
import { servePush } from '@cinelake/source-push'
import { IngestApiEnv } from './config.ts'
import { createIngestApiHandlers } from './handlers.ts'

await runService('ingest-api', IngestApiEnv, async ({ config, settings, log, meter, use, redact, redactWith }) => {
  const lake = use(await openLake(config.lake, { credential, log }))
  const secrets = use(guardSecrets(await openSecrets(config.secrets, { settings, credential })))
  redactWith(secrets.redact)
  const issued = createRedactor() // tokens, which no secret store knows
  redactWith(issued.redact)
  const fill = createFill({ settings, secrets })
  const proxy = proxyFrom(settings)
  const { push } = config
  const current = async () => await currentSources(lake, 'push')
  if (push !== undefined) use(await servePush({ lake, current, fill, clock: systemClock, log, redact, proxy }, push))
  if (config.concurrency === 0) {
    log.info({}, 'no commands are taken')
    return
  }
  const bus = use(await openBus(config.bus, { credential, log })) // last in, first closed: the bus stops before the storage

  use(
    await runTaskWorker({
      bus,
      queue: 'ingest-api',
      worker: workerName(),
      handlers: createIngestApiHandlers({
        lake,
        fill,
        clock: systemClock,
        log,
        maxBodyBytes: config.maxBodyBytes,
        azure: credential,
        hide: issued.add,
        proxy,
      }),
      clock: systemClock,
      log,
      redact,
      observe: taskMetrics(meter),
      options: { concurrency: config.concurrency },
    }),
  )
})
