import { planRun } from '@cinelake/pipeline'
import type { AddCommand, CommandContext } from '../command.ts'
import { againstAsJson, changesAgainst, formatAgainst } from '../against.ts'
import { changedTables, formatChanges, isRefused } from '../changed-tables.ts'
import { withExamples, withJson, withState } from '../options.ts'
import { plural } from '../output/describe-task.ts'
import { formatTable, layoutOf } from '../output/format-table.ts'
import { formatInstant, toJson } from '../output/format-value.ts'
import { usableFolder } from '../read-folder.ts'
import { platformConfig } from '../settings.ts'
import { allWindows, chosenWindows } from '../windows.ts'

type Options = {
  readonly window?: string
  readonly state: string
  readonly offline?: true
  readonly against?: string
  readonly json?: true
}

/** `cinelake plan DIR` */
export const addPlan: AddCommand = (program, context) => {
  const command = program
    .command('plan')
    .summary('show the tasks of a run, without running it')
    .description(
      'Shows what a run of the pipeline would do: its tasks in an order in which each comes after what it needs. ' +
        'Nothing is run. Tables that a database has and no dataset declares are found when the run discovers them.\n\n' +
        'Below them stands what the text changes about the tables that are there, where there is a lake to look into.',
    )
    .argument('<dir>', "the pipeline's folder")
    .option('--window <window>', 'the window; the last complete one unless told otherwise')
    .option('--offline', 'look at no lake')
    .option('--against <commit>', 'instead: what the text changes against that of a commit, as Markdown')
    .action(async (folder: string, options: Options) => await plan(folder, options, context))
  withExamples(withJson(withState(command)), [
    ['cinelake plan pipelines/mine --window 2026-03-01', 'the tasks of that day'],
    ['cinelake plan pipelines/mine --against main', 'what a branch changes'],
  ])
}

async function plan(
  folder: string,
  options: Options,
  { terminal, settings, clock, signal, exitWith }: CommandContext,
): Promise<void> {
  const config = platformConfig(settings, options.state)
  const { pipeline, places } = await usableFolder(folder, config)
  if (options.against !== undefined) {
    const effects = await changesAgainst(folder, pipeline, options.against, config)
    const windows =
      options.window === undefined ? allWindows(pipeline, clock()) : chosenWindows(pipeline, options, clock())
    const compared = { pipeline, revision: options.against, effects, windows }
    return terminal.print(options.json === true ? `${toJson(againstAsJson(compared))}\n` : formatAgainst(compared))
  }
  const [window] = chosenWindows(pipeline, options, clock())
  const tasks = planRun(pipeline)
  const changed =
    options.offline === true ? { changes: [] } : await changedTables(pipeline, places, { config, settings, signal })
  if (isRefused(changed)) exitWith(1)
  if (options.json === true) {
    return terminal.print(`${toJson({ pipeline: pipeline.name, window, tasks, ...changed })}\n`)
  }
  const { paint, print } = terminal
  const interval = `${formatInstant(window?.start ?? null)} to ${formatInstant(window?.end ?? null)}`
  print(`${paint('bold', `${pipeline.name}@${window?.label}`)}  ${interval}  ${plural(tasks.length, 'task')}\n\n`)
  print(
    formatTable(
      [{ title: 'task' }, { title: 'queue' }, { title: 'needs', maxWidth: 90 }],
      tasks.map(({ name, queue, needs }) => [name, queue, needs.join(', ')]),
      layoutOf(terminal),
    ),
  )
  const changes = formatChanges(changed, paint)
  if (changes !== '') print(`\n${changes}`)
}
