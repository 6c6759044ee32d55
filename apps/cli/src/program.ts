import { Command, CommanderError } from 'commander'
import { readFileSync } from 'node:fs'
import type { AddCommand, CommandContext } from './command.ts'
import { withExamples } from './options.ts'

type CommandEntry = {
  readonly name: string
  readonly alias?: string
  /** In the list of commands; the same as the command's own. */
  readonly summary: string
  readonly load: () => Promise<AddCommand>
}

/**
 * The commands, in the order of the help. Each is loaded when it is asked for: together they bring drivers, engines and SDKs
 * that take seconds to load.
 */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'demo',
    summary: 'run the shipped pipeline on a sample company',
    load: async () => (await import('./commands/demo.ts')).addDemo,
  },
  {
    name: 'init',
    summary: 'write a small pipeline that runs',
    load: async () => (await import('./commands/init.ts')).addInit,
  },
  {
    name: 'add',
    summary: 'add a source to a pipeline',
    load: async () => (await import('./commands/add.ts')).addAdd,
  },
  {
    name: 'try',
    summary: 'look at the first rows of a dataset and draft its contract',
    load: async () => (await import('./commands/try.ts')).addTry,
  },
  {
    name: 'validate',
    summary: 'check a pipeline without changing any data',
    load: async () => (await import('./commands/validate.ts')).addValidate,
  },
  {
    name: 'test',
    summary: 'test the models of a pipeline on given rows',
    load: async () => (await import('./commands/test.ts')).addTest,
  },
  {
    name: 'plan',
    summary: 'show the tasks of a run, without running it',
    load: async () => (await import('./commands/plan.ts')).addPlan,
  },
  {
    name: 'run',
    summary: 'run a pipeline for one or more windows',
    load: async () => (await import('./commands/run.ts')).addRun,
  },
  {
    name: 'rebuild',
    summary: 'make a table again from what has landed, and what depends on it',
    load: async () => (await import('./commands/rebuild.ts')).addRebuild,
  },
  {
    name: 'status',
    summary: 'show the runs, or the tasks of one run',
    load: async () => (await import('./commands/status.ts')).addStatus,
  },
  {
    name: 'rejects',
    summary: 'show the rows of a dataset that were kept out',
    load: async () => (await import('./commands/rejects.ts')).addRejects,
  },
  {
    name: 'query',
    summary: 'ask the mart a question in SQL',
    load: async () => (await import('./commands/query.ts')).addQuery,
  },
  {
    name: 'tables',
    summary: 'list the tables of the mart',
    load: async () => (await import('./commands/tables.ts')).addTables,
  },
  {
    name: 'describe',
    summary: 'show the columns of a table of the mart',
    load: async () => (await import('./commands/describe.ts')).addDescribe,
  },
  {
    name: 'serve',
    summary: 'serve the mart to psql, DBeaver, Power BI and other tools',
    load: async () => (await import('./commands/serve.ts')).addServe,
  },
  {
    name: 'history',
    summary: 'show the versions of a refined table',
    load: async () => (await import('./commands/history.ts')).addHistory,
  },
  {
    name: 'dead-letters',
    summary: 'look after messages that were given up',
    load: async () => (await import('./commands/dead-letters.ts')).addDeadLetters,
  },
  {
    name: 'bus',
    summary: 'the queues and topics of the message broker',
    load: async () => (await import('./commands/bus.ts')).addBus,
  },
  {
    name: 'agent',
    alias: 'agents',
    summary: 'the on-prem agents: which there are, and whether a site has what it needs',
    load: async () => (await import('./commands/agent.ts')).addAgent,
  },
]

/**
 * The command line with the commands that the arguments are about. Parsing throws a `CommanderError` instead of ending the
 * process.
 * @param args what stands behind the program's name
 */
export async function createProgram(args: readonly string[], context: CommandContext): Promise<Command> {
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
  // `cinelake help run` is about `run` as well.
  const named = new Set(args.filter((arg) => !arg.startsWith('-')).slice(0, 2))
  for (const { name, alias, summary, load } of COMMANDS) {
    if (named.has(name) || (alias !== undefined && named.has(alias))) (await load())(program, context)
    else
      program
        .command(name)
        .aliases(alias === undefined ? [] : [alias])
        .summary(summary)
  }
  // Subcommands do not take this over by themselves.
  for (const command of program.commands.flatMap((each) => [each, ...each.commands]))
    command.copyInheritedSettings(program)
  return program
}

function version(): string {
  const { version: found } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return found
}

/** Asking for help, or for the version, is no mistake. */
export function isHelp(error: unknown): boolean {
  return error instanceof CommanderError && error.exitCode === 0
}
