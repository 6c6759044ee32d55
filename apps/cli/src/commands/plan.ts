import { ConfigError } from '@cinelake/core'
import { planRun, type CheckedPipeline } from '@cinelake/pipeline'
import { openRedoPlanner, type RedoAsked } from '@cinelake/scheduler'
import type { AddCommand, CommandContext } from '../command.ts'
import { openExistingDatabase, openLake } from '../open-parts.ts'
import { withExamples, withJson, withState } from '../options.ts'
import { plural } from '../output/describe-task.ts'
import { formatTable } from '../output/format-table.ts'
import { formatInstant, toJson } from '../output/format-value.ts'
import { formatRedo } from '../output/redo-tables.ts'
import { usablePipeline } from '../read-folder.ts'
import { listed, redoAsked, SELECTORS, type RedoOptions } from '../redo-options.ts'
import { platformConfig, type PlatformConfig } from '../settings.ts'
import { chosenWindows, type WindowChoice } from '../windows.ts'

type Options = WindowChoice &
  Omit<RedoOptions, 'again'> & { readonly rebuild?: readonly string[]; readonly state: string; readonly json?: true }

/** `cinelake plan DIR` */
export const addPlan: AddCommand = (program, context) => {
  const command = program
    .command('plan')
    .summary('show the tasks of a run, without running it')
    .description(
      'Shows what a run of the pipeline would do: its tasks in an order in which each comes after what it needs. ' +
        'Nothing is run. Tables that a database has and no dataset declares are found when the run discovers them.\n\n' +
        'With --changed, --select, --from-raw or --rebuild, which tasks of windows that were run would be done again, and why.',
    )
    .argument('<dir>', "the pipeline's folder")
    .option('--window <window>', 'the window; the last complete one unless told otherwise')
    .option('--from <window>', 'the first of several windows')
    .option('--to <window>', 'the last of them; the last complete one unless told otherwise')
    .option('--changed', 'what `run --changed` would do')
    .option('--select <name>', `what \`run --select\` would do: ${SELECTORS}`, listed)
    .option('--from-raw', 'what `run --from-raw` would do')
    .option('--rebuild <table>', 'what `rebuild` of this table would do', listed)
    .action(async (folder: string, options: Options) => await plan(folder, options, context))
  withExamples(withJson(withState(command)), [
    ['cinelake plan pipelines/mine --window 2026-03-01', 'the tasks of that day'],
    ['cinelake plan pipelines/mine --window 2026-03-01 --changed', 'what a changed text would have redone'],
    ['cinelake plan pipelines/mine --rebuild orders', 'what making a table again would do'],
  ])
}

async function plan(folder: string, options: Options, context: CommandContext): Promise<void> {
  const { terminal, settings, clock } = context
  const asked = askedOf(options)
  const config = platformConfig(settings, options.state)
  const pipeline = await usablePipeline(folder, config)
  if (asked !== undefined) return await planAgain(pipeline, asked, { config, options, context })
  const [window] = chosenWindows(pipeline, options, clock())
  const tasks = planRun(pipeline)
  if (options.json === true) return terminal.print(`${toJson({ pipeline: pipeline.name, window, tasks })}\n`)
  const { paint, print } = terminal
  const interval = `${formatInstant(window?.start ?? null)} to ${formatInstant(window?.end ?? null)}`
  print(`${paint('bold', `${pipeline.name}@${window?.label}`)}  ${interval}  ${plural(tasks.length, 'task')}\n\n`)
  print(
    formatTable(
      [{ title: 'task' }, { title: 'queue' }, { title: 'needs', maxWidth: 90 }],
      tasks.map(({ name, queue, needs }) => [name, queue, needs.join(', ')]),
      { paint },
    ),
  )
}

/** @throws {ConfigError} terminal */
function askedOf({ rebuild, ...options }: Options): RedoAsked | undefined {
  const redo = redoAsked(options)
  if (rebuild === undefined) return redo
  if (redo !== undefined || options.window !== undefined) {
    throw new ConfigError('the options cannot be used', [
      '--rebuild: expected it alone, or with --from and --to: it takes all windows that have landed',
    ])
  }
  return { kind: 'rebuild', tables: rebuild }
}

/** What would be done again, by the run history. */
async function planAgain(
  pipeline: CheckedPipeline,
  asked: RedoAsked,
  {
    config,
    options,
    context,
  }: { readonly config: PlatformConfig; readonly options: Options; readonly context: CommandContext },
): Promise<void> {
  const { terminal, clock, exitWith } = context
  const isWhole = asked.kind === 'rebuild' && options.from === undefined && options.to === undefined
  const windows = isWhole ? undefined : chosenWindows(pipeline, options, clock())
  await using database = await openExistingDatabase(config)
  await using lake = await openLake(config)
  // A state directory is this command line's own; a database server's is brought up to date by those who deploy.
  const migrate = config.warehouse.url.startsWith('pglite:') ? 'auto' : 'check'
  const redo = await (await openRedoPlanner({ lake, database, migrate })).planRedo(pipeline, asked, windows)
  terminal.print(
    options.json === true
      ? `${toJson({ pipeline: pipeline.name, asked, ...redo })}\n`
      : formatRedo(redo, terminal.paint),
  )
  if (redo.problems.length > 0) exitWith(2)
}
