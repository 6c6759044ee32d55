import { openBus } from '@cinelake/bus/open'
import { systemClock } from '@cinelake/core'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import { openLake } from '@cinelake/lake/open'
import { publishPipeline } from '@cinelake/pipeline'
import type { OpsSchema } from '@cinelake/run-store'
import { runService } from '@cinelake/service'
import { azureCredential } from '@cinelake/service/azure'
import { openDatabase } from '@cinelake/database/open'
import { sql } from 'kysely'
import { SchedulerEnv } from './config.ts'
import { serveHttpApi } from './http-api.ts'
import { readPipelines } from './read-pipelines.ts'
import { followSchedule } from './schedule/follow-schedule.ts'
import { createScheduler } from './scheduler.ts'
import { openTimers } from './timers/open.ts'

await runService('scheduler', SchedulerEnv, async ({ config, log, use, redact, readyWhile, stopping }) => {
  const azure = { credential: azureCredential, log }
  const pipelines = await readPipelinesOf(config)

  const timers = use(await openTimers(config.queue, { log }))
  const lake = use(await openLake(config.lake, azure))
  for (const pipeline of pipelines) await publishPipeline(lake, pipeline)
  const database = use(await openDatabase<OpsSchema>(config.database, azure))
  const bus = use(await openBus(config.bus, azure))
  const { timeouts, sweepMs, migrate, first, maxWindows } = config
  const scheduler = use(
    await createScheduler({ bus, lake, database, timers, log, timeouts, sweepMs, migrate, owner: 'deployed' }),
  )

  // Only an in-memory bus loses its messages; others still have them, and the sweep sends those that were never sent.
  if (config.bus.url.startsWith('memory:')) await scheduler.resume()
  if (config.followsSchedule) {
    const clock = systemClock
    use(await followSchedule({ scheduler, timers, pipelines, first, lookMs: sweepMs, clock, log, stopping }))
  }
  use(await serveHttpApi({ scheduler, pipelines, log, redact, maxWindows }, config.api))
  readyWhile(async () => (await sql`SELECT 1`.execute(database.db)).rows.length === 1)
})

async function readPipelinesOf({ pipelines, engine }: SchedulerEnv) {
  await using typing = await createDuckDbEngine(engine)
  return await readPipelines(pipelines, typing)
}
