import type { AddCommand, CommandContext } from '../command.ts'
import { changedTables, formatChanges, isRefused } from '../changed-tables.ts'
import { pipelineFolder, withExamples, withJson, withState } from '../options.ts'
import { plural } from '../output/describe-task.ts'
import { toJson } from '../output/format-value.ts'
import { readFolder } from '../read-folder.ts'
import { platformConfig } from '../settings.ts'

type Options = { readonly state?: string; readonly offline?: true; readonly json?: true }

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
    .action(async (folder: string, options: Options) => await validate(folder, options, context))
  withExamples(withJson(withState(command)), [['cinelake validate pipelines/mine', 'check it']])
}

async function validate(
  folder: string,
  options: Options,
  { terminal, settings, signal, exitWith }: CommandContext,
): Promise<void> {
  const config = platformConfig(settings, options.state)
  const { pipeline, places, problems } = await readFolder(folder, config, { config, settings, missing: 'warning' })
  const errors = problems.filter(({ severity }) => severity === 'error')
  const isUsable = pipeline !== undefined
  const isCompared = isUsable && options.offline !== true
  const changed = isCompared ? await changedTables(pipeline, places, { config, settings, signal }) : { changes: [] }
  if (!isUsable) exitWith(2)
  else if (isRefused(changed)) exitWith(1)
  if (options.json === true) {
    return terminal.print(`${toJson({ ok: isUsable && !isRefused(changed), problems, ...changed })}\n`)
  }
  const { paint, print } = terminal
  for (const { file, line, column, severity, message, remedy } of problems) {
    const label = severity === 'error' ? paint('red', 'error') : paint('yellow', 'warning')
    print(`${paint('bold', `${file}:${line}:${column}`)}  ${label}  ${message}\n    ${remedy}\n`)
  }
  print(formatChanges(changed, paint))
  if (!isUsable) return print(`${folder} cannot be used: ${plural(errors.length, 'error')}\n`)
  const { name, sources, datasets, models, serve } = pipeline
  const parts = [
    plural(sources.length, 'source'),
    plural(datasets.length, 'dataset'),
    plural(models.length, 'model'),
    plural(serve.length, 'served table'),
  ]
  const refused = changed.changes.filter(({ lossless }) => !lossless)
  if (refused.length > 0) {
    return print(`${name} would be refused: ${plural(refused.length, 'change')} would lose something\n`)
  }
  const warnings = problems.length === 0 ? '' : `, ${plural(problems.length, 'warning')}`
  print(`${paint('green', '✓')} ${name}: ${parts.join(', ')}${warnings}\n`)
}
