import path from 'node:path'
import { CancelledError, ConfigError, type Window, balanceHolds, parseWindow, shiftWindow } from '@cinelake/core'
import { type CheckedPipeline, formatProblem, parseYaml } from '@cinelake/pipeline'
import type { RunRecord, TaskRecord } from '@cinelake/run-store'
import { type SampleCompany, startSampleCompany } from '@cinelake/sample-company'
import { PipelineOriginError } from '@cinelake/scheduler'
import type { Warehouse } from '@cinelake/warehouse'
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { CALL, type CommandContext, shellArgument } from '../command.ts'
import { DEFAULT_STATE } from '../options.ts'
import { formatResult, formatTable, layoutOf } from '../output/format-table.ts'
import { formatCount, formatDuration, toJson } from '../output/format-value.ts'
import { type Progress, createProgress, noProgress } from '../output/progress.ts'
import { describeError, describeTask, paintState } from '../output/run-tables.ts'
import type { Paint } from '../output/terminal.ts'
import { type Platform, openPlatform, requireDirectory, requireOwnPlatform } from '../platform.ts'
import { SHIPPED_PIPELINE, usablePipeline } from '../read-folder.ts'
import { runWindows } from '../run-windows.ts'
import { warnOfEmptyHistory } from '../empty-history.ts'
import { platformConfig } from '../settings.ts'

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

/** A question of `summary.yaml` with the mart's answer. */
export type Answer = { readonly title: string } & Awaited<ReturnType<Warehouse['query']>>

/** Whether everything is accounted for: each task of each run is done and its balance holds. */
function isAllWell(runs: readonly RunRecord[]): boolean {
  return runs.every(
    ({ state, tasks }) =>
      state === 'succeeded' && tasks.every(({ balance }) => balance !== null && balanceHolds(balance)),
  )
}

/** The results of the days, from the tasks to the answers. */
function formatSummary(
  runs: readonly RunRecord[],
  answers: readonly Answer[],
  { paint, width }: { readonly paint: Paint; readonly width: number },
): string {
  const layout = { paint, width, indent: '  ' }
  const sections: (readonly [title: string, text: string])[] = [
    ['Tasks', formatTasks(runs, layout)],
    ['Balance of every dataset', formatBalances(runs, layout)],
    ['Rejected rows by rule', formatRejects(runs, layout)],
    ...answers.map((answer) => [answer.title, formatResult(answer, layout)] as const),
  ]
  const failures = runs.flatMap(({ id, tasks }) =>
    tasks
      .filter(({ state }) => state === 'failed')
      .map((task) => `  ${id}  ${task.name}: ${describeError(task.error)}\n`),
  )
  if (failures.length > 0) sections.push(['What failed', paint('red', failures.join(''))])
  return sections.map(([title, text]) => `\n${paint('bold', title)}\n${text}`).join('')
}

/** `2026-03-01 succeeded in 12.3 s` and so on, one line per day. */
function formatDays(runs: readonly RunRecord[], paint: Paint): string {
  return runs
    .map(({ window, state, durationMs, tasks }) => {
      const took = durationMs === null ? '' : ` in ${formatDuration(durationMs)}`
      return `${window.label}  ${paintState(paint, state)}${took}, ${formatCount(tasks.length)} tasks\n`
    })
    .join('')
}

type Layout = { readonly paint: Paint; readonly width: number; readonly indent: string }

function formatTasks(runs: readonly RunRecord[], layout: Layout): string {
  const names = [...new Set(runs.flatMap(({ tasks }) => tasks.map(({ name }) => name)))]
  return formatTable(
    [
      { title: 'task' },
      ...runs.flatMap(({ window }) => [
        { title: 'took', align: 'right' as const },
        { title: window.label, maxWidth: 46 },
      ]),
    ],
    names.map((name) => [
      name,
      ...runs.flatMap(({ tasks }) => {
        const task = tasks.find((candidate) => candidate.name === name)
        if (task === undefined) return ['', '']
        return [task.durationMs === null ? '' : formatDuration(task.durationMs), describeTask(task)]
      }),
    ]),
    layout,
  )
}

function formatBalances(runs: readonly RunRecord[], layout: Layout): string {
  const { paint } = layout
  const refined = runs.flatMap(({ window, tasks }) =>
    tasks.filter(isTable).map((task) => ({ window: window.label, task })),
  )
  return formatTable(
    [
      { title: 'dataset' },
      { title: 'day' },
      ...['in', 'out', 'rejected', 'duplicates'].map((title) => ({ title, align: 'right' as const })),
      { title: '' },
    ],
    refined.map(({ window, task: { name, balance } }) => [
      tableOfTask(name),
      window,
      ...(balance === null
        ? ['', '', '', '']
        : [balance.in, balance.out, balance.rejected, balance.duplicates].map(formatCount)),
      balance !== null && balanceHolds(balance) ? paint('green', 'holds') : paint('red', 'BROKEN'),
    ]),
    layout,
  )
}

function formatRejects(runs: readonly RunRecord[], layout: Layout): string {
  const rules = new Map<
    string,
    { readonly table: string; readonly rule: string; readonly counts: Map<string, number> }
  >()
  for (const { window, tasks } of runs) {
    for (const task of tasks) {
      for (const [rule, count] of Object.entries(task.rejects)) {
        const key = `${task.name} ${rule}`
        const known = rules.get(key) ?? { table: tableOfTask(task.name), rule, counts: new Map<string, number>() }
        rules.set(key, { ...known, counts: known.counts.set(window.label, count) })
      }
    }
  }
  if (rules.size === 0) return '  none\n'
  return formatTable(
    [
      { title: 'dataset' },
      { title: 'rule' },
      ...runs.map(({ window }) => ({ title: window.label, align: 'right' as const })),
    ],
    [...rules.values()].map(({ table, rule, counts }) => [
      table,
      rule,
      ...runs.map(({ window }) => formatCount(counts.get(window.label) ?? 0)),
    ]),
    layout,
  )
}

/** Landed datasets, and models that reject or drop rows. */
function isTable({ kind, balance }: TaskRecord): boolean {
  if (kind === 'refine') return true
  return kind === 'build' && balance !== null && balance.rejected + balance.duplicates > 0
}

/** `refine titles` → `titles` */
function tableOfTask(task: string): string {
  return task.slice(task.indexOf(' ') + 1)
}
