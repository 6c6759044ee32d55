import { MEASURES, type Measure } from '@cinelake/contracts'
import type { RunRecord, RunSummary, TaskRecord } from '@cinelake/run-store'
import { describeError, describeTask, plural } from './describe-task.ts'
import { formatBytes, formatCount, formatDuration, formatInstant } from './format-value.ts'
import { formatTable } from './format-table.ts'
import type { Paint, Style } from './terminal.ts'

const STYLES: Readonly<Record<string, Style>> = {
  succeeded: 'green',
  failed: 'red',
  cancelled: 'red',
  skipped: 'dim',
  running: 'cyan',
  retrying: 'yellow',
}

/** A state in its colour. */
export function paintState(paint: Paint, state: string): string {
  const style = STYLES[state]
  return style === undefined ? state : paint(style, state)
}

/** Runs, a line each. */
export function formatRuns(runs: readonly RunSummary[], paint: Paint, width = Infinity): string {
  return formatTable(
    [
      { title: 'run' },
      { title: 'state' },
      { title: 'tasks', align: 'right' },
      { title: 'failed', align: 'right' },
      { title: 'skipped', align: 'right' },
      { title: 'warnings', align: 'right' },
      { title: 'started' },
      { title: 'took', align: 'right' },
    ],
    runs.map(({ id, state, taskCounts, warningCount, startedAt, durationMs }) => [
      id,
      paintState(paint, state),
      formatCount(Object.values(taskCounts).reduce((sum, count) => sum + count, 0)),
      formatCount(taskCounts.failed),
      formatCount(taskCounts.skipped),
      warningCount === undefined ? '' : formatCount(warningCount),
      formatInstant(startedAt),
      durationMs === null ? '' : formatDuration(durationMs),
    ]),
    { paint, width },
  )
}

/** The requested runs, followed by their warnings, skipped tasks and full errors. */
export function formatOutcome(runs: readonly RunRecord[], paint: Paint, width = Infinity): string {
  const sections = runs.flatMap((run) => {
    const skipped = run.tasks.filter(({ state }) => state === 'skipped').map(({ name }) => name)
    const names = `${skipped.slice(0, MAX_NAMED).join(', ')}${skipped.length > MAX_NAMED ? ', …' : ''}`
    const line = skipped.length === 0 ? '' : `${plural(skipped.length, 'task')} skipped: ${names}\n`
    const text = `${formatWarnings(run, paint)}${line}${formatErrors(run, paint)}`
    return text === '' ? [] : [`\n${paint('bold', run.id)}  ${paintState(paint, run.state)}\n${text}`]
  })
  return `${formatRuns(runs, paint, width)}${sections.join('')}`
}

/** Most skipped tasks that are named. */
const MAX_NAMED = 6

/** One run: its result, its tasks, its warnings, and its errors in full. */
export function formatRun(run: RunRecord, paint: Paint, width = Infinity): string {
  const took = run.durationMs === null ? '' : ` in ${formatDuration(run.durationMs)}`
  const measures = MEASURES.filter(({ fact }) => run.tasks.some((task) => typeof task[fact] === 'number'))
  const tasks = formatTable(
    [
      { title: 'task' },
      { title: 'state' },
      { title: 'try', align: 'right' },
      ...measures.map(({ title }) => ({ title, align: 'right' }) as const),
      { title: 'result', maxWidth: 70 },
    ],
    run.tasks.map((task) => [
      task.name,
      paintState(paint, task.state),
      task.attempt === 0 ? '' : String(task.attempt),
      ...measures.map((measure) => formatMeasure(measure, task)),
      describeTask(task),
    ]),
    { paint, width },
  )
  const warnings = formatWarnings(run, paint)
  const found = `${warnings === '' ? '' : '\n'}${warnings}${formatErrors(run, paint)}`
  return `${paint('bold', run.id)}  ${paintState(paint, run.state)}${took}\n\n${tasks}${found}`
}

const UNITS = { ms: formatDuration, bytes: formatBytes, count: formatCount }

function formatMeasure({ fact, unit }: Measure, task: TaskRecord): string {
  const value = task[fact]
  return typeof value === 'number' ? UNITS[unit](value) : ''
}

/** Results of the quality rules of severity `warn`, one per line, and informational results, which break nothing. */
function formatWarnings({ tasks }: RunRecord, paint: Paint): string {
  return tasks
    .flatMap(({ name, quality }) =>
      quality
        .filter(({ rule, severity, failed }) => (severity === 'warn' && failed > 0) || rule === 'rows_joined')
        .map((found) => {
          const kind = found.failed > 0 ? paint('yellow', 'warning') : paint('dim', 'note')
          return `${kind}  ${name}  ${describeFinding(found)}\n`
        }),
    )
    .join('')
}

function describeFinding({ rule, checked, failed, detail }: TaskRecord['quality'][number]): string {
  if (detail !== undefined) return `${rule}: ${detail}`
  return `${rule}: ${formatCount(failed)} of ${plural(checked, 'row')} ${failed === 1 ? 'breaks' : 'break'} it`
}

function formatErrors({ tasks }: RunRecord, paint: Paint): string {
  return tasks
    .filter(({ error, state }) => error !== null && state !== 'succeeded')
    .map(({ name, error }) => `\n${paint('red', name)}\n  ${describeError(error).replaceAll('\n', '\n  ')}\n`)
    .join('')
}
