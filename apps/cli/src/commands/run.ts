import { ConfigError, type Window } from '@cinelake/core'
import type { CheckedPipeline } from '@cinelake/pipeline'
import type { RunRecord } from '@cinelake/scheduler'
import type { AddCommand, CommandContext } from '../command.ts'
import { pipelineFolder, withExamples, withJson, withState } from '../options.ts'
import { toJson } from '../output/format-value.ts'
import { createProgress, noProgress, type Progress } from '../output/progress.ts'
import { formatOutcome } from '../output/run-tables.ts'
import type { Terminal } from '../output/terminal.ts'
import { openPlatform, requireOwnPlatform } from '../platform.ts'
import { usablePipeline } from '../read-folder.ts'
import { listed, redoAsked, SELECTORS, type RedoOptions } from '../redo-options.ts'
import { runAgain } from '../run-again.ts'
import { runDeployed } from '../run-deployed.ts'
import { runWindows } from '../run-windows.ts'
import { createSchedulerClient } from '../scheduler-client.ts'
import { platformConfig, type PlatformConfig } from '../settings.ts'
import { chosenWindows, whyChosen, type WindowChoice } from '../windows.ts'

type Options = WindowChoice &
  RedoOptions & {
    readonly state?: string
    readonly moved?: true
    readonly adopt?: true
    readonly json?: true
  }

/** `cinelake run DIR` */
export const addRun: AddCommand = (program, context) => {
  const command = program
    .command('run')
    .summary('run a pipeline for one or more windows')
    .description(
      'Runs a pipeline for one or more windows, with all services in this process. With CINELAKE_API, the scheduler of a ' +
        'deployed platform runs it, and this process waits for it.\n\n' +
        'Without --window or --from, the last window that is complete. A window that was run already is not run again ' +
        '(see --again); one that failed, or was stopped by Ctrl-C or a crash, goes on with what is not done.',
    )
    .argument('<dir>', "the pipeline's folder", pipelineFolder)
    .option('--window <window>', 'the window: 2026-03-01 for a day, 2026-03 for a month, 2026-03-01T05 for an hour')
    .option('--from <window>', 'the first of several windows')
    .option('--to <window>', 'the last of them; the last complete one unless told otherwise')
    .option('--again', 'run windows that are done once more, whole')
    .option('--changed', 'of windows that were run, redo what depends on text that changed since, from what has landed')
    .option('--select <name>', `of windows that were run, redo only this: ${SELECTORS}`, listed)
    .option('--from-raw', 'of windows that were run, redo everything but what reads the sources')
    .option('--force', 'also windows that are not over, or before the first of the schedule')
    .option('--moved', "the pipeline's folder was moved: its runs and tables are those of the folder before")
    .option('--adopt', 'take over a run history on a database server that an earlier version made')
    .action(async (folder: string, options: Options) => await run(folder, options, context))
  withExamples(withJson(withState(command)), [
    ['cinelake run pipelines/mine --window 2026-03-01', 'one day'],
    ['cinelake run pipelines/mine --from 2026-03-01 --to 2026-03-07', 'a week, oldest day first'],
    ['cinelake run pipelines/mine --window 2026-03-01 --again', 'the day once more'],
    ['cinelake run pipelines/mine --window 2026-03-01 --changed', 'what depends on a changed model or contract'],
    ['cinelake run pipelines/mine --window 2026-03-01 --select orders+', 'a table and all that is made of it'],
  ])
}

async function run(folder: string, options: Options, context: CommandContext) {
  const { terminal, settings, clock, exitWith } = context
  redoAsked(options)
  const config = platformConfig(settings, options.state)
  requirePlace(config, options)
  // Settings and secrets are wanted where the work is done.
  const surroundings = config.api === undefined ? { config, settings } : undefined
  const pipeline = await usablePipeline(folder, config, surroundings)
  const windows = chosenWindows(pipeline, options, clock(), config.maxWindows)
  using progress = options.json === true ? noProgress : createProgress(terminal, retryHint(terminal, config))
  const why = whyChosen(options, windows)
  if (why !== undefined) progress.say(why)
  const runs = await runAt(config, { folder, pipeline, windows, options, progress }, context)
  progress[Symbol.dispose]()
  if (options.json === true) terminal.print(`${toJson({ runs })}\n`)
  else terminal.print(`\n${formatOutcome(runs, terminal.paint, terminal.width?.())}`)
  if (runs.some(({ state }) => state !== 'succeeded')) exitWith(1)
}

/** Somebody who waits may rather correct the cause. */
function retryHint({ isInteractive }: Terminal, { api }: PlatformConfig): { readonly onRetry?: string } {
  if (!isInteractive || api !== undefined) return {}
  return { onRetry: 'Ctrl-C ends the retries; the next run of the window does what is not done' }
}

/**
 * Which platform runs it has to be clear before anything is done: the queues of a deployed one are not for this process.
 * @throws {ConfigError} terminal
 */
function requirePlace(config: PlatformConfig, { moved, adopt }: Options): void {
  if (config.api !== undefined) {
    const given = [...(moved === true ? ['--moved'] : []), ...(adopt === true ? ['--adopt'] : [])]
    if (given.length === 0) return
    throw new ConfigError('the options cannot be used', [
      `${given.join(' and ')}: expected neither where CINELAKE_API has the scheduler run the pipeline; they are for runs of this machine`,
    ])
  }
  requireOwnPlatform(config)
}

type Asked = {
  readonly folder: string
  readonly pipeline: CheckedPipeline
  readonly windows: readonly Window[]
  readonly options: Options
  readonly progress: Progress
}

/** By the scheduler that the settings name, or here. */
async function runAt(
  config: PlatformConfig,
  { folder, pipeline, windows, options, progress }: Asked,
  { terminal, settings, signal }: CommandContext,
): Promise<readonly RunRecord[]> {
  const again = options.again === true
  const redo = redoAsked(options)
  if (config.api !== undefined) {
    const client = createSchedulerClient(config.api, signal)
    const force = options.force === true
    return await runDeployed(client, pipeline, { windows, again, force, redo }, { progress, signal })
  }
  await using platform = await openPlatform(config, settings, terminal, { adopt: options.adopt === true })
  const origin = { folder, moved: options.moved === true }
  if (redo !== undefined) return await runAgain(platform, pipeline, redo, windows, { origin, progress, signal })
  return await runWindows(platform, pipeline, windows, { again, tellsChanges: true, origin, progress, signal })
}
