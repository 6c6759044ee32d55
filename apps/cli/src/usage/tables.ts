import type { AddCommand } from '../command.ts'
import type { Options } from '../commands/tables.ts'
import { withExamples, withJson, withState } from '../options.ts'

/** `cinelake tables` */
export const addTables: AddCommand = (program, context) => {
  const command = program
    .command('tables')
    .summary('list the tables of the mart')
    .description('Lists the tables that analysts get, with their rows and the version of the refined table they hold.')
    .action(async (options: Options) => {
      const { tables } = await import('../commands/tables.ts')
      await tables(options, context)
    })
  withExamples(withJson(withState(command)), [
    ['cinelake tables', 'what there is to query'],
    ['cinelake describe orders', 'the columns of one'],
  ])
}
