import type { AddCommand } from '../command.ts'
import { pipelineFolder, withExamples, withJson } from '../options.ts'

/** `cinelake init DIR` */
export const addInit: AddCommand = (program, context) => {
  const command = program
    .command('init')
    .summary('write a small pipeline that runs')
    .description(
      'Writes a small pipeline into a new folder, called like the folder: a CSV dataset, its contract and a model. It runs ' +
        'as it is.',
    )
    .argument('<dir>', 'a folder that is not there yet, or empty', pipelineFolder)
    .action(async (folder: string, options: { readonly json?: true }) => {
      const { init } = await import('../commands/init.ts')
      await init(folder, options, context)
    })
  withExamples(withJson(command), [['cinelake init pipelines/mine', 'begin a pipeline of your own']])
}
