import { changedTables, formatChanges, isRefused } from '../changed-tables.ts'
import type { CommandContext } from '../command.ts'
import { toJson } from '../output/format-value.ts'
import { plural } from '../output/run-tables.ts'
import { readFolder } from '../read-folder.ts'
import { platformConfig } from '../settings.ts'

export type Options = { readonly state?: string; readonly offline?: true; readonly json?: true }

export async function validate(
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
