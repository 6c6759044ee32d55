import path from 'node:path'
import { CancelledError, ConfigError, parseWindow, shiftWindow, type Window } from '@cinelake/core'
import { formatProblem, parseYaml, type CheckedPipeline } from '@cinelake/pipeline'
import type { RunRecord } from '@cinelake/run-store'
import { startSampleCompany, type SampleCompany } from '@cinelake/sample-company'
import { PipelineOriginError } from '@cinelake/scheduler'
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { CALL, shellArgument } from '../call.ts'
import type { CommandContext } from '../command.ts'
import { formatDays, formatSummary, isAllWell, type Answer } from '../demo/summary.ts'
import { DEFAULT_STATE } from '../options.ts'
import { layoutOf } from '../output/format-table.ts'
import { formatDuration, toJson } from '../output/format-value.ts'
import { createProgress, noProgress, type Progress } from '../output/progress.ts'
import { openPlatform, requireDirectory, requireOwnPlatform, type Platform } from '../platform.ts'
import { usablePipeline } from '../read-folder.ts'
import { runWindows } from '../run-windows.ts'
import { warnOfEmptyHistory } from '../empty-history.ts'
import { platformConfig } from '../settings.ts'
import { SHIPPED_PIPELINE } from '../shipped-pipeline.ts'

export type Options = {
  readonly state?: string
  readonly scale: number
  readonly seed: number
  readonly days: number
  readonly adopt?: true
  readonly json?: true
}

export async function demo(options: Options, context: CommandContext): Promise<void> {
  const { terminal, signal, exitWith } = context
  const begun = performance.now()
  const { state = DEFAULT_STATE } = options
  requireOwnPlatform(platformConfig(context.settings, options.state))
  await requireDirectory(state)
  using progress = options.json === true ? noProgress : createProgress(terminal)
  progress.say('The sample company opens …')
  await using company = await startSampleCompany({
    directory: path.join(state, 'company'),
    scale: options.scale,
    seed: options.seed,
  })
  const settings = { ...context.settings, ...company.settings, ...company.secrets }
  // Its secrets are generated when it opens, so they are only in this process.
  const config = { ...platformConfig(settings, options.state), secrets: { url: 'env:' } }
  const pipeline = await usablePipeline(SHIPPED_PIPELINE, config, { config, settings })
  const questions = await readQuestions(path.join(SHIPPED_PIPELINE, 'summary.yaml'))
  stopWhenAborted(signal)
  await using platform = await openPlatform(config, settings, terminal, { adopt: options.adopt === true })
  await warnOfEmptyHistory(platform, pipeline.name, config, terminal)
  const runs = await runDays(platform, company, pipeline, { ...options, progress, signal }).catch(nameTaken)
  const answers: Answer[] = []
  if (isAllWell(runs)) {
    for (const { title, sql } of questions) answers.push({ title, ...(await platform.warehouse.query(sql)) })
  }
  progress[Symbol.dispose]()
  if (!isAllWell(runs)) exitWith(1)
  if (options.json === true) return terminal.print(`${toJson({ ok: isAllWell(runs), runs, answers })}\n`)
  print(context, { runs, answers, pipeline, state, tookMs: performance.now() - begun })
}

/** A demo's folder cannot be reported as moved, and its pipeline's name is fixed. */
function nameTaken(error: unknown): never {
  if (!(error instanceof PipelineOriginError)) throw error
  const { pipeline, known } = error.context
  throw new ConfigError(
    'the demo cannot run where another pipeline of its name has run',
    [`${String(known)}: expected no other pipeline called ${String(pipeline)}; name another place with --state DIR`],
    { cause: error },
  )
}

type DaysOptions = { readonly days: number; readonly progress: Progress; readonly signal: AbortSignal }

/** One day after the other; the company advances in between. Stops at a failed day. */
async function runDays(
  platform: Platform,
  company: SampleCompany,
  pipeline: CheckedPipeline,
  { days, progress, signal }: DaysOptions,
): Promise<RunRecord[]> {
  const runs: RunRecord[] = []
  for (const window of firstWindows(pipeline, days)) {
    await company.advanceTo(window.label)
    stopWhenAborted(signal)
    runs.push(
      ...(await runWindows(platform, pipeline, [window], { origin: { folder: SHIPPED_PIPELINE }, progress, signal })),
    )
    if (runs.at(-1)?.state !== 'succeeded') break
  }
  return runs
}

function firstWindows({ schedule }: CheckedPipeline, count: number): Window[] {
  const first = parseWindow(schedule, schedule.start)
  if (first === undefined) throw new ConfigError('the schedule cannot be used', [`start is ${schedule.start}`])
  return Array.from({ length: count }, (_, index) => index).reduce<Window[]>(
    (windows) => [...windows, windows.length === 0 ? first : shiftWindow(schedule, windows.at(-1) ?? first, 1)],
    [],
  )
}

function stopWhenAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new CancelledError('the demo', { cause: signal.reason })
}

type Done = {
  readonly runs: readonly RunRecord[]
  readonly answers: readonly Answer[]
  readonly pipeline: CheckedPipeline
  readonly state: string
  readonly tookMs: number
}

function print({ terminal }: CommandContext, { runs, answers, pipeline, state, tookMs }: Done): void {
  const { print: write, paint } = terminal
  write(formatSummary(runs, answers, layoutOf(terminal)))
  write(
    `\n${paint('bold', 'Look further')}\n${lookFurther(pipeline, runs, state)
      .map((line) => `  ${line}\n`)
      .join('')}`,
  )
  const verdict = isAllWell(runs)
    ? paint('green', 'Every balance holds.')
    : paint('red', 'Not everything is accounted for: see what failed above.')
  write(`\n${formatDays(runs, paint)}${verdict} ${formatDuration(tookMs)} in all.\n`)
}

/** Commands to continue with after a demo, as they are typed. */
function lookFurther(pipeline: CheckedPipeline, runs: readonly RunRecord[], state: string): string[] {
  const at = state === DEFAULT_STATE ? '' : ` --state ${shellArgument(state)}`
  const last = runs.at(-1)
  const served = pipeline.serve[0]
  const rejected = [...(last?.tasks ?? [])]
    .filter(({ kind }) => kind === 'refine')
    .sort((one, other) => (other.balance?.rejected ?? 0) - (one.balance?.rejected ?? 0))[0]
  return [
    `${CALL} tables${at}`,
    ...(served === undefined ? [] : [`${CALL} query "SELECT * FROM ${served.as} LIMIT 5"${at}`]),
    ...(last === undefined ? [] : [`${CALL} status ${last.id}${at}`]),
    ...(rejected === undefined ? [] : [`${CALL} rejects ${rejected.name.replace('refine ', '')}${at}`]),
    ...(served === undefined ? [] : [`${CALL} history ${served.table}${at}`]),
  ]
}

/** The questions that a pipeline's `summary.yaml` asks the mart, for first-time users. */
const Questions = z.object({ queries: z.array(z.object({ title: z.string(), sql: z.string() })) })
type Question = z.infer<typeof Questions>['queries'][number]

/** @throws {ConfigError} terminal: the file is missing or malformed */
async function readQuestions(file: string): Promise<readonly Question[]> {
  const refused = (problems: readonly string[], cause?: unknown) =>
    new ConfigError('the summary cannot be made', problems, { cause })
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw refused([`${file}: ${String(error)}`], error)
  })
  const { value, faults } = parseYaml(text)
  if (faults.length > 0) throw refused(faults.map((fault) => formatProblem({ severity: 'error', file, ...fault })))
  const questions = Questions.safeParse(value)
  if (questions.success) return questions.data.queries
  throw refused([`${file}: ${z.prettifyError(questions.error)}`], questions.error)
}
