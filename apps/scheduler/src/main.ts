import path from 'node:path'
import { openBus } from '@cinelake/bus/open'
import { ConfigError, reasonOf, systemClock } from '@cinelake/core'
import { openDatabase } from '@cinelake/database/open'
import type { SqlEngine } from '@cinelake/engine'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import { openLake } from '@cinelake/lake/open'
import { createSqlTyper, formatProblem, publishPipeline, readPipeline, type CheckedPipeline } from '@cinelake/pipeline'
import type { OpsSchema } from '@cinelake/run-store'
import { runService } from '@cinelake/service'
import { azureCredential } from '@cinelake/service/azure'
import { sql } from 'kysely'
import { readdir } from 'node:fs/promises'
import { SchedulerEnv } from './config.ts'
import { serveHttpApi } from './http/server.ts'
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

  // Only a bus in memory forgets; others still have what they were given, and the sweep sends what they were not.
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

/**
 * The pipelines of a folder that has a folder for each, by name.
 * @throws {ConfigError} terminal: there is none, one cannot be used (with every problem of every one), or two have one name
 */
async function readPipelines(root: string, engine: Pick<SqlEngine, 'session'>): Promise<CheckedPipeline[]> {
  const pipelines: CheckedPipeline[] = []
  const problems: string[] = []
  for (const folder of await foldersIn(root)) {
    await using session = await engine.session()
    const read = await readPipeline(path.join(root, folder), { typer: createSqlTyper(session) })
    const errors = read.problems.filter(({ severity }) => severity === 'error')
    problems.push(...errors.map((problem) => `${folder}/${formatProblem(problem)}`))
    const { pipeline } = read
    if (pipeline === undefined) continue
    if (pipelines.some(({ name }) => name === pipeline.name)) {
      problems.push(`${folder}: expected a name of its own, got \`${pipeline.name}\`, which another folder has`)
    }
    pipelines.push(pipeline)
  }
  if (problems.length === 0 && pipelines.length === 0) {
    problems.push(`${root}: expected a folder with a pipeline.yaml in it, got none; see CINELAKE_PIPELINES`)
  }
  if (problems.length > 0) throw new ConfigError(`the pipelines in ${root} cannot be used`, problems)
  return pipelines
}

async function foldersIn(root: string): Promise<string[]> {
  try {
    const entries = await readdir(root, { withFileTypes: true })
    const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
    return names.sort()
  } catch (error) {
    const reason = reasonOf(error)
    throw new ConfigError(`the pipelines in ${root} cannot be read`, [reason], { cause: error })
  }
}
