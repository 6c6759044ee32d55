import type { RunRecord, RunSummary, TaskRecord } from '@cinelake/scheduler'
import { describeTask } from './describe-task.ts'
import { formatCount, formatDuration, formatInstant } from './format-value.ts'
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
      { title: 'started' },
      { title: 'took', align: 'right' },
    ],
    runs.map(({ id, state, taskCounts, startedAt, durationMs }) => [
      id,
      paintState(paint, state),
      formatCount(Object.values(taskCounts).reduce((sum, count) => sum + count, 0)),
      formatCount(taskCounts.failed),
      formatCount(taskCounts.skipped),
      formatInstant(startedAt),
      durationMs === null ? '' : formatDuration(durationMs),
    ]),
    { paint, width },
  )
}

/** One run: what it came to, its tasks, and what went wrong in full. */
export function formatRun(run: RunRecord, paint: Paint, width = Infinity): string {
  const took = run.durationMs === null ? '' : ` in ${formatDuration(run.durationMs)}`
  const tasks = formatTable(
    [
      { title: 'task' },
      { title: 'state' },
      { title: 'try', align: 'right' },
      { title: 'took', align: 'right' },
      { title: 'result', maxWidth: 70 },
    ],
    run.tasks.map((task) => [
      task.name,
      paintState(paint, task.state),
      task.attempt === 0 ? '' : String(task.attempt),
      task.durationMs === null ? '' : formatDuration(task.durationMs),
      describeTask(task),
    ]),
    { paint, width },
  )
  const failed = run.tasks.filter((task) => task.error !== null && task.state !== 'succeeded')
  const errors = failed.map((task) => `\n${paint('red', task.name)}\n  ${errorOf(task)}\n`).join('')
  return `${paint('bold', run.id)}  ${paintState(paint, run.state)}${took}\n\n${tasks}${errors}`
}

function errorOf({ error }: TaskRecord): string {
  return error === null ? '' : `${error.code}: ${error.message}`.replaceAll('\n', '\n  ')
}
