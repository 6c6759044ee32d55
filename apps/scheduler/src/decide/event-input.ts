import { FailureFacts, SuccessFacts, type TaskEvent } from '@cinelake/contracts'
import type { TaskInput } from './decision.ts'

/** Translates an event to the input of its run. */
export function inputOf(event: TaskEvent): TaskInput {
  const { task, generation, attempt, at, worker } = event
  const about = { task, generation, attempt }
  switch (event.kind) {
    case 'task.started':
      return { kind: 'started', ...about, at, worker }
    case 'task.progressed':
      return { kind: 'progressed', ...about }
    case 'task.succeeded':
      return { kind: 'succeeded', ...about, at, worker, facts: SuccessFacts.parse(event) }
    default:
      return { kind: 'failed', ...about, at, worker, facts: FailureFacts.parse(event) }
  }
}
