import { planRun } from '@cinelake/pipeline'
import type { AddCommand, CommandContext } from '../command.ts'
import { withExamples, withJson } from '../options.ts'
import { plural } from '../output/describe-task.ts'
import { formatTable, layoutOf } from '../output/format-table.ts'
import { formatInstant, toJson } from '../output/format-value.ts'
import { usablePipeline } from '../read-folder.ts'
import { platformConfig } from '../settings.ts'
import { chosenWindows } from '../windows.ts'

type Options = { readonly window?: string; readonly json?: true }

/** `cinelake plan DIR` */
export const addPlan: AddCommand = (program, context) => {
  const command = program
    .command('plan')
    .summary('show the tasks of a run, without running it')
    .description(
      'Shows what a run of the pipeline would do: its tasks in an order in which each comes after what it needs. ' +
        'Nothing is run. Tables that a database has and no dataset declares are found when the run discovers them.',
    )
    .argument('<dir>', "the pipeline's folder")
    .option('--window <window>', 'the window; the last complete one unless told otherwise')
    .action(async (folder: string, options: Options) => await plan(folder, options, context))
  withExamples(withJson(command), [['cinelake plan pipelines/mine --window 2026-03-01', 'the tasks of that day']])
}

async function plan(folder: string, options: Options, { terminal, settings, clock }: CommandContext): Promise<void> {
  const pipeline = await usablePipeline(folder, platformConfig(settings))
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
      layoutOf(terminal),
    ),
  )
}
