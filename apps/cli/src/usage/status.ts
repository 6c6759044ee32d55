import { Option } from 'commander'
import type { AddCommand } from '../command.ts'
import type { Options } from '../commands/status.ts'
import { positiveInteger, withExamples, withJson, withState } from '../options.ts'

/** `cinelake status [RUN]` */
export const addStatus: AddCommand = (program, context) => {
  const command = program
    .command('status')
    .summary('show the runs, or the tasks of one run')
    .description(
      'Shows the newest runs, those of one pipeline, or one run with its tasks, their results and what went wrong. Only ' +
        'looks: at the scheduler that CINELAKE_API names, else into the database.',
    )
    .argument('[run]', 'PIPELINE@WINDOW, as the list of runs names it, or PIPELINE')
    .option('--limit <count>', 'runs to show', positiveInteger, 20)
    .addOption(new Option('--pipeline <name>', 'only runs of this pipeline'))
    .option('--failed', 'only runs that failed')
    .action(async (run: string | undefined, options: Options) => {
      const { status } = await import('../commands/status.ts')
      await status(run, options, context)
    })
  withExamples(withJson(withState(command)), [
    ['cinelake status', 'the newest runs'],
    ['cinelake status starter --failed', 'those of a pipeline that failed'],
    ['cinelake status starter@2026-03-01', 'the tasks of one run'],
  ])
}
