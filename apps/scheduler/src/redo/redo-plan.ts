import type { PlannedTask } from '@cinelake/contracts'
import { runIdOf, type Window } from '@cinelake/core'
import {
  changedPlaces,
  downstreamOf,
  followsFromOthers,
  planRun,
  expandDiscovered,
  landsChanges,
  selectTasks,
  upstreamOf,
  type CheckedPipeline,
} from '@cinelake/pipeline'
import type { Run, Task } from '@cinelake/run-store'
import { discovered } from '../decide/run-plan.ts'

/** Which tasks of windows that have run are to be done again from landed data. */
export type RedoAsked =
  /** Those whose text changed since, their dependents, and those that are not done yet. */
  | { readonly kind: 'changed' }
  /** All tasks but those that read the sources. */
  | { readonly kind: 'from-raw' }
  /** Those that the selectors match: see `selectTasks`. */
  | { readonly kind: 'select'; readonly names: readonly string[] }
  /**
   * Those that make these tables (none named: all that were ever made), in every window that has landed, and their
   * dependents.
   */
  | { readonly kind: 'rebuild'; readonly tables: readonly string[] }

export type RedoTask = {
  readonly name: string
  /** `drop`: the task is not done, and the pipeline no longer has it. Only in a request for changed text. */
  readonly action: 'do' | 'keep' | 'drop'
  readonly reason: string
  /** Whether its table starts over with this window. */
  readonly restart: boolean
  /**
   * Whether its table may start over if it is lost: true for a table that is rebuilt whole in each window, since the
   * result is the same.
   */
  readonly restartIfLost: boolean
}

export type RedoWindow = {
  readonly window: Window
  readonly runId: string
  /** Whether the window never ran, so that all of its tasks are to be done. */
  readonly isNew: boolean
  readonly tasks: readonly RedoTask[]
  /**
   * Places in the text that changed since its tasks were done, in their order: `models/sales.sql`. Only in a request
   * for changed text.
   */
  readonly changed: readonly string[]
  /** Places of tasks that the pipeline did not have at that time. */
  readonly added: readonly string[]
  /** Selectors of tasks that would have to read their source again for the text to take effect: `shop/orders`. */
  readonly needsSource: readonly string[]
}

/** The effect of a request, and the reasons. */
export type RedoPlan = {
  /** Oldest first. */
  readonly windows: readonly RedoWindow[]
  /** Whether each window has to be complete before the next one begins: a table starts over with the first of them. */
  readonly isOrdered: boolean
  /** Notes on tables of which only some windows are done again. */
  readonly notes: readonly string[]
  /** Why it is not possible. */
  readonly problems: readonly string[]
}

export type RedoInput = {
  readonly pipeline: CheckedPipeline
  readonly asked: RedoAsked
  /** Undefined: all that have landed; for a rebuild only. */
  readonly windows: readonly Window[] | undefined
  /** All runs of the pipeline, by the label of their window. */
  readonly runs: ReadonlyMap<string, Run>
  /** Whether a task has ever succeeded in a run: then its table holds what it wrote. */
  readonly everDone: (runId: string, task: string) => boolean
  /** The text that a task was done under; undefined where the lake no longer has it. */
  readonly textOf: (digest: string) => CheckedPipeline | undefined
}

/**
 * Works out which tasks are to be done again in which window. If all windows of a table are done again, oldest first,
 * and its content depends on its earlier content, the table starts over with the first window; the result is as if it
 * had always been made this way. For other tables, the windows are applied to the existing content. No I/O.
 */
export function planRedo(given: RedoInput): RedoPlan {
  const input = withTables(given)
  const { asked } = input
  const chosen = windowsOf(input)
  const drafts = chosen.map((window) => draftOf(input, window))
  const problems = [...new Set(drafts.flatMap(({ problems: found }) => found))]
  if (asked.kind === 'rebuild') problems.push(...rebuildProblems(input, asked, drafts))
  const restarts = restartsOf(input, drafts)
  const isOrdered = restarts.size > 0 && drafts.length > 1
  if (isOrdered) for (const draft of drafts) withholdLoads(draft, drafts, restarts)
  return {
    windows: drafts.map((draft) => windowOf(input, draft, drafts, restarts)),
    isOrdered,
    notes: notesOf(input, drafts, restarts),
    problems,
  }
}

function withTables(input: RedoInput): RedoInput {
  const { pipeline, asked, runs } = input
  if (asked.kind !== 'rebuild' || asked.tables.length > 0) return input
  const makers = [...runs.values()].flatMap((run) => plannedIn(pipeline, run))
  const made = makers.filter(({ name }) => wasEverDone(input, name)).flatMap((task) => tableOf(task) ?? [])
  return { ...input, asked: { ...asked, tables: unique(made) } }
}

/** Decisions on one window while planning. */
type Draft = {
  readonly window: Window
  readonly run: Run | undefined
  readonly planned: readonly PlannedTask[]
  /** Tasks to do, with the reason. */
  readonly chosen: Map<string, string>
  /** Reasons for keeping others, where they have to be reported. */
  readonly kept: Map<string, string>
  readonly changed: string[]
  readonly added: string[]
  readonly needsSource: string[]
  readonly problems: string[]
}

function windowsOf({ asked, windows, runs }: RedoInput): Window[] {
  const byStart = (one: Window, other: Window) => (one.start < other.start ? -1 : 1)
  if (asked.kind !== 'rebuild') return (windows ?? []).toSorted(byStart)
  const wanted = windows === undefined ? undefined : new Set(windows.map(({ label }) => label))
  const known = [...runs.values()].map(({ window }) => window)
  return known.filter(({ label }) => wanted?.has(label) !== false).toSorted(byStart)
}

function draftOf(input: RedoInput, window: Window): Draft {
  const { pipeline, asked, runs } = input
  const run = runs.get(window.label)
  const planned = plannedIn(pipeline, run)
  const draft: Draft = {
    window,
    run,
    planned,
    chosen: new Map(),
    kept: new Map(),
    changed: [],
    added: [],
    needsSource: [],
    problems: [],
  }
  if (run === undefined) {
    const runId = runIdOf(pipeline.name, window)
    if (asked.kind === 'changed') for (const { name } of planned) draft.chosen.set(name, 'not run yet')
    else draft.problems.push(`${runId} was never run: run it whole first`)
    return draft
  }
  const seeds = seedsOf(input, draft, run)
  const add = createAdding(draft, run, seeds, asked.kind !== 'rebuild')
  for (const name of seeds.keys()) add(name)
  return draft
}

/** The tasks of a window under the current text, including the tables that a discovery found. */
function plannedIn(pipeline: CheckedPipeline, run: Run | undefined): PlannedTask[] {
  const planned = planRun(pipeline)
  if (run === undefined) return planned
  return [...planned, ...discovered(run, planned, (source, tables) => expandDiscovered(pipeline, source, tables))]
}

/** The requested tasks, each with the reason. */
function seedsOf(input: RedoInput, draft: Draft, run: Run): Map<string, string> {
  const { asked, pipeline } = input
  const { planned } = draft
  if (asked.kind === 'changed') return changedSeeds(input, draft, run)
  if (asked.kind === 'from-raw') {
    const work = planned.filter(({ work: { kind } }) => kind !== 'discover' && kind !== 'ingest')
    return new Map(work.map((task) => [task.name, rawReason(task, run) ?? 'from raw']))
  }
  const names = asked.kind === 'select' ? asked.names : asked.tables.map((table) => `${table}+`)
  const { tasks, problems } = selectTasks(pipeline, planned, names)
  // A table that was discovered later is not in every window.
  if (asked.kind === 'select') draft.problems.push(...problems)
  const word = asked.kind === 'select' ? 'selected' : 'rebuilt'
  const inOrder = planned.filter(({ name }) => tasks.has(name))
  return new Map(
    inOrder.map((task) => {
      const above = task.needs.find((need) => tasks.has(need))
      const raw = rawReason(task, run)
      const reason = above === undefined ? (raw === undefined ? word : `${word}, ${raw}`) : `depends on ${above}`
      return [task.name, reason]
    }),
  )
}

function changedSeeds(input: RedoInput, draft: Draft, run: Run): Map<string, string> {
  const { planned } = draft
  const own = new Map<string, string>()
  const needsSource: [task: string, places: readonly string[]][] = []
  for (const task of planned) {
    const before = run.tasks.get(task.name)
    if (before?.state !== 'succeeded') {
      own.set(task.name, before === undefined ? 'new in the pipeline' : 'not done yet')
      if (before === undefined) draft.added.push(placeOfNew(input.pipeline, task))
      continue
    }
    const places = placesChanged(input, task, before, run)
    if (places.length === 0 || isLoadedSince(input, task, run)) continue
    if (task.work.kind === 'discover' || task.work.kind === 'ingest') needsSource.push([task.name, places])
    else if (!followsFromOthers(task) || !someAbove(planned, task, own)) {
      own.set(task.name, places.includes(LOST_TEXT) ? `done under a ${LOST_TEXT}` : `${places.join(', ')} changed`)
      draft.changed.push(...places)
    }
  }
  for (const [name, places] of needsSource) {
    const { work } = planned.find((task) => task.name === name) ?? { work: undefined }
    const selector = work?.kind === 'ingest' ? `${work.source}/${work.dataset}` : name
    draft.changed.push(...places)
    draft.needsSource.push(selector)
    draft.kept.set(name, `${places.join(', ')} changed, which needs the source: --again, or --select '${selector}+'`)
  }
  const seeds = new Map(own)
  for (const task of planned) {
    const above = task.needs.find((need) => seeds.has(need))
    if (above !== undefined && !seeds.has(task.name)) seeds.set(task.name, `depends on ${above}`)
  }
  // In the order of the plan.
  return new Map(planned.flatMap(({ name }) => (seeds.has(name) ? [[name, seeds.get(name) ?? '']] : [])))
}

/** Whether a task copies whole tables to a place where those of a later window take their place. */
const isReplacedLater = ({ work }: PlannedTask) => work.kind === 'load' || (work.kind === 'deliver' && !work.perWindow)

/** A load copies the whole table: where a later window was loaded under the current text, this window needs no load. */
function isLoadedSince(input: RedoInput, task: PlannedTask, { window }: Run): boolean {
  if (!isReplacedLater(task)) return false
  return [...input.runs.values()].some((run) => {
    const later = run.window.start > window.start ? run.tasks.get(task.name) : undefined
    return later?.state === 'succeeded' && placesChanged(input, task, later, run).length === 0
  })
}

const LOST_TEXT = 'text of before that is no longer in the lake'

function placesChanged({ pipeline, textOf }: RedoInput, task: PlannedTask, before: Task, run: Run): string[] {
  const text = textOf(before.digest ?? run.digest)
  if (text !== undefined) return changedPlaces(text, pipeline, task)
  return task.work.kind === 'discover' || task.work.kind === 'ingest' ? [] : [LOST_TEXT]
}

function placeOfNew(pipeline: CheckedPipeline, { name, work }: PlannedTask): string {
  if (work.kind === 'build') {
    const file = pipeline.models.find((model) => model.name === work.model)?.file
    return file ?? `models/${work.model}.sql`
  }
  if (work.kind === 'deliver') return `pipeline.yaml (deliver.${work.delivery})`
  if (work.kind === 'refine') {
    const file = pipeline.datasets.find((dataset) => dataset.name === work.dataset)?.contract.file
    return file ?? `contracts/${work.dataset}.yaml`
  }
  return `pipeline.yaml (${name})`
}

function someAbove(planned: readonly PlannedTask[], task: PlannedTask, names: ReadonlyMap<string, string>): boolean {
  return [...upstreamOf(planned, task.name)].some((above) => names.has(above))
}

/** The landed inputs of a refine task. */
function rawReason({ needs, work }: PlannedTask, run: Run): string | undefined {
  if (work.kind !== 'refine') return undefined
  for (const need of needs) {
    const task = run.tasks.get(need)
    if (task?.state !== 'succeeded' || task.facts.output?.kind !== 'landed') continue
    const { fileCount } = task.facts.output
    const day = task.finishedAt?.slice(0, 10) ?? 'before'
    return `from raw: landed ${day}, ${fileCount} file${fileCount === 1 ? '' : 's'}`
  }
  return undefined
}

/**
 * Chooses a task and those of its dependencies that are not done. @returns a function that says whether the task can be
 * done
 * @param mayIngest whether sources may be read for that; otherwise tasks that would need it stay as they are
 */
function createAdding(draft: Draft, run: Run, seeds: ReadonlyMap<string, string>, mayIngest: boolean) {
  const byName = new Map(draft.planned.map((task) => [task.name, task]))
  const decided = new Map<string, boolean>()
  const isDone = (name: string) => run.tasks.get(name)?.state === 'succeeded' && !seeds.has(name)

  const add = (name: string, reason = seeds.get(name) ?? ''): boolean => {
    const known = decided.get(name)
    if (known !== undefined) return known
    const task = byName.get(name)
    if (task === undefined) return false
    const readsSource = task.work.kind === 'ingest' || task.work.kind === 'discover'
    const lacking = task.needs.find(
      (need) => !isDone(need) && !add(need, seeds.get(need) ?? `needed by ${name}, and not done yet`),
    )
    const can = lacking === undefined && (mayIngest || !readsSource)
    decided.set(name, can)
    if (can) draft.chosen.set(name, reason)
    else if (!readsSource) draft.kept.set(name, `needs ${lacking}, of which nothing has landed`)
    return can
  }
  return add
}

/** Whether the content of a table after a window depends on its content before. */
function accumulates(pipeline: CheckedPipeline, { work }: PlannedTask): boolean {
  if (work.kind === 'refine') return modeOf(pipeline, work.dataset) !== 'snapshot'
  return work.kind === 'build' && modelOf(pipeline, work.model)?.materialization !== 'table'
}

/** Tables that no dataset declares are copied whole. */
const modeOf = ({ datasets }: CheckedPipeline, table: string) =>
  datasets.find(({ name }) => name === table)?.mode ?? 'snapshot'
const modelOf = ({ models }: CheckedPipeline, table: string) => models.find(({ name }) => name === table)

/** The first window of each table that starts over, by the task that makes it. */
function restartsOf(input: RedoInput, drafts: readonly Draft[]): Map<string, string> {
  const { pipeline, asked } = input
  const restarts = new Map<string, string>()
  const planned = new Map(drafts.flatMap(({ planned: tasks }) => tasks.map((task) => [task.name, task] as const)))
  const all = [...planned.values()]
  for (const task of all) {
    if (task.work.kind !== 'refine' && task.work.kind !== 'build') continue
    const windows = drafts.filter(({ chosen }) => chosen.has(task.name))
    const [first] = windows
    if (first === undefined || !coversAll(input, task.name, windows)) continue
    const below = [...downstreamOf(all, [task.name])].flatMap((name) => planned.get(name) ?? [])
    const isFed = windows.length > 1 && below.some((one) => accumulates(pipeline, one) && isChosen(drafts, one.name))
    const isNamed = asked.kind === 'rebuild' && asked.tables.includes(tableOf(task) ?? '')
    const isFirst = !wasEverDone(input, task.name)
    if (isNamed || (!isFirst && (accumulates(pipeline, task) || isFed))) restarts.set(task.name, first.window.label)
  }
  return restarts
}

const isChosen = (drafts: readonly Draft[], name: string) => drafts.some(({ chosen }) => chosen.has(name))
const tableOf = ({ work }: PlannedTask) =>
  work.kind === 'refine' ? work.dataset : work.kind === 'build' ? work.model : undefined

/** Whether no other window has written to the table that the task makes. */
function coversAll({ runs, everDone }: RedoInput, task: string, windows: readonly Draft[]): boolean {
  const covered = new Set(windows.map(({ window }) => window.label))
  return [...runs.values()].every(({ id, window }) => covered.has(window.label) || !everDone(id, task))
}

const wasEverDone = ({ runs, everDone }: RedoInput, task: string) =>
  [...runs.values()].some(({ id }) => everDone(id, task))

/** Readers must not see a half-rebuilt table: it is loaded once, when its last window is done. */
function withholdLoads(draft: Draft, drafts: readonly Draft[], restarts: ReadonlyMap<string, string>): void {
  for (const task of draft.planned) {
    if (!isReplacedLater(task) || !draft.chosen.has(task.name)) continue
    const begins = [...upstreamOf(draft.planned, task.name)].some((above) => restarts.has(above))
    const last = drafts.findLast(({ chosen }) => chosen.has(task.name))
    if (!begins || last === undefined || last === draft) continue
    draft.chosen.delete(task.name)
    draft.kept.set(task.name, `loaded with ${last.window.label}, when the table is whole`)
  }
}

function windowOf(
  input: RedoInput,
  draft: Draft,
  drafts: readonly Draft[],
  restarts: ReadonlyMap<string, string>,
): RedoWindow {
  const { pipeline, asked } = input
  const { window, run, planned, chosen, kept } = draft
  const tasks = planned.flatMap((task): RedoTask[] => {
    const { name } = task
    const reason = chosen.get(name)
    const restart = restarts.get(name) === window.label
    const isWhole =
      !accumulates(pipeline, task) &&
      coversAll(
        input,
        name,
        drafts.filter((one) => one.chosen.has(name)),
      )
    const restartIfLost = asked.kind === 'rebuild' && tableOf(task) !== undefined && isWhole
    if (reason !== undefined) return [{ name, action: 'do', reason, restart, restartIfLost }]
    const before = run?.tasks.get(name)
    return before === undefined
      ? []
      : [{ name, action: 'keep', reason: kept.get(name) ?? keptReason(before), restart: false, restartIfLost: false }]
  })
  if (asked.kind === 'changed' && run !== undefined) tasks.push(...droppedTasks(run, planned))
  return {
    window,
    runId: runIdOf(pipeline.name, window),
    isNew: run === undefined,
    tasks,
    changed: unique(draft.changed),
    added: unique(draft.added),
    needsSource: unique(draft.needsSource),
  }
}

/** Unfinished tasks that the text no longer has are not failures of the text. */
function droppedTasks(run: Run, planned: readonly PlannedTask[]): RedoTask[] {
  const known = new Set(planned.map(({ name }) => name))
  return [...run.tasks.values()].flatMap(({ planned: { name }, state }): RedoTask[] => {
    if (state === 'succeeded' || known.has(name)) return []
    const reason = `${state}, no longer in the pipeline`
    return [{ name, action: 'drop', reason, restart: false, restartIfLost: false }]
  })
}

const unique = (texts: readonly string[]) => [...new Set(texts)]

function keptReason({ state, planned: { work } }: Task): string {
  if (state !== 'succeeded') return `${state}, not asked for`
  return work.kind === 'ingest' ? 'landed' : 'as it is'
}

/** Tables of which only some windows are done again, and the content that stays in them. */
function notesOf(input: RedoInput, drafts: readonly Draft[], restarts: ReadonlyMap<string, string>): string[] {
  const { pipeline, asked, runs, everDone } = input
  const planned = new Map(drafts.flatMap(({ planned: tasks }) => tasks.map((task) => [task.name, task] as const)))
  return [...planned.values()].flatMap((task) => {
    const table = tableOf(task)
    const windows = drafts.filter(({ chosen }) => chosen.has(task.name)).map(({ window }) => window)
    if (table === undefined || windows.length === 0 || restarts.has(task.name)) return []
    const covered = new Set(windows.map(({ label }) => label))
    const others = [...runs.values()].filter(({ id, window }) => !covered.has(window.label) && everDone(id, task.name))
    if (others.length === 0) return []
    const later = others.filter(({ window }) => window.start > (windows.at(-1)?.start ?? ''))
    if (isOfLatestWindow(pipeline, task)) {
      if (later.length === 0) return []
      return [`${table} is of a later window, ${later.at(-1)?.window.label}, and is not put back to an older one`]
    }
    // A table that is only selected has usually been landed again; its text need not have changed.
    if (!accumulates(pipeline, task) || asked.kind === 'select') return []
    const count = `${others.length} other window${others.length === 1 ? '' : 's'}`
    return [
      `${table} keeps what ${count} brought as they were; \`cinelake rebuild DIR ${table}\` applies all of them again`,
    ]
  })
}

/** Whether the latest window alone determines a table, so that an older one changes nothing. */
function isOfLatestWindow(pipeline: CheckedPipeline, { work }: Pick<PlannedTask, 'work'>): boolean {
  if (work.kind === 'refine') return modeOf(pipeline, work.dataset) === 'snapshot'
  const model = work.kind === 'build' ? modelOf(pipeline, work.model) : undefined
  return model?.materialization === 'history' || (model?.materialization === 'table' && model.usesWindow)
}

/** Why tables cannot be rebuilt as requested. */
function rebuildProblems(
  input: RedoInput,
  { tables }: { readonly tables: readonly string[] },
  drafts: readonly Draft[],
): string[] {
  const { pipeline, runs, everDone, windows } = input
  const known = new Map(
    [...planRun(pipeline), ...drafts.flatMap(({ planned }) => planned)].map((task) => [task.name, task] as const),
  )
  return tables.flatMap((table) => {
    const task = [...known.values()].find((one) => tableOf(one) === table)
    if (task === undefined) return selectTasks(pipeline, [...known.values()], [table]).problems
    const done = drafts.filter(({ chosen }) => chosen.has(task.name)).map(({ window }) => window)
    if (done.length === 0) {
      const where = windows === undefined ? 'any window' : 'these windows'
      return [`${table}: nothing that it is made of has landed in ${where}`]
    }
    const covered = new Set(done.map(({ label }) => label))
    const others = [...runs.values()].filter(({ id, window }) => !covered.has(window.label) && everDone(id, task.name))
    const isAsked = ({ window }: Run) => windows?.some(({ label }) => label === window.label) ?? true
    const lost = others.filter(isAsked).map(({ window }) => window.label)
    if (lost.length > 0) {
      return [
        `${table}: it holds rows of ${lost.join(', ')}, and not all that they are made of is there: run these first`,
      ]
    }
    const problem = others.length === 0 ? undefined : partProblem(pipeline, task, { done, others })
    return problem === undefined ? [] : [`${table}: ${problem}`]
  })
}

/** Why some windows of a table cannot be rebuilt alone when it holds rows of others. */
function partProblem(
  pipeline: CheckedPipeline,
  task: PlannedTask,
  { done, others }: { readonly done: readonly Window[]; readonly others: readonly Run[] },
): string | undefined {
  const { work } = task
  const whole = 'leave out --from and --to to rebuild all of it'
  const model = work.kind === 'build' ? modelOf(pipeline, work.model) : undefined
  if (work.kind === 'refine' && landsChanges(pipeline, work.dataset)) {
    return `it is made of changes, which apply in order from the first window on; ${whole}`
  }
  if (model?.materialization === 'history') return `its history is written from the first window on; ${whole}`
  const last = done.at(-1)?.start ?? ''
  const later = others.map(({ window }) => window).filter(({ start }) => start > last)
  if (later.length === 0) return undefined
  const newest = later.toSorted((one, other) => (one.start < other.start ? -1 : 1)).at(-1)?.label
  if (model?.materialization === 'merge') {
    return `of the rows with one key it has the last merged, and an older window would come after ${newest}; rebuild up to ${newest}, or ${whole}`
  }
  if (isOfLatestWindow(pipeline, task)) {
    return `it is what ${newest} makes of it, whatever older windows hold; rebuild up to ${newest}, or ${whole}`
  }
  return undefined
}
