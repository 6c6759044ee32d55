import { Command, CommanderError } from 'commander'
import { readFileSync } from 'node:fs'
import type { CommandContext } from './command.ts'
import { withExamples } from './options.ts'
import { DATA_COMMANDS } from './usage/data.ts'
import { OPERATION_COMMANDS } from './usage/operations.ts'
import { PIPELINE_COMMANDS } from './usage/pipelines.ts'
import { RUN_COMMANDS } from './usage/runs.ts'

/**
 * The command line: the arguments of each command, and its help. A command's implementation is loaded when it is
 * called: together they load drivers, engines and SDKs, which takes seconds. Parsing throws a `CommanderError` instead
 * of ending the process.
 */
export function createProgram(context: CommandContext): Command {
  const { terminal } = context
  const program = new Command('cinelake')
    .description('Files, databases and APIs to a Delta lake to SQL, every day: the whole platform in one process.')
    .version(version(), '-V, --version', 'print the version')
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
  for (const add of [...PIPELINE_COMMANDS, ...RUN_COMMANDS, ...DATA_COMMANDS, ...OPERATION_COMMANDS])
    add(program, context)
  // Subcommands do not inherit this.
  for (const command of program.commands.flatMap((each) => [each, ...each.commands]))
    command.copyInheritedSettings(program)
  // Only for this list: each command's own help has its options.
  program.configureHelp({ subcommandTerm: (command) => [command.name(), ...command.aliases()].join('|') })
  return program
}

function version(): string {
  const { version: found } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return found
}

/** Asking for help, or for the version, is not an error. */
export function isHelp(error: unknown): boolean {
  return error instanceof CommanderError && error.exitCode === 0
}
