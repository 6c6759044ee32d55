import type { Event } from '@cinelake/contracts'
import type { Metrics } from './metrics.ts'

/** Turns the task events that a worker publishes into metrics. Pass it to `runTaskWorker` as `observe`. */
export function taskMetrics(metrics: Metrics): (event: Event) => void {
  return (event) => {
    if (event.kind !== 'task.succeeded' && event.kind !== 'task.failed') return
    // The label is the task's first word, the kind of work. The full name would make one time series per table.
    const work = event.task.split(' ', 1).join('')
    const outcome = event.kind === 'task.succeeded' ? 'succeeded' : 'failed'
    metrics.observe('cinelake_task_seconds', 'Time that tasks took.', { work, outcome }, event.durationMs / 1000)
    if (event.kind === 'task.failed') {
      metrics.count('cinelake_task_errors_total', 'Failed attempts by code.', { work, code: event.error.code })
      return
    }
    const { unit, in: inCount, out, rejected, duplicates } = event.balance
    for (const [fate, count] of Object.entries({ in: inCount, out, rejected, duplicates })) {
      metrics.count(`cinelake_task_${unit}_total`, `What tasks accounted for, in ${unit}.`, { work, fate }, count)
    }
  }
}
