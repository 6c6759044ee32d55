import { Command, CommanderError } from 'commander'
import type { CommandContext } from './command.ts'
import { addAgent } from './commands/agent.ts'
import { addAdd } from './commands/add.ts'
import { addBus } from './commands/bus.ts'
import { addDeadLetters } from './commands/dead-letters.ts'
import { addDescribe } from './commands/describe.ts'
import { addDemo } from './commands/demo.ts'
import { addHistory } from './commands/history.ts'
import { addInit } from './commands/init.ts'
import { addPlan } from './commands/plan.ts'
import { addQuery } from './commands/query.ts'
import { addRejects } from './commands/rejects.ts'
import { addRun } from './commands/run.ts'
import { addServe } from './commands/serve.ts'
import { addStatus } from './commands/status.ts'
import { addTables } from './commands/tables.ts'
import { addTest } from './commands/test.ts'
import { addTry } from './commands/try.ts'
import { addValidate } from './commands/validate.ts'
import { withExamples } from './options.ts'

/** The command line as a whole. Parsing throws a `CommanderError` instead of ending the process. */
export function createProgram(context: CommandContext): Command {
  const { terminal } = context
  const program = new Command('cinelake')
    .description('Files, databases and APIs to a Delta lake to SQL, every day: the whole platform in one process.')
    .exitOverride()
    .configureOutput({
      writeOut: terminal.print,
      writeErr: terminal.note,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .showHelpAfterError('(see --help)')
  withExamples(program, [
    ['cinelake demo', 'two days of a sample company'],
    ['cinelake init pipelines/mine', 'begin a pipeline of your own'],
    ['cinelake run pipelines/mine --window 2026-03-01', 'run it for a day'],
  ])
  program.addHelpText(
    'after',
    'Exit codes: 0 done, 1 a run failed or something is not possible now, 2 bad usage or configuration, 130 stopped.',
  )
  const ofPipelines = [addDemo, addInit, addAdd, addTry, addValidate, addTest, addPlan, addRun, addStatus]
  const ofData = [addRejects, addQuery, addTables, addDescribe, addServe, addHistory]
  for (const add of [...ofPipelines, ...ofData, addDeadLetters, addBus, addAgent]) add(program, context)
  // Subcommands do not take this over by themselves.
  for (const command of program.commands.flatMap((each) => [each, ...each.commands]))
    command.copyInheritedSettings(program)
  return program
}

/** Asking for help is no mistake. */
export function isHelp(error: unknown): boolean {
  return error instanceof CommanderError && error.exitCode === 0
}
