import { RunMissingError } from '@cinelake/scheduler'
import type { AddCommand, CommandContext } from '../command.ts'
import { openHistory } from '../open-history.ts'
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
  await using history = await openHistory(platformConfig(settings, options.state), { terminal })
  const isJson = options.json === true
  if (runId !== undefined) {
    const run = await history.scheduler.run(runId)
    if (run === undefined) throw new RunMissingError(runId)
    return terminal.print(isJson ? `${toJson(run)}\n` : formatRun(run, terminal.paint, terminal.width?.()))
  }
  const runs = await history.scheduler.runs({ limit: options.limit })
  if (isJson) return terminal.print(`${toJson({ runs })}\n`)
  terminal.print(runs.length === 0 ? 'There are no runs yet.\n' : formatRuns(runs, terminal.paint, terminal.width?.()))
}
