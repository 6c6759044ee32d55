import path from 'node:path'
import { ConfigError } from '@cinelake/core'
import type { CheckedPipeline } from '@cinelake/pipeline'
import type { RunRecord } from '@cinelake/run-store'
import type { RedoAsked } from '@cinelake/scheduler'
import { existsSync } from 'node:fs'
import type { CommandContext } from '../command.ts'
import { toJson } from '../output/format-value.ts'
import { createProgress, noProgress } from '../output/progress.ts'
import { formatOutcome } from '../output/run-tables.ts'
import { type Platform, openPlatform } from '../platform.ts'
import { usablePipeline } from '../read-folder.ts'
import { runDeployed } from '../run-deployed.ts'
import { runAgain } from '../run-windows.ts'
import { createSchedulerClient } from '../scheduler-client.ts'
import { platformConfig } from '../settings.ts'
import { chosenWindows } from '../windows.ts'

export type Options = {
  readonly state?: string
  readonly from?: string
  readonly to?: string
  readonly all?: true
  readonly json?: true
}

export async function rebuild(
  dir: string | undefined,
  others: readonly string[],
  options: Options,
  context: CommandContext,
): Promise<void> {
  const names = dir === undefined ? others : [dir, ...others]
  const { terminal, settings, signal, clock, exitWith } = context
  const config = platformConfig(settings, options.state)
  const { folder, tables } = targetOf(names, options)
  const given = folder === undefined ? undefined : await usablePipeline(folder, config)
  const asked: RedoAsked = { kind: 'rebuild', tables }
  using progress = options.json === true ? noProgress : createProgress(terminal)
  const isPart = options.from !== undefined || options.to !== undefined
  const windowsOf = (pipeline: CheckedPipeline) =>
    isPart ? chosenWindows(pipeline, options, clock(), config.maxWindows) : undefined
  const runs = await rebuildAt()
  progress[Symbol.dispose]()

  async function rebuildAt(): Promise<readonly RunRecord[]> {
    if (config.api !== undefined) {
      if (given === undefined) throw new ConfigError('nothing can be rebuilt', [FOLDER_WANTED])
      const client = createSchedulerClient(config.api, signal)
      const request = { windows: windowsOf(given), again: false, force: false, redo: asked }
      return await runDeployed(client, given, request, { progress, signal })
    }
    await using platform = await openPlatform(config, settings, terminal)
    const pipeline = given ?? (await pipelineOf(platform, tables))
    const origin = folder === undefined ? undefined : { folder }
    return await runAgain(platform, pipeline, asked, windowsOf(pipeline), { origin, progress, signal })
  }

  if (options.json === true) terminal.print(`${toJson({ runs })}\n`)
  else terminal.print(`\n${formatOutcome(runs, terminal.paint, terminal.width?.())}`)
  if (runs.some(({ state }) => state !== 'succeeded')) exitWith(1)
}

const FOLDER_WANTED =
  "expected the pipeline's folder before the tables where CINELAKE_API has the scheduler rebuild them, got none"

/** @throws {ConfigError} terminal */
function targetOf(
  names: readonly string[],
  { all }: Options,
): { readonly folder: string | undefined; readonly tables: readonly string[] } {
  const [first, ...rest] = names
  const folder = first !== undefined && existsSync(path.join(first, 'pipeline.yaml')) ? first : undefined
  const tables = folder === undefined ? names : rest
  const wrong = (problem: string) => new ConfigError('nothing can be rebuilt', [problem])
  if (all === true && tables.length > 0)
    throw wrong(`--all was given together with ${tables.join(', ')}: expected one or the other`)
  if (all === true && folder === undefined) throw wrong("--all: expected the pipeline's folder before it")
  if (all !== true && tables.length === 0) throw wrong('expected the name of a table, or --all')
  return { folder, tables }
}

/** The pipeline that makes the tables, with the text of its newest run. @throws {ConfigError} terminal */
async function pipelineOf(
  { scheduler }: Pick<Platform, 'scheduler'>,
  tables: readonly string[],
): Promise<CheckedPipeline> {
  const makers = await Promise.all(tables.map(async (table) => await scheduler.pipelinesWith(table)))
  const names = new Set(makers.flatMap((pipelines) => pipelines.map(({ name }) => name)))
  const [pipeline] = makers.flat()
  if (pipeline !== undefined && names.size === 1) return pipeline
  const found = names.size === 0 ? 'none' : [...names].join(' and ')
  throw new ConfigError('nothing can be rebuilt', [
    `${tables.join(', ')}: expected tables of one pipeline that was run, got ${found}; name the pipeline's folder before the table`,
  ])
}
