import type { AddCommand } from '../command.ts'
import type { Options } from '../commands/try.ts'
import { pipelineFolder, positiveInteger, SAMPLE_ROWS, withExamples, withJson, withState } from '../options.ts'

/** `cinelake try SOURCE/DATASET [DIR]` */
export const addTry: AddCommand = (program, context) => {
  const command = program
    .command('try')
    .summary('look at the first rows of a dataset and draft its contract')
    .description(
      'Reads the first rows of a dataset: the newest file, the first pages of an API, the first rows of a table, or what was ' +
        'pushed last. Shows how they are written, the types of the columns, what seems to be the key and what seems to be ' +
        'personal data, and a draft of the contract. Nothing is landed. No value of the source is shown without --show-values.',
    )
    .argument('<source/dataset>', 'the dataset, as it stands in pipeline.yaml')
    .argument('[dir]', "the pipeline's folder", pipelineFolder, '.')
    .option('--rows <count>', 'rows to look at', positiveInteger, SAMPLE_ROWS)
    .option('--window <window>', 'APIs: the window to ask for; the last complete one unless told otherwise')
    .option('--write', 'save the contract, and in pipeline.yaml how its columns are read')
    .option('--force', 'save it even if there is a contract already')
    .option('--show-values', 'show some values of each column, personal data included')
    .action(async (name: string, folder: string, options: Options) => {
      const { tryDataset } = await import('../commands/try.ts')
      await tryDataset(name, folder, options, context)
    })
  withExamples(withJson(withState(command)), [
    ['cinelake try shop/orders pipelines/mine', 'what is there'],
    ['cinelake try shop/orders pipelines/mine --write', 'the contract as a file'],
  ])
}
