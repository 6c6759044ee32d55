import type { AddCommand } from '../command.ts'
import type { Options } from '../commands/plan.ts'
import { pipelineFolder, withExamples, withJson, withState } from '../options.ts'
import { listed, SELECTORS } from '../redo-options.ts'

/** `cinelake plan DIR` */
export const addPlan: AddCommand = (program, context) => {
  const command = program
    .command('plan')
    .summary('show the tasks of a run, without running it')
    .description(
      'Shows what a run of the pipeline would do: its tasks in an order in which each comes after what it needs. ' +
        'Nothing is run. Tables that a database has and no dataset declares are found when the run discovers them.\n\n' +
        'Below them stands what the text changes about the tables that are there, where there is a lake to look into. ' +
        'With --changed, --select, --from-raw or --rebuild, which tasks of windows that were run would be done again, and why.',
    )
    .argument('<dir>', "the pipeline's folder", pipelineFolder)
    .option('--window <window>', 'the window; the last complete one unless told otherwise')
    .option('--from <window>', 'the first of several windows')
    .option('--to <window>', 'the last of them; the last complete one unless told otherwise')
    .option('--changed', 'what `run --changed` would do')
    .option('--select <name>', `what \`run --select\` would do: ${SELECTORS}`, listed)
    .option('--from-raw', 'what `run --from-raw` would do')
    .option('--rebuild <table>', 'what `rebuild` of this table would do', listed)
    .option('--offline', 'look at no lake')
    .option(
      '--against <commit>',
      'instead: what the text changes in columns and rows against that of a commit, as Markdown',
    )
    .option('--force', 'also a window that is not over, or before the first of the schedule')
    .action(async (folder: string, options: Options) => {
      const { plan } = await import('../commands/plan.ts')
      await plan(folder, options, context)
    })
  withExamples(withJson(withState(command)), [
    ['cinelake plan pipelines/mine --window 2026-03-01', 'the tasks of that day'],
    ['cinelake plan pipelines/mine --against main', 'what a branch changes'],
    ['cinelake plan pipelines/mine --window 2026-03-01 --changed', 'what a changed text would have redone'],
    ['cinelake plan pipelines/mine --rebuild orders', 'what making a table again would do'],
  ])
}
