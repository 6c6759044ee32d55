import { MEASURES, type Measure, type TaskOutput } from '@cinelake/contracts'
import { type Balance, type ErrorReport, balanceHolds, formatBalance } from '@cinelake/core'
import type { RunRecord, RunSummary, ShownFacts, TaskRecord } from '@cinelake/run-store'
import type { RedoPlan, RedoWindow } from '@cinelake/scheduler'
import { formatTable } from './format-table.ts'
import { formatBytes, formatCount, formatDuration, formatInstant } from './format-value.ts'
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

/** Results that break nothing and are told all the same: rows that do not come out as is asked for. */
const NOTES = new Set(['rows_joined', 'footer'])

/** Results of the quality rules of severity `warn`, one per line, and informational results, which break nothing. */
function formatWarnings({ tasks }: RunRecord, paint: Paint): string {
  return tasks
    .flatMap(({ name, quality }) =>
      quality
        .filter(({ rule, severity, failed }) => (severity === 'warn' && failed > 0) || NOTES.has(rule))
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

/** Most places in the text that are listed one by one. */
const MAX_PLACES = 6

/** The changes in the text since a window was done, and how they take effect. */
export function describeChanges({ changed, added, needsSource, tasks }: RedoWindow): string {
  const places = [...changed, ...added]
  if (places.length === 0) return '--again runs it once more'
  const more = places.length > MAX_PLACES ? ` and ${places.length - MAX_PLACES} more` : ''
  const since = `the pipeline has changed since: ${places.slice(0, MAX_PLACES).join(', ')}${more}`
  const sources = needsSource.map((selector) => `--select '${selector}+'`).join(' ')
  // A change of the landing alone leaves nothing to redo from landed data.
  if (!tasks.some(({ action }) => action === 'do')) {
    return `${since}; ${sources} reads it from the source again, --again all of it`
  }
  const alsoSources = sources === '' ? '' : `; what is read from a source needs ${sources}`
  return `${since}; --changed redoes what depends on it, --again all of it${alsoSources}`
}

/** The tasks that would be done again, window by window, with the reasons. */
export function formatRedo({ windows, notes, problems, isOrdered }: RedoPlan, paint: Paint): string {
  const single = windows.length === 1
  const blocks = windows.map((window) => formatWindow(window, single, paint))
  const order = isOrdered ? ['One window after the other; a window that fails stops it.\n'] : []
  const told = notes.map((note) => `Note: ${note}.\n`)
  const wrong = problems.map((problem) => `${paint('red', 'Not possible:')} ${problem}\n`)
  return [...blocks, ...order, ...told, ...wrong].join('\n')
}

function formatWindow({ runId, tasks }: RedoWindow, isWhole: boolean, paint: Paint): string {
  const count = tasks.filter(({ action }) => action === 'do').length
  const dropped = tasks.filter(({ action }) => action === 'drop').length
  const parts = [
    ...(count > 0 ? [plural(count, 'task')] : []),
    ...(dropped > 0 ? [`${plural(dropped, 'task')} to drop`] : []),
  ]
  const head = `${paint('bold', runId)}  ${parts.length === 0 ? 'nothing to do' : parts.join(', ')}\n`
  // For many windows, the unchanged tasks would hide the others.
  const shown = isWhole ? tasks : tasks.filter(({ action }) => action !== 'keep')
  if (shown.length === 0) return head
  const rows = shown.map(({ name, action, reason, restart }) => [
    name,
    action === 'do' ? paint('cyan', restart ? 'do, its table begins again' : 'do') : paint('dim', action),
    reason,
  ])
  return `${head}\n${formatTable([{ title: 'task' }, { title: '' }, { title: 'why', maxWidth: 100 }], rows, { paint })}`
}

/** The displayed fields of a task: from the run's record, or from a change event. */
export type ShownTask = Pick<ShownFacts, 'balance' | 'output' | 'error'> & {
  readonly state: string
  readonly reason: string | null
}

/**
 * A task's result in a few words: `1,980 rows, 20 rejected`, `3 files, 1.2 MB`, `already loaded`, `FILES_MISSING: no
 * file came`.
 */
export function describeTask({ state, balance, output, error, reason }: ShownTask): string {
  if (state === 'retrying') return `${error?.code ?? 'failed'}; it is tried again`
  if (state === 'failed') return error === null ? 'failed' : `${error.code}: ${firstWords(error.message)}`
  if (state === 'skipped') return reason ?? 'skipped'
  if (balance === null || output === null) return ''
  if (!balanceHolds(balance)) return `the balance is broken: ${formatBalance(balance)}`
  return [describeOutput(output, balance), ...describeLosses(balance)].join(', ')
}

/** An error in full. */
export function describeError(error: ErrorReport | null): string {
  return error === null ? 'failed' : `${error.code}: ${error.message}`
}

/** The failure alone, without the place, the expectation and the remedy. */
function firstWords(message: string): string {
  return message.split(/\s*(?:\[|[:;](?:\s|$)|\n)/, 1)[0] ?? ''
}

function describeOutput(output: TaskOutput, balance: Balance): string {
  if (output.kind === 'tables') return plural(output.tables.length, 'table')
  if (output.kind === 'landed') {
    if (output.fileCount === 0) return 'nothing new'
    const count = output.rowCount === undefined ? plural(output.fileCount, 'file') : plural(output.rowCount, 'row')
    return `${count}, ${formatBytes(output.sizeBytes)}`
  }
  const rows = plural(balance.out, 'row')
  if (output.kind === 'delivered') {
    const files = `${rows}, ${plural(output.fileCount, 'file')}, ${formatBytes(output.sizeBytes)}`
    if (output.outcome === 'delivered') return files
    return output.outcome === 'superseded' ? 'superseded' : `${files}, already delivered`
  }
  switch (output.outcome) {
    case 'already-loaded':
      return `${rows}, already loaded`
    case 'changed':
      return output.kind === 'loaded' ? `${rows}, ${formatCount(output.sentRowCount)} sent` : rows
    // No row was counted: the table is unchanged.
    case 'unchanged':
    case 'superseded':
      return output.outcome
    default:
      return rows
  }
}

function describeLosses({ rejected, duplicates }: Balance): string[] {
  return [
    ...(rejected === 0 ? [] : [`${formatCount(rejected)} rejected`]),
    ...(duplicates === 0 ? [] : [plural(duplicates, 'duplicate')]),
  ]
}

/** `1 row`, `2,000 rows` */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`
}
