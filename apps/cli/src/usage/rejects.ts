import type { AddCommand } from '../command.ts'
import type { Options } from '../commands/rejects.ts'
import { positiveInteger, withExamples, withJson, withState } from '../options.ts'

/** `cinelake rejects DATASET` */
export const addRejects: AddCommand = (program, context) => {
  const command = program
    .command('rejects')
    .summary('show the rejected rows of a dataset')
    .description(
      'Shows the rejected rows of a dataset or a model: how many by rule, then the rows themselves with the ' +
        'file and line that each came from. Rows are shown as they were received, personal data included. Rows that broke ' +
        'a rule of severity `warn` are not rejected; up to 1,000 of each rule and window are shown as well, marked so.',
    )
    .argument('<dataset>', 'a dataset or a model; `pipeline.name` where several pipelines have one of that name')
    .option('--window <window>', 'only of this window')
    .option('--rule <rule>', 'only those that broke this rule')
    .option('--limit <rows>', 'rows to show', positiveInteger, 20)
    .action(async (dataset: string, options: Options) => {
      const { rejects } = await import('../commands/rejects.ts')
      await rejects(dataset, options, context)
    })
  withExamples(withJson(withState(command)), [
    ['cinelake rejects orders', 'what is wrong with the orders'],
    ["cinelake rejects orders --rule 'type(amount)' --limit 5", 'five rows with an unreadable amount'],
  ])
}
