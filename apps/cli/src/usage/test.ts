import type { AddCommand } from '../command.ts'
import type { Options } from '../commands/test.ts'
import { withExamples, withJson } from '../options.ts'

/** `cinelake test DIR` */
export const addTest: AddCommand = (program, context) => {
  const command = program
    .command('test')
    .summary('test the models of a pipeline on given rows')
    .description(
      "Runs the tests in the pipeline's folder tests/*.yaml: each builds a model over given rows, as a run would, and " +
        'compares what comes out with the rows that are expected. Nothing outside the folder is read, nothing is kept.',
    )
    .argument('<dir>', "the pipeline's folder")
    .argument('[models...]', 'only the tests of these models')
    .action(async (folder: string, models: string[], options: Options) => {
      const { test } = await import('../commands/test.ts')
      await test(folder, models, options, context)
    })
  withExamples(withJson(command), [
    ['cinelake test pipelines/mine', 'all tests'],
    ['cinelake test pipelines/mine sales_by_day', 'those of one model'],
  ])
}
