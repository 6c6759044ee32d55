import { ConfigError, type Window } from '@cinelake/core'
import {
  createSqlTyper,
  formatProblem,
  readPipeline,
  textChanges,
  type CheckedPipeline,
  type TableEffect,
} from '@cinelake/pipeline'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { openGitFolder } from './git-folder.ts'
import { openEngine } from './open-parts.ts'
import type { PlatformConfig } from './settings.ts'

/**
 * Compares a pipeline with its text in a commit.
 * @throws {ConfigError} terminal: there is no such commit, or the text there cannot be used
 */
export async function changesAgainst(
  folder: string,
  pipeline: CheckedPipeline,
  revision: string,
  { engine }: Pick<PlatformConfig, 'engine'>,
): Promise<TableEffect[]> {
  const before = await openGitFolder(folder, revision)
  if ((await before.read('pipeline.yaml')) === undefined) return await textChanges(undefined, pipeline)
  await using typing = await openEngine({ engine: { ...engine, scratchDirectory: path.join(tmpdir(), 'cinelake') } })
  await using session = await typing.session()
  const read = await readPipeline(before, { typer: createSqlTyper(session) })
  if (read.pipeline !== undefined) return await textChanges(read.pipeline, pipeline)
  const errors = read.problems.filter(({ severity }) => severity === 'error')
  throw new ConfigError(`the pipeline in ${folder} at ${revision} cannot be used`, errors.map(formatProblem))
}

type Comparison = {
  readonly pipeline: CheckedPipeline
  readonly revision: string
  readonly effects: readonly TableEffect[]
  /** Those that a change reaches when they are run again: from the first to the last complete one. */
  readonly windows: readonly Window[]
}

/** The comparison for machines. */
export function againstAsJson({ pipeline, revision, effects, windows }: Comparison): object {
  const labels = windows.map(({ label }) => label)
  return { pipeline: pipeline.name, against: revision, tables: effects, windows: labels }
}

/** The comparison as Markdown, for a pull request. */
export function formatAgainst({ pipeline, revision, effects, windows }: Comparison): string {
  const changed = effects.filter(({ state }) => state !== 'unchanged')
  const title = `## ${pipeline.name} against \`${revision}\`\n\n`
  const others = effects.length - changed.length
  const rest = others === 0 ? '' : `\n${others} ${others === 1 ? 'table is' : 'tables are'} unchanged.\n`
  if (changed.length === 0) return `${title}No table has changed.\n`
  const rows = changed.flatMap(rowsOf)
  const table = ['| table | column | effect | change |', '|---|---|---|---|', ...rows].join('\n')
  const reached = changed.map(({ table: name, models, served }) => {
    const through = models.length === 0 ? 'no model' : models.map((model) => `\`${model}\``).join(', ')
    const mart = served.length === 0 ? 'nothing that analysts read' : served.map((as) => `\`${as}\``).join(', ')
    return `- \`${name}\`: ${through}; in the mart ${mart}`
  })
  return `${title}${table}\n${rest}\n### Reaches\n\n${reached.join('\n')}\n${windowsLine(windows)}`
}

function rowsOf({ table, state, columns, hasOtherValues }: TableEffect): string[] {
  const row = (column: string, effect: string, change: string) => `| \`${table}\` | ${column} | ${effect} | ${change} |`
  if (state === 'new') return [row('', 'additive', `new, ${columns.length} columns`)]
  if (state === 'gone') return [row('', '**breaking**', `gone, ${columns.length} columns`)]
  const different = columns.filter(({ effect }) => effect !== 'unchanged')
  const same = columns.length - different.length
  return [
    ...different.map(({ column, effect, kind = '', from, to }) => {
      const types = [from, to].filter((type) => type !== null && type !== undefined).join(' → ')
      return row(
        `\`${column}\``,
        effect === 'breaking' ? '**breaking**' : effect,
        `${kind}${types === '' ? '' : `: ${types}`}`,
      )
    }),
    ...(hasOtherValues ? [row('', 'values', 'another SELECT, reading or rule: values may become others')] : []),
    ...(same === 0 ? [] : [row(`${same} more`, 'unchanged', '')]),
  ]
}

function windowsLine(windows: readonly Window[]): string {
  const [first, last] = [windows[0], windows.at(-1)]
  if (first === undefined || last === undefined) return ''
  const count = windows.length === 1 ? '1 window' : `${windows.length} windows`
  return `- windows, when they are run again: ${first.label} to ${last.label} (${count})\n`
}
