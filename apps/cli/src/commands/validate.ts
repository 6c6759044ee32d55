import { formatProblem } from '@cinelake/pipeline'
import type { AddCommand, CommandContext } from '../command.ts'
import { pipelineFolder, withExamples, withJson } from '../options.ts'
import { plural } from '../output/describe-task.ts'
import { toJson } from '../output/format-value.ts'
import { readFolder } from '../read-folder.ts'
import { platformConfig } from '../settings.ts'

/** `cinelake validate DIR` */
export const addValidate: AddCommand = (program, context) => {
  const command = program
    .command('validate')
    .summary('check a pipeline without touching any data')
    .description(
      'Checks the whole folder of a pipeline - pipeline.yaml, contracts, models - and tells every problem at once, ' +
        'with file, line and what would be right. No data is touched and nothing is run. Settings and secrets that the ' +
        'text names and this machine does not have are warnings here; a run needs them.',
    )
    .argument('<dir>', "the pipeline's folder", pipelineFolder)
    .action(async (folder: string, options: { readonly json?: true }) => await validate(folder, options, context))
  withExamples(withJson(command), [['cinelake validate pipelines/mine', 'check it']])
}

async function validate(
  folder: string,
  options: { readonly json?: true },
  { terminal, settings, exitWith }: CommandContext,
): Promise<void> {
  const config = platformConfig(settings)
  const { pipeline, problems: ofText } = await readFolder(folder, config)
  const { problems: withMachine } = await readFolder(folder, config, { config, settings })
  const isOfText = new Set(ofText.map(formatProblem))
  const problems = withMachine.map((problem) =>
    isOfText.has(formatProblem(problem)) ? problem : { ...problem, severity: 'warning' as const },
  )
  const errors = problems.filter(({ severity }) => severity === 'error')
  const isUsable = pipeline !== undefined
  if (!isUsable) exitWith(2)
  if (options.json === true) return terminal.print(`${toJson({ ok: isUsable, problems })}\n`)
  const { paint, print } = terminal
  for (const { file, line, column, severity, message, remedy } of problems) {
    const label = severity === 'error' ? paint('red', 'error') : paint('yellow', 'warning')
    print(`${paint('bold', `${file}:${line}:${column}`)}  ${label}  ${message}\n    ${remedy}\n`)
  }
  if (!isUsable) return print(`${folder} cannot be used: ${plural(errors.length, 'error')}\n`)
  const { name, sources, datasets, models, serve } = pipeline
  const parts = [
    plural(sources.length, 'source'),
    plural(datasets.length, 'dataset'),
    plural(models.length, 'model'),
    plural(serve.length, 'served table'),
  ]
  const warnings = problems.length === 0 ? '' : `, ${plural(problems.length, 'warning')}`
  print(`${paint('green', '✓')} ${name}: ${parts.join(', ')}${warnings}\n`)
}
