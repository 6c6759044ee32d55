import type { PlannedTask } from '@cinelake/contracts'
import { ConfigError, PipelineError } from '@cinelake/core'
import { type CheckedPipeline, planRun } from '@cinelake/pipeline'
import { type RedoAsked, openRedoPlanner } from '@cinelake/scheduler'
import { compareRows } from '../against/compare-rows.ts'
import { againstAsJson, changesAgainst } from '../against/compare-text.ts'
import { changedTables, formatChanges, isRefused } from '../changed-tables.ts'
import type { CommandContext } from '../command.ts'
import { openExistingDatabase, openLake } from '../open-parts.ts'
import { type RedoOptions, redoAsked } from '../options.ts'
import { formatAgainst } from '../against/format-against.ts'
import { formatTable, layoutOf } from '../output/format-table.ts'
import { formatInstant, toJson } from '../output/format-value.ts'
import { formatRedo, plural } from '../output/run-tables.ts'
import { usableFolder } from '../read-folder.ts'
import { type PlatformConfig, platformConfig } from '../settings.ts'
import { type WindowChoice, allWindows, chosenWindows, whyChosen } from '../windows.ts'

export type Options = WindowChoice &
  Omit<RedoOptions, 'again'> & {
    readonly rebuild?: readonly string[]
    readonly state?: string
    readonly offline?: true
    readonly against?: string
    readonly json?: true
  }

export async function plan(folder: string, options: Options, context: CommandContext): Promise<void> {
  const { terminal, settings, clock, signal, exitWith } = context
  const asked = askedOf(options)
  const config = platformConfig(settings, options.state)
  const { pipeline, places } = await usableFolder(folder, config)
  if (asked !== undefined) return await planAgain(pipeline, asked, { config, options, context })
  const chosen = () => chosenWindows(pipeline, options, clock(), config.maxWindows)
  if (options.against !== undefined) return await planAgainst(folder, pipeline, options.against, { options, context })
  const windows = chosen()
  const [window] = windows
  const tasks = planRun(pipeline)
  const changed =
    options.offline === true ? { changes: [] } : await changedTables(pipeline, places, { config, settings, signal })
  if (isRefused(changed)) exitWith(1)
  if (options.json === true) {
    return terminal.print(`${toJson({ pipeline: pipeline.name, window, tasks, ...changed })}\n`)
  }
  const { paint, print } = terminal
  const interval = `${formatInstant(window?.start ?? null)} to ${formatInstant(window?.end ?? null)}`
  const why = whyChosen(options, windows)
  if (why !== undefined) terminal.note(`${why}\n`)
  print(`${paint('bold', `${pipeline.name}@${window?.label}`)}  ${interval}  ${plural(tasks.length, 'task')}\n\n`)
  print(
    formatTable(
      [{ title: 'task' }, { title: 'queue' }, { title: 'needs', maxWidth: 90 }],
      tasks.map(({ name, queue, needs, work }) => [name, queue, [...needs, ...usesOf(work)].join(', ')]),
      layoutOf(terminal),
    ),
  )
  const changes = formatChanges(changed, paint)
  if (changes !== '') print(`\n${changes}`)
}

/** The differences between the text and that of a commit. */
async function planAgainst(
  folder: string,
  pipeline: CheckedPipeline,
  revision: string,
  { options, context }: { readonly options: Options; readonly context: CommandContext },
): Promise<void> {
  const { terminal, settings, clock, signal, exitWith } = context
  const config = platformConfig(settings, options.state)
  const isAsked = options.window !== undefined || options.from !== undefined || options.to !== undefined
  const asked = isAsked ? chosenWindows(pipeline, options, clock(), config.maxWindows) : undefined
  const windows = asked ?? allWindows(pipeline, clock())
  const { before, ...text } = await changesAgainst(folder, pipeline, revision, config)
  const request = { ...text, before, after: pipeline, windows: asked, lastWindow: windows.at(-1) }
  const rows =
    options.offline === true
      ? { windows: [], landed: 0, tables: [], note: 'no lake was looked at (`--offline`)' }
      : await compareRows(request, { config, settings, signal }).catch((error: unknown) => {
          // The comparison of the texts is useful even if the lake cannot be read.
          if (!(error instanceof PipelineError) || signal.aborted) throw error
          exitWith(1)
          return { windows: [], landed: 0, tables: [], note: error.message }
        })
  const compared = { pipeline, revision, ...text, windows, rows }
  terminal.print(options.json === true ? `${toJson(againstAsJson(compared))}\n` : formatAgainst(compared))
}

/** Tables of other pipelines: no task of this run makes them. */
function usesOf(work: PlannedTask['work']): string[] {
  return work.kind === 'build' ? (work.uses ?? []).map((table) => `${table} as it is then`) : []
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

/** The tasks that would be done again, according to the run history. */
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
  const redo = await (await openRedoPlanner({ lake, database })).planRedo(pipeline, asked, windows)
  terminal.print(
    options.json === true
      ? `${toJson({ pipeline: pipeline.name, asked, ...redo })}\n`
      : formatRedo(redo, terminal.paint),
  )
  if (redo.problems.length > 0) exitWith(2)
}
