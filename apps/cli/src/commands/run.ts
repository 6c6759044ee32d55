import { ConfigError, type Window } from '@cinelake/core'
import type { CheckedPipeline } from '@cinelake/pipeline'
import type { RunRecord } from '@cinelake/run-store'
import type { CommandContext } from '../command.ts'
import { type RedoOptions, redoAsked } from '../options.ts'
import { toJson } from '../output/format-value.ts'
import { type Progress, createProgress, noProgress } from '../output/progress.ts'
import { formatOutcome } from '../output/run-tables.ts'
import type { Terminal } from '../output/terminal.ts'
import { openPlatform, requireOwnPlatform } from '../platform.ts'
import { usablePipeline } from '../read-folder.ts'
import { runDeployed } from '../run-deployed.ts'
import { runAgain, runWindows } from '../run-windows.ts'
import { warnOfEmptyHistory } from '../empty-history.ts'
import { createSchedulerClient } from '../scheduler-client.ts'
import { type PlatformConfig, platformConfig } from '../settings.ts'
import { type WindowChoice, chosenWindows, whyChosen } from '../windows.ts'

export type Options = WindowChoice &
  RedoOptions & {
    readonly state?: string
    readonly moved?: true
    readonly adopt?: true
    readonly json?: true
  }

export async function run(folder: string, options: Options, context: CommandContext) {
  const { terminal, settings, clock, exitWith } = context
  redoAsked(options)
  const config = platformConfig(settings, options.state)
  requirePlace(config, options)
  // A deployed platform needs settings and secrets where the work is done, not here.
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

/** A user who waits for the command may prefer to fix the cause than to wait for retries. */
function retryHint({ isInteractive }: Terminal, { api }: PlatformConfig): { readonly onRetry?: string } {
  if (!isInteractive || api !== undefined) return {}
  return { onRetry: 'Ctrl-C ends the retries; the next run of the window does what is not done' }
}

/**
 * Which platform runs it must be unambiguous before anything is done: this process must not consume the queues of a
 * deployed one.
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

/** By the configured scheduler, or in this process. */
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
  await warnOfEmptyHistory(platform, pipeline.name, config, terminal)
  const origin = { folder, moved: options.moved === true }
  if (redo !== undefined) return await runAgain(platform, pipeline, redo, windows, { origin, progress, signal })
  return await runWindows(platform, pipeline, windows, { again, tellsChanges: true, origin, progress, signal })
}
