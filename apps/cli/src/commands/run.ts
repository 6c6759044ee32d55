import type { AddCommand, CommandContext } from '../command.ts'
import { withExamples, withJson, withState } from '../options.ts'
import { toJson } from '../output/format-value.ts'
import { createProgress, noProgress } from '../output/progress.ts'
import { formatRun, formatRuns } from '../output/run-tables.ts'
import { openPlatform } from '../platform.ts'
import { usablePipeline } from '../read-folder.ts'
import { runWindows } from '../run-windows.ts'
import { platformConfig } from '../settings.ts'
import { chosenWindows, type WindowChoice } from '../windows.ts'

type Options = WindowChoice & { readonly state: string; readonly again?: true; readonly json?: true }

/** `cinelake run DIR` */
export const addRun: AddCommand = (program, context) => {
  const command = program
    .command('run')
    .summary('run a pipeline for one or more windows')
    .description(
      'Runs a pipeline for one or more windows, with all services in this process.\n\n' +
        'Without --window or --from, the last window that is complete. A window that was run already is not run again ' +
        '(see --again); one that failed, or was stopped by Ctrl-C or a crash, goes on with what is not done.',
    )
    .argument('<dir>', "the pipeline's folder")
    .option('--window <window>', 'the window: 2026-03-01 for a day, 2026-03 for a month, 2026-03-01T05 for an hour')
    .option('--from <window>', 'the first of several windows')
    .option('--to <window>', 'the last of them; the last complete one unless told otherwise')
    .option('--again', 'run windows that are done once more, whole')
    .action(async (folder: string, options: Options) => await run(folder, options, context))
  withExamples(withJson(withState(command)), [
    ['cinelake run pipelines/mine --window 2026-03-01', 'one day'],
    ['cinelake run pipelines/mine --from 2026-03-01 --to 2026-03-07', 'a week, oldest day first'],
    ['cinelake run pipelines/mine --window 2026-03-01 --again', 'the day once more'],
  ])
}

async function run(folder: string, options: Options, { terminal, settings, signal, clock, exitWith }: CommandContext) {
  const config = platformConfig(settings, options.state)
  const pipeline = await usablePipeline(folder, config, { config, settings })
  const windows = chosenWindows(pipeline, options, clock())
  await using platform = await openPlatform(config, settings, terminal)
  using progress = options.json === true ? noProgress : createProgress(terminal)
  const again = options.again === true
  const runs = await runWindows(platform, pipeline, windows, {
    again,
    onceMore: '; --again runs it once more',
    progress,
    signal,
  })
  progress[Symbol.dispose]()
  if (options.json === true) terminal.print(`${toJson({ runs })}\n`)
  else {
    for (const record of runs.filter(({ state }) => state !== 'succeeded')) {
      terminal.print(`\n${formatRun(record, terminal.paint, terminal.width?.())}`)
    }
    terminal.print(`\n${formatRuns(runs, terminal.paint, terminal.width?.())}`)
  }
  if (runs.some(({ state }) => state !== 'succeeded')) exitWith(1)
}
