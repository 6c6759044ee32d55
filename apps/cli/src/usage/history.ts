import type { AddCommand } from '../command.ts'
import type { Options } from '../commands/history.ts'
import { positiveInteger, withExamples, withJson, withState } from '../options.ts'

/** `cinelake history TABLE` */
export const addHistory: AddCommand = (program, context) => {
  const command = program
    .command('history')
    .summary('show the versions of a refined table')
    .description('Shows the versions of a refined table, newest first, and the task that made each.')
    .argument('<table>', 'a dataset or a model; `pipeline.table` where several pipelines have one of that name')
    .option('--limit <versions>', 'versions to show', positiveInteger, 20)
    .action(async (table: string, options: Options) => {
      const { history } = await import('../commands/history.ts')
      await history(table, options, context)
    })
  withExamples(withJson(withState(command)), [['cinelake history sales_by_day', 'who changed it, and when']])
}
