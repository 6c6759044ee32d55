import type { PlannedTask } from '@cinelake/contracts'
import type { RetryPolicy } from '@cinelake/pipeline'
import type { Run, Task } from '@cinelake/run-store'

/** A task in its initial state. */
export function newTask(planned: PlannedTask, position: number, generation: number, retry: RetryPolicy): Task {
  return {
    planned,
    position,
    state: 'waiting',
    generation,
    attempt: 0,
    attemptLimit: retry.maxAttempts,
    since: null,
    sentAt: null,
    worker: null,
    startedAt: null,
    finishedAt: null,
    dueAt: null,
    facts: {},
    reason: null,
    digest: null,
    restart: false,
  }
}

/** The run with one task replaced; the same object when nothing changes. */
export function withTask(run: Run, task: Task): Run {
  if (run.tasks.get(task.planned.name) === task) return run
  return { ...run, tasks: new Map(run.tasks).set(task.planned.name, task) }
}

/** The run with `change` applied to every task; the same object when nothing changes. */
export function mapTasks(run: Run, change: (task: Task) => Task): Run {
  const tasks = new Map([...run.tasks].map(([name, task]) => [name, change(task)]))
  return [...tasks].some(([name, task]) => run.tasks.get(name) !== task) ? { ...run, tasks } : run
}
