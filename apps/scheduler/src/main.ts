import { createMemoryBus } from '@cinelake/bus/memory'
import { openByScheme, systemClock } from '@cinelake/core'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import { createDirectoryLake } from '@cinelake/lake/directory'
import { runService } from '@cinelake/service'
import { openPgliteDatabase } from '@cinelake/warehouse/pglite'
import { SchedulerEnv } from './config.ts'
import { followSchedule } from './follow-schedule.ts'
import { serveHttpApi } from './http-server.ts'
import { createMemoryTimers } from './memory-timers.ts'
import type { OpsSchema } from './ops-schema.ts'
import { readPipelines } from './read-pipelines.ts'
import { createScheduler } from './scheduler.ts'

await runService('scheduler', SchedulerEnv, async ({ config, log, use }) => {
  const openLake = openByScheme(config.lake, { file: (root) => () => createDirectoryLake(root) }, 'CINELAKE_LAKE')
  const openDatabase = openByScheme(
    config.warehouse,
    { pglite: (directory) => () => openPgliteDatabase<OpsSchema>(directory) },
    'CINELAKE_WAREHOUSE',
  )
  const openTimers = openByScheme(config.queue, { memory: () => () => createMemoryTimers({ log }) }, 'CINELAKE_QUEUE')
  const openBus = openByScheme(config.bus, { memory: () => () => createMemoryBus({ log }) }, 'CINELAKE_BUS')
  const pipelines = await readPipelinesOf(config)

  const lake = use(await openLake())
  const database = use(await openDatabase())
  const bus = use(openBus())
  const timers = use(openTimers())
  const { patience, sweepMs } = config
  const scheduler = use(await createScheduler({ bus, lake, database, timers, log, patience, sweepMs }))

  // Only a bus in memory forgets; others still have what they were given, and the sweep sends what they were not.
  if (config.bus.startsWith('memory:')) await scheduler.resume()
  if (config.followsSchedule) use(await followSchedule({ scheduler, timers, pipelines, clock: systemClock, log }))
  use(await serveHttpApi({ scheduler, pipelines, log }, config.api))
})

async function readPipelinesOf({ pipelines, engine }: SchedulerEnv) {
  await using typing = await createDuckDbEngine(engine)
  return await readPipelines(pipelines, typing)
}
