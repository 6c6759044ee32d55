import { Option } from 'commander'
import type { AddCommand } from '../command.ts'
import {
  lazily,
  SELECTORS,
  listed,
  pipelineFolder,
  positiveInteger,
  withExamples,
  withJson,
  withState,
} from '../options.ts'

const addRun: AddCommand = (program, context) => {
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
    .action(lazily(context, async () => (await import('../commands/run.ts')).run))
  withExamples(withJson(withState(command)), [
    ['cinelake run pipelines/mine --window 2026-03-01', 'one day'],
    ['cinelake run pipelines/mine --from 2026-03-01 --to 2026-03-07', 'a week, oldest day first'],
    ['cinelake run pipelines/mine --window 2026-03-01 --again', 'the day once more'],
    ['cinelake run pipelines/mine --window 2026-03-01 --changed', 'what depends on a changed model or contract'],
    ['cinelake run pipelines/mine --window 2026-03-01 --select orders+', 'a table and all that is made of it'],
  ])
}

const addRebuild: AddCommand = (program, context) => {
  const command = program
    .command('rebuild')
    .summary('make a table again from what has landed, and what depends on it')
    .description(
      'Makes tables again from raw, window by window, oldest first, and then what depends on them. Sources are not read. ' +
        'The table begins again with the first window, whatever is there: also where it is damaged, gone or of other ' +
        'columns. What is loaded into the mart stays as it is until the table is whole. Stopped or failed, the same ' +
        'command resumes.\n\n' +
        "Without the pipeline's folder it is made under the text of its newest run.",
    )
    .argument('[dir]', "the pipeline's folder")
    .argument('[tables...]', 'tables, by their names in the lake or in the mart')
    .option('--from <window>', 'only from this window on, applied onto what is there')
    .option('--to <window>', 'only up to this window; the last complete one unless told otherwise')
    .option('--all', 'all tables of the pipeline')
    .action(lazily(context, async () => (await import('../commands/rebuild.ts')).rebuild))
  withExamples(withJson(withState(command)), [
    ['cinelake rebuild orders', 'the table orders, from all that has landed'],
    ['cinelake rebuild pipelines/mine orders', 'the same, under the text as it is in the folder'],
    ['cinelake rebuild pipelines/mine --all', 'all tables, after the lake lost them'],
  ])
}

const addStatus: AddCommand = (program, context) => {
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
    .action(lazily(context, async () => (await import('../commands/status.ts')).status))
  withExamples(withJson(withState(command)), [
    ['cinelake status', 'the newest runs'],
    ['cinelake status starter --failed', 'those of a pipeline that failed'],
    ['cinelake status starter@2026-03-01', 'the tasks of one run'],
  ])
}

/** The commands about runs, in the order of the help. */
export const RUN_COMMANDS = [addRun, addRebuild, addStatus]
