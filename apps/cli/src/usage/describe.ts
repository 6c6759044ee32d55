import type { AddCommand } from '../command.ts'
import type { Options } from '../commands/describe.ts'
import { withExamples, withJson, withState } from '../options.ts'

/** `cinelake describe TABLE` */
export const addDescribe: AddCommand = (program, context) => {
  const command = program
    .command('describe')
    .summary('show the columns of a table of the mart')
    .description(
      'Shows what is known of a table that analysts read: its columns with their types and descriptions, the key, what is ' +
        'personal data, the pipeline that makes it, and how fresh it is.',
    )
    .argument('<table>', 'a table of the mart')
    .action(async (table: string, options: Options) => {
      const { describe } = await import('../commands/describe.ts')
      await describe(table, options, context)
    })
  withExamples(withJson(withState(command)), [['cinelake describe orders', 'what its columns mean']])
}
