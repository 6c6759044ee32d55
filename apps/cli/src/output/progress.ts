import type { Event } from '@cinelake/contracts'
import { cut, padded } from './format-table.ts'
import { formatCount, formatDuration } from './format-value.ts'
import { type ShownTask, describeTask, plural } from './run-tables.ts'
import type { Style, Terminal } from './terminal.ts'

/** The displayed part of a change of a run. */
type ProgressChange = {
  readonly run: {
    readonly id: string
    readonly window: { readonly label: string }
    readonly tasks: ReadonlyMap<string, { readonly state: string }>
  }
  /** Tasks that are new or changed. */
  readonly tasks: readonly (ShownTask & {
    readonly durationMs: number | null
    readonly planned: { readonly name: string }
  })[]
}

/** Reports progress: a line per finished task, and on a screen, below them, the running tasks. */
export type Progress = Disposable & {
  readonly onChange: (change: ProgressChange) => void
  readonly onEvent: (event: Event) => void
  /** A line between the others. */
  readonly say: (text: string) => void
}

type Working = { readonly run: string; readonly task: string; readonly since: number; rowCount: number }

const MARKS: Readonly<Record<string, readonly [mark: string, style: Style]>> = {
  succeeded: ['✓', 'green'],
  failed: ['✗', 'red'],
  skipped: ['-', 'dim'],
  retrying: ['↻', 'yellow'],
}
const SPINNER = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'
/** Milliseconds between two redraws. */
const FRAME_MS = 120
const NAME_WIDTH = 34
/** Tasks shown at once; there are seldom more. */
const MAX_SHOWN = 8

export const noProgress: Progress = { onChange() {}, onEvent() {}, say() {}, [Symbol.dispose]() {} }

/** Hints that are printed once, when they apply. */
type Hints = {
  /** With the first task that is retried. */
  readonly onRetry?: string
}

/** @param now milliseconds, for rates */
export function createProgress(
  terminal: Terminal,
  hints: Hints = {},
  now: () => number = () => performance.now(),
): Progress {
  const { paint } = terminal
  const region = terminal.isInteractive ? createRegion(terminal) : undefined
  const working = new Map<string, Working>()
  const counts = new Map<string, { done: number; all: number; since: number }>()
  let frame = 0
  let isRetryTold = false

  const say = (text: string) => {
    if (region === undefined) terminal.note(`${text}\n`)
    else region.print(text)
  }
  const draw = () => {
    frame += 1
    const heads = header(counts, now).map((line) => cut(line, terminal.columns() - 1))
    const tasks = [...working.values()].slice(0, MAX_SHOWN).map((task) => lineOf(task))
    // Lines that have scrolled off the screen cannot be redrawn; one line is reserved for printed text.
    region?.draw([...heads, ...tasks].slice(0, Math.max(1, (terminal.rows?.() ?? 24) - 2)))
  }
  const lineOf = ({ task, since, rowCount }: Working) => {
    const elapsed = now() - since
    const rate = rowCount === 0 || elapsed < 1000 ? '' : `  ${formatCount(Math.round((rowCount * 1000) / elapsed))}/s`
    const rows = rowCount === 0 ? '' : `  ${plural(rowCount, 'row')}${rate}`
    const text = `${SPINNER[frame % SPINNER.length]} ${padded(task, NAME_WIDTH, 'left')}  ${formatDuration(elapsed)}${rows}`
    return paint('cyan', cut(text, terminal.columns() - 1))
  }
  const timer = region === undefined ? undefined : setInterval(draw, FRAME_MS)

  return {
    say,
    onEvent(event) {
      if (event.kind === 'agent.heartbeat') return
      const key = `${event.run} ${event.task}`
      if (event.kind === 'task.started')
        working.set(key, { run: event.run, task: event.task, since: now(), rowCount: 0 })
      const known = working.get(key)
      if (event.kind === 'task.progressed' && known !== undefined) known.rowCount = event.rowCount ?? known.rowCount
      if (event.kind === 'task.succeeded' || event.kind === 'task.failed') working.delete(key)
    },
    onChange({ run, tasks }) {
      const done = [...run.tasks.values()].filter(
        ({ state }) => MARKS[state] !== undefined && state !== 'retrying',
      ).length
      const since = counts.get(run.id)?.since ?? now()
      if (done < run.tasks.size) counts.set(run.id, { done, all: run.tasks.size, since })
      else counts.delete(run.id)
      const skipped = tasks.filter(({ state }) => state === 'skipped')
      for (const task of tasks) {
        // Tasks skipped by a failure are reported together, not one by one.
        if (task.state === 'skipped' && skipped.length > 1) continue
        const known = MARKS[task.state]
        if (known === undefined) continue
        const [mark, style] = known
        const duration = task.durationMs === null || task.state === 'skipped' ? '' : formatDuration(task.durationMs)
        const name = padded(task.planned.name, NAME_WIDTH, 'left')
        say(`${run.window.label}  ${paint(style, mark)} ${name} ${padded(duration, 8, 'right')}  ${describeTask(task)}`)
        if (task.state === 'retrying' && hints.onRetry !== undefined && !isRetryTold) {
          isRetryTold = true
          say(hints.onRetry)
        }
      }
      const [first] = skipped
      if (first !== undefined && skipped.length > 1) {
        const [mark, style] = MARKS['skipped'] ?? ['-', 'dim']
        const names = padded(plural(skipped.length, 'task'), NAME_WIDTH, 'left')
        say(
          `${run.window.label}  ${paint(style, mark)} ${names} ${' '.repeat(8)}  skipped, the first: ${describeTask(first)}`,
        )
      }
    },
    [Symbol.dispose]() {
      clearInterval(timer)
      region?.draw([])
    },
  }
}

function header(
  counts: ReadonlyMap<string, { done: number; all: number; since: number }>,
  now: () => number,
): string[] {
  return [...counts].map(
    ([run, { done, all, since }]) => `${run}  ${done} of ${all} tasks  ${formatDuration(now() - since)}`,
  )
}

/** The last lines of the screen, redrawn repeatedly; printed text goes above them. */
type Region = {
  readonly draw: (lines: readonly string[]) => void
  readonly print: (text: string) => void
}

/** Every line must fit the screen's width: the rest of a wrapped line would not be erased. Exported for tests. */
export function createRegion({ note }: Pick<Terminal, 'note'>): Region {
  let shown: readonly string[] = []
  const erase = () => (shown.length === 0 ? '' : `\u001B[${shown.length}A\u001B[0J`)
  const text = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join('')
  return {
    draw(lines) {
      const drawing = erase() + text(lines)
      shown = lines
      if (drawing !== '') note(drawing)
    },
    print(line) {
      note(`${erase()}${line}\n${text(shown)}`)
    },
  }
}
