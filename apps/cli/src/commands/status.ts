import { ConfigError, suggest } from '@cinelake/core'
import { type RunHistory, historyErrors } from '@cinelake/run-store'
import type { CommandContext } from '../command.ts'
import { openHistory } from '../open-parts.ts'
import { toJson } from '../output/format-value.ts'
import { formatRun, formatRuns } from '../output/run-tables.ts'
import { platformConfig } from '../settings.ts'

export type Options = {
  readonly state?: string
  readonly limit: number
  readonly pipeline?: string
  readonly failed?: true
  readonly json?: true
}

export async function status(
  asked: string | undefined,
  options: Options,
  { terminal, settings, signal }: CommandContext,
) {
  const pipeline = pipelineOf(asked, options)
  await using history = await openHistory(platformConfig(settings, options.state), signal)
  const isJson = options.json === true
  if (asked !== undefined && pipeline !== asked) {
    const run = await history.run(asked)
    if (run === undefined) throw historyErrors.RUN_MISSING(asked)
    return terminal.print(isJson ? `${toJson(run)}\n` : formatRun(run, terminal.paint, terminal.width?.()))
  }
  const narrowed = {
    ...(pipeline === undefined ? {} : { pipeline }),
    ...(options.failed === true ? { state: 'failed' as const } : {}),
  }
  const runs = await history.runs({ limit: options.limit, ...narrowed })
  if (runs.length === 0 && pipeline !== undefined) await requirePipeline(history, pipeline)
  if (isJson) return terminal.print(`${toJson({ runs })}\n`)
  terminal.print(
    runs.length === 0 ? `${noRuns(pipeline, options)}\n` : formatRuns(runs, terminal.paint, terminal.width?.()),
  )
}

/** A run's name has a window after its `@`; a pipeline's has none. */
function pipelineOf(asked: string | undefined, { pipeline, failed }: Options): string | undefined {
  if (asked === undefined) return pipeline
  if (asked.includes('@')) {
    if (pipeline === undefined && failed === undefined) return undefined
    throw new ConfigError('the runs cannot be narrowed', [
      `${asked} is one run: expected --pipeline and --failed without it`,
    ])
  }
  if (pipeline === undefined || pipeline === asked) return asked
  throw new ConfigError('the runs cannot be narrowed', [`expected one pipeline, got ${asked} and ${pipeline}`])
}

/** @throws {ConfigError} terminal: the pipeline has no run, in any state */
async function requirePipeline(history: RunHistory, pipeline: string): Promise<void> {
  const known = await history.pipelines()
  if (known.includes(pipeline)) return
  throw new ConfigError('there is no such pipeline', [
    `${pipeline}: ${suggest(pipeline, known, 'there are no runs yet')}`,
  ])
}

function noRuns(pipeline: string | undefined, { failed }: Options): string {
  const of = pipeline === undefined ? '' : ` of ${pipeline}`
  return failed === true ? `No run${of} has failed.` : `There are no runs${of} yet.`
}
