import type { AddCommand } from '../command.ts'
import type { Options } from '../commands/demo.ts'
import { positiveInteger, positiveNumber, integer, withExamples, withJson, withState } from '../options.ts'

/** `cinelake demo` */
export const addDemo: AddCommand = (program, context) => {
  const command = program
    .command('demo')
    .summary('run the shipped pipeline on a sample company')
    .description(
      'Makes a sample streaming company - catalogue files, a REST API and a billing database - and runs the shipped ' +
        'pipeline on it: one full day, then the next with changed data. Ends with a summary. What is done already is not ' +
        'done again, so a demo that was stopped resumes.',
    )
    .option('--scale <factor>', 'size of the company; 100 has a hundred times the rows of 1', positiveNumber, 1)
    .option('--seed <number>', 'the same seed makes the same company', integer, 1)
    .option('--days <count>', 'days to run', positiveInteger, 2)
    .option('--adopt', 'take over a run history on a database server that an earlier version made')
    .action(async (options: Options) => {
      const { demo } = await import('../commands/demo.ts')
      await demo(options, context)
    })
  withExamples(withJson(withState(command)), [
    ['cinelake demo', 'two days, kept in .cinelake'],
    ['cinelake demo --scale 10 --state /tmp/large', 'ten times as large, kept elsewhere'],
  ])
}
