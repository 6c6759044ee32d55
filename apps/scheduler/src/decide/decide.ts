import { isRunFinished, isTaskFinished, isUnsent, type Run, type Task, type TryRecord } from '@cinelake/run-store'
import type { Decision, Input, World } from './decision.ts'
import { replan, withSince } from './run-plan.ts'
import { queue, skip, stepTask, waitUntil, mapTasks } from './task-step.ts'

/**
 * Applies inputs to a run, in the order given. No I/O: the caller makes the changes durable, then sends the commands.
 * An input without new information returns the same run object. The states and transitions are in `libs/run-store/src/run.ts`.
 */
export function decide(before: Run, inputs: readonly Input[], world: World): Decision {
  const records: TryRecord[] = []
  const run = inputs.reduce((run, input) => settle(step(run, input, world, records), world), before)

  const changes = [...run.tasks.values()].filter((task) => before.tasks.get(task.planned.name) !== task)
  return {
    run,
    changes,
    removed: [...before.tasks.keys()].filter((name) => !run.tasks.has(name)),
    commands: changes.filter(isUnsent),
    timers: changes.filter((task) => task.dueAt !== null && task.dueAt !== before.tasks.get(task.planned.name)?.dueAt),
    records,
  }
}

function step(run: Run, input: Input, world: World, records: TryRecord[]): Run {
  switch (input.kind) {
    case 'plan':
      return replan(run, input, world.rules(input.digest), world.now)
    case 'begin':
      if (run.state !== 'waiting') return run
      return { ...withSince(run, input.since), state: 'running', startedAt: world.now.toISOString() }
    case 'resume':
      return run.state === 'running' ? mapTasks(run, (task) => sendAgain(task, world)) : run
    case 'cancel':
      return isRunFinished(run) ? run : cancel(run, input.reason ?? 'the run was cancelled', world)
    default:
      return run.state === 'running' ? stepTask(run, input, world, records) : run
  }
}

function sendAgain(task: Task, world: World): Task {
  if (task.state !== 'queued' && task.state !== 'running') return task
  // A command that was never sent keeps its age: otherwise replicas that restart again and again would hide it from the
  // sweep for ever.
  if (isUnsent(task)) return { ...task }
  return {
    ...task,
    state: 'queued',
    sentAt: null,
    worker: null,
    startedAt: null,
    dueAt: waitUntil(world, world.timeouts.scheduleToStartMs),
  }
}

function cancel(run: Run, reason: string, { now }: World): Run {
  const rest = mapTasks(run, (task) => (isTaskFinished(task) ? task : skip(task, reason, now)))
  return { ...rest, state: 'cancelled', finishedAt: now.toISOString() }
}

/**
 * Advances the run: skips tasks that can no longer run, queues those that are ready, closes the run when every task is
 * finished.
 */
function settle(run: Run, world: World): Run {
  if (run.state !== 'running') return run
  const tasks = new Map(run.tasks)
  // In order of position: the dependencies of a task come before it, so one pass propagates a failure to the end.
  for (const [name, task] of run.tasks) {
    if (task.state === 'waiting') tasks.set(name, advance(task, tasks, world))
  }
  const moved = [...tasks].some(([name, task]) => run.tasks.get(name) !== task) ? { ...run, tasks } : run
  const all = [...tasks.values()]
  if (!all.every(isTaskFinished)) return moved
  const state = all.every((task) => task.state === 'succeeded') ? 'succeeded' : 'failed'
  return { ...moved, state, finishedAt: world.now.toISOString() }
}

function advance(task: Task, tasks: ReadonlyMap<string, Task>, world: World): Task {
  for (const name of task.planned.needs) {
    const need = tasks.get(name)
    if (need === undefined) return skip(task, `needs ${name}, which is not part of the run`, world.now)
    if (need.state === 'failed') return skip(task, `needs ${name}, which failed`, world.now)
    if (need.state === 'skipped') return skip(task, `needs ${name}, which was skipped`, world.now)
  }
  return task.planned.needs.every((name) => tasks.get(name)?.state === 'succeeded') ? queue(task, world) : task
}
