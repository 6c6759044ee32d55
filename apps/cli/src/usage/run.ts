import type { AddCommand } from '../command.ts'
import type { Options } from '../commands/run.ts'
import { pipelineFolder, withExamples, withJson, withState } from '../options.ts'
import { listed, SELECTORS } from '../redo-options.ts'

/** `cinelake run DIR` */
export const addRun: AddCommand = (program, context) => {
  const command = program
    .command('run')
    .summary('run a pipeline for one or more windows')
    .description(
      'Runs a pipeline for one or more windows, with all services in this process. With CINELAKE_API, the scheduler of a ' +
        'deployed platform runs it, and this process waits for it.\n\n' +
        'Without --window or --from, the last window that is complete. A window that was run already is not run again ' +
        '(see --again); one that failed, or was stopped by Ctrl-C or a crash, continues with what is not done.',
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
    .action(async (folder: string, options: Options) => {
      const { run } = await import('../commands/run.ts')
      await run(folder, options, context)
    })
  withExamples(withJson(withState(command)), [
    ['cinelake run pipelines/mine --window 2026-03-01', 'one day'],
    ['cinelake run pipelines/mine --from 2026-03-01 --to 2026-03-07', 'a week, oldest day first'],
    ['cinelake run pipelines/mine --window 2026-03-01 --again', 'the day once more'],
    ['cinelake run pipelines/mine --window 2026-03-01 --changed', 'what depends on a changed model or contract'],
    ['cinelake run pipelines/mine --window 2026-03-01 --select orders+', 'a table and all that is made of it'],
  ])
}
