import type { DiscoveredTable, PlannedTask, TableName } from '@cinelake/contracts'
import { sha256, suggest } from '@cinelake/core'
import { ingestName } from '@cinelake/source-kind'
import type { CheckedDelivery, CheckedModel, CheckedPipeline } from './checked-pipeline.ts'
import { type CheckedSource, sourceKindOf } from './source-kinds.ts'

/** The tasks of a run in dependency order. The same for every window. */
export function planRun(pipeline: CheckedPipeline): PlannedTask[] {
  const madeBy = tableMakers(pipeline)
  const made = (table: string) => madeBy.get(table) ?? []
  return [
    ...pipeline.sources.filter((source) => sourceKindOf(source).discovery !== undefined).map(discoverTask),
    ...pipeline.sources.flatMap(ingestTasks),
    ...pipeline.datasets.map((dataset) => refineTask(dataset.name, ingestName(dataset.source, dataset.sourceDataset))),
    ...pipeline.models.map((model): PlannedTask => ({
      name: buildName(model.name),
      queue: 'transformer',
      needs: model.inputs.flatMap(made),
      work: buildOf(model, new Set(pipeline.uses)),
    })),
    ...pipeline.serve.map((served): PlannedTask => ({
      name: `load ${served.table}`,
      queue: 'loader',
      needs: made(served.table),
      work: { kind: 'load', table: served.table },
    })),
    ...(pipeline.deliver ?? []).map((delivery) => deliverTask(delivery, made)),
  ]
}

/**
 * The tasks that a finished `discover` adds: an ingest and a refine for each wanted table that no dataset declares. The
 * discovery says what a table is called in the lake; one of a version that did not is named by the tables beside it.
 */
export function expandDiscovered(
  pipeline: CheckedPipeline,
  source: string,
  tables: readonly DiscoveredTable[],
): PlannedTask[] {
  const from = pipeline.sources.find((candidate) => candidate.name === source)
  const discovery = from && sourceKindOf(from).discovery
  if (from === undefined || discovery === undefined) return []
  const taken = new Set([...pipeline.datasets, ...pipeline.models].map((table) => table.name))
  const undeclared = discovery.undeclared(from, tables)
  const given = new Map(tables.map((table) => [keyOf(table), table.refined]))
  const unnamed = undeclared.filter((table) => given.get(keyOf(table)) === undefined)
  const used = new Set([...taken, ...[...given.values()].flatMap((name) => name ?? [])])
  refinedNames(source, unnamed, used).forEach((name, index) => given.set(keyOf(unnamed[index]), name))
  return undeclared.flatMap(({ schema, name }): PlannedTask[] => {
    const table = { schema, name }
    const dataset = `${schema}.${name}`
    const ingest: PlannedTask = {
      name: ingestName(source, dataset),
      queue: queueOf(from),
      needs: [discoverName(source)],
      work: { kind: 'ingest', source, dataset, table, incremental: false },
    }
    return [ingest, refineTask(given.get(keyOf(table)) ?? dataset, ingest.name)]
  })
}

const keyOf = (table: TableName | undefined) => JSON.stringify([table?.schema, table?.name])

/** Whether a dataset lands changes, including deletions, instead of full rows. */
export function landsChanges({ sources }: Pick<CheckedPipeline, 'sources'>, dataset: string): boolean {
  return sources.some((source) =>
    sourceKindOf(source)
      .plan(source)
      .ingests.some((ingest) => ingest.dataset === dataset && ingest.ofChanges === true),
  )
}

function buildOf({ name, inputs }: CheckedModel, used: ReadonlySet<string>): PlannedTask['work'] {
  const uses = inputs.filter((input) => used.has(input))
  const own = inputs.filter((input) => !used.has(input))
  return { kind: 'build', model: name, inputs: own, ...(uses.length === 0 ? {} : { uses }) }
}

function discoverTask(source: CheckedSource): PlannedTask {
  return {
    name: discoverName(source.name),
    queue: queueOf(source),
    needs: [],
    work: { kind: 'discover', source: source.name },
  }
}

function ingestTasks(source: CheckedSource): PlannedTask[] {
  const kind = sourceKindOf(source)
  const { queue, ingests } = kind.plan(source)
  const first = kind.discovery === undefined ? [] : [discoverName(source.name)]
  return ingests.map(({ dataset, after, table, incremental }) => ({
    name: ingestName(source.name, dataset),
    queue,
    needs: [...first, ...after.map((parent) => ingestName(source.name, parent))],
    work: { kind: 'ingest', source: source.name, dataset, ...(table === undefined ? {} : { table }), incremental },
  }))
}

function refineTask(dataset: string, ingest: string): PlannedTask {
  return { name: refineName(dataset), queue: 'transformer', needs: [ingest], work: { kind: 'refine', dataset } }
}

function deliverTask(
  { name, tables, perWindow }: CheckedDelivery,
  made: (table: string) => readonly string[],
): PlannedTask {
  const delivered = [...new Set(tables.map(({ table }) => table))]
  return {
    name: `deliver ${name}`,
    queue: 'loader',
    needs: delivered.flatMap(made),
    work: { kind: 'deliver', delivery: name, tables: delivered, perWindow },
  }
}

/** The task that makes each table. */
function tableMakers(pipeline: CheckedPipeline): ReadonlyMap<string, readonly string[]> {
  return new Map([
    ...pipeline.datasets.map(({ name }) => [name, [refineName(name)]] as const),
    ...pipeline.models.map(({ name }) => [name, [buildName(name)]] as const),
  ])
}

const queueOf = (source: CheckedSource) => sourceKindOf(source).plan(source).queue
const discoverName = (source: string) => `discover ${source}`
const refineName = (dataset: string) => `refine ${dataset}`
const buildName = (model: string) => `build ${model}`

/** Schemas that are omitted in a table's refined name: the default schemas of databases. */
const DEFAULT_SCHEMAS: ReadonlySet<string> = new Set(['public', 'dbo'])

/**
 * The refined tables of undeclared tables, in the same order: `<source>_<table>`, with the schema in between if it is
 * not a default one or if two tables would share a name. Lower case; characters other than letters, digits and `_`
 * become `_`: these are folder names in the lake and names in SQL. Exported for tests of the names alone.
 * @param taken names that datasets and models already have
 */
export function refinedNames(source: string, tables: readonly TableName[], taken: ReadonlySet<string>): string[] {
  const used = new Set(taken)
  return tables.map((table) => {
    const full = plainName(`${source}_${table.schema}_${table.name}`)
    const short = DEFAULT_SCHEMAS.has(table.schema) ? plainName(`${source}_${table.name}`) : full
    const unique = `${full}_${sha256(`${table.schema}.${table.name}`).slice(0, 8)}`
    const name = [short, full].find((candidate) => !used.has(candidate)) ?? unique
    used.add(name)
    return name
  })
}

function plainName(text: string): string {
  return text.toLowerCase().replace(/[^\p{L}\p{N}_]/gu, '_')
}

export type TaskSelection = {
  /** Names of tasks. */
  readonly tasks: ReadonlySet<string>
  /** Selectors that match no task of the run, each with suggestions. */
  readonly problems: readonly string[]
}

/**
 * The tasks that selectors name: `orders` (the task that makes that dataset or model), `shop/orders` (its ingest), a
 * served table by its name in the mart, a delivery, or a task by its own name (`load orders`). `orders+` adds everything that
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
  for (const { name, work } of tasks) if (work.kind === 'deliver') add(work.delivery, name)
  for (const { as, table } of serve) if (names.has(`load ${table}`)) add(as, `load ${table}`)
  return names
}
