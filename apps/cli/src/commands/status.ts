import { systemClock } from '@cinelake/core'
import { createScheduler, RunMissingError, type Scheduler } from '@cinelake/scheduler'
import type { AddCommand, CommandContext } from '../command.ts'
import { openBus, openExistingDatabase, openLake, openLog, openTimers } from '../open-parts.ts'
import { positiveInteger, withExamples, withJson, withState } from '../options.ts'
import { toJson } from '../output/format-value.ts'
import { formatRun, formatRuns } from '../output/run-tables.ts'
import { platformConfig } from '../settings.ts'

type Options = { readonly state: string; readonly limit: number; readonly json?: true }

/** `cinelake status [RUN]` */
export const addStatus: AddCommand = (program, context) => {
  const command = program
    .command('status')
    .summary('show the runs, or the tasks of one run')
    .description('Shows the newest runs, or one run with its tasks, their results and what went wrong.')
    .argument('[run]', 'PIPELINE@WINDOW, as the list of runs names it')
    .option('--limit <count>', 'runs to show', positiveInteger, 20)
    .action(async (run: string | undefined, options: Options) => await status(run, options, context))
  withExamples(withJson(withState(command)), [
    ['cinelake status', 'the newest runs'],
    ['cinelake status starter@2026-03-01', 'the tasks of one run'],
  ])
}

async function status(runId: string | undefined, options: Options, { terminal, settings }: CommandContext) {
  await using history = await openHistory(options, { terminal, settings })
  const isJson = options.json === true
  if (runId !== undefined) {
    const run = await history.scheduler.run(runId)
    if (run === undefined) throw new RunMissingError(runId)
    return terminal.print(isJson ? `${toJson(run)}\n` : formatRun(run, terminal.paint))
  }
  const runs = await history.scheduler.runs({ limit: options.limit })
  if (isJson) return terminal.print(`${toJson({ runs })}\n`)
  terminal.print(runs.length === 0 ? 'There are no runs yet.\n' : formatRuns(runs, terminal.paint))
}

/** The run history, with nothing that works on it. */
async function openHistory(
  { state }: Options,
  { terminal, settings }: Pick<CommandContext, 'terminal' | 'settings'>,
): Promise<AsyncDisposable & { readonly scheduler: Scheduler }> {
  await using opening = new AsyncDisposableStack()
  const config = platformConfig(settings, state)
  const log = openLog(config, terminal, (line) => line)
  const database = opening.use(await openExistingDatabase(config))
  const lake = opening.use(await openLake(config))
  const bus = opening.use(await openBus(config, log))
  const timers = opening.use(await openTimers(config, log))
  const scheduler = opening.use(await createScheduler({ bus, lake, database, timers, clock: systemClock, log }))
  const owned = opening.move()
  return { scheduler, [Symbol.asyncDispose]: async () => await owned.disposeAsync() }
}
