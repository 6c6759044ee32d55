import type { RedoPlan, RedoWindow } from '@cinelake/scheduler'
import { plural } from './describe-task.ts'
import { formatTable } from './format-table.ts'
import type { Paint } from './terminal.ts'

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
