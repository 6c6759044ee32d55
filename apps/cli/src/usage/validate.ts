import type { AddCommand } from '../command.ts'
import type { Options } from '../commands/validate.ts'
import { pipelineFolder, withExamples, withJson, withState } from '../options.ts'

/** `cinelake validate DIR` */
export const addValidate: AddCommand = (program, context) => {
  const command = program
    .command('validate')
    .summary('check a pipeline without changing any data')
    .description(
      'Checks the whole folder of a pipeline - pipeline.yaml, contracts, models - and tells every problem at once, ' +
        'with file, line and what would be right. Nothing is run. Settings and secrets that the text names and this ' +
        'machine does not have are warnings here; a run needs them.\n\n' +
        'Where there is a lake - of the state directory, or the one that CINELAKE_LAKE names - contracts and models are ' +
        'compared with the tables that are there, which are only read: each change with what it does to their rows. What ' +
        'would lose something is an error, since a run refuses it.',
    )
    .argument('<dir>', "the pipeline's folder", pipelineFolder)
    .option('--offline', 'check the text alone, and look at no lake')
    .action(async (folder: string, options: Options) => {
      const { validate } = await import('../commands/validate.ts')
      await validate(folder, options, context)
    })
  withExamples(withJson(withState(command)), [['cinelake validate pipelines/mine', 'check it']])
}
