import type { CheckedPipeline } from './checked/pipeline.ts'
import { suggest } from '@cinelake/core'
import type { PlannedTask } from '@cinelake/contracts'

export type TaskSelection = {
  /** Names of tasks. */
  readonly tasks: ReadonlySet<string>
  /** Selectors that match no task of the run, each with suggestions. */
  readonly problems: readonly string[]
}

/**
 * The tasks that selectors name: `orders` (the task that makes that dataset or model), `shop/orders` (its ingest), a
 * served table by its name in the mart, or a task by its own name (`load orders`). `orders+` adds everything that
 * depends on it, `+orders` everything that it depends on.
 * @param tasks of a run, in dependency order
 */
export function selectTasks(
  pipeline: Pick<CheckedPipeline, 'serve'>,
  tasks: readonly PlannedTask[],
  selectors: readonly string[],
): TaskSelection {
  const byName = namesOf(pipeline, tasks)
  const selected = new Set<string>()
  const problems: string[] = []
  for (const selector of selectors) {
    const [, up, name = '', down] = /^(\+?)(.*?)(\+?)$/s.exec(selector.trim()) ?? []
    const task = byName.get(name)
    if (task === undefined) {
      problems.push(`\`${name}\` is no dataset, model, served table or source/dataset: ${suggest(name, byName.keys())}`)
      continue
    }
    selected.add(task)
    if (down === '+') for (const below of downstreamOf(tasks, [task])) selected.add(below)
    if (up === '+') for (const above of upstreamOf(tasks, task)) selected.add(above)
  }
  return { tasks: selected, problems }
}

/** Names of tasks that depend on others, without these. @param tasks in dependency order */
export function downstreamOf(tasks: readonly PlannedTask[], names: Iterable<string>): Set<string> {
  const reached = new Set(names)
  const below = new Set<string>()
  for (const task of tasks) {
    if (reached.has(task.name) || !task.needs.some((need) => reached.has(need))) continue
    reached.add(task.name)
    below.add(task.name)
  }
  return below
}

/** Names of tasks that a task depends on. */
export function upstreamOf(tasks: readonly PlannedTask[], name: string): Set<string> {
  const byName = new Map(tasks.map((task) => [task.name, task]))
  const above = new Set<string>()
  const add = (of: string) => {
    for (const need of byName.get(of)?.needs ?? []) {
      if (above.has(need)) continue
      above.add(need)
      add(need)
    }
  }
  add(name)
  return above
}

/** The names of tasks in selectors: a table has precedence over a name in the mart, since loads follow from tables. */
function namesOf({ serve }: Pick<CheckedPipeline, 'serve'>, tasks: readonly PlannedTask[]): Map<string, string> {
  const names = new Map(tasks.map(({ name }) => [name, name]))
  const add = (name: string, task: string) => {
    if (!names.has(name)) names.set(name, task)
  }
  for (const { name, work } of tasks) {
    if (work.kind === 'refine') add(work.dataset, name)
    if (work.kind === 'build') add(work.model, name)
    if (work.kind === 'ingest') add(`${work.source}/${work.dataset}`, name)
  }
  for (const { as, table } of serve) if (names.has(`load ${table}`)) add(as, `load ${table}`)
  return names
}
