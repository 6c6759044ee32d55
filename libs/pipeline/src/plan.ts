import type { PlannedTask, Queue, TableName } from '@cinelake/contracts'
import type { CheckedModel } from './checked/model.ts'
import type { CheckedPipeline } from './checked/pipeline.ts'
import type { FilesDataset } from './checked/files-source.ts'
import type { RestDataset } from './checked/rest-source.ts'
import type { CheckedSource } from './checked/source.ts'
import { isWanted, refinedNames } from './discovered.ts'

/** The tasks of a run in an order in which each comes after what it needs. The same for every window. */
export function planRun(pipeline: CheckedPipeline): PlannedTask[] {
  const madeBy = tableMakers(pipeline)
  const made = (table: string) => madeBy.get(table) ?? []
  return [
    ...pipeline.sources.filter((source) => source.type === 'database').map(discoverTask),
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
  ]
}

/** The tasks that a finished `discover` adds: an ingest and a refine for each wanted table that no dataset declares. */
export function expandDiscovered(
  pipeline: CheckedPipeline,
  source: string,
  tables: readonly TableName[],
): PlannedTask[] {
  const database = pipeline.sources.find((candidate) => candidate.name === source)
  if (database?.type !== 'database') return []
  const taken = new Set([...pipeline.datasets, ...pipeline.models].map((table) => table.name))
  const undeclared = tables
    .filter(
      (table) => isWanted(database, table) && !database.datasets.some((dataset) => sameTable(dataset.table, table)),
    )
    .sort(byName)
  const names = refinedNames(source, undeclared, taken)
  return undeclared.flatMap((table, index): PlannedTask[] => {
    const dataset = `${table.schema}.${table.name}`
    const ingest: PlannedTask = {
      name: ingestName(source, dataset),
      queue: queueOf(database),
      needs: [discoverName(source)],
      work: { kind: 'ingest', source, dataset, table, incremental: false },
    }
    return [ingest, refineTask(names[index] ?? dataset, ingest.name)]
  })
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
  const header = (dataset: string) => ({ name: ingestName(source.name, dataset), queue: queueOf(source) })
  const work = (dataset: string) => ({ kind: 'ingest', source: source.name, dataset }) as const
  if (source.type === 'push') {
    return source.datasets.map(({ name }) => ({
      ...header(name),
      needs: [],
      work: { ...work(name), incremental: false },
    }))
  }
  if (source.type !== 'database') {
    return parentsFirst(source.datasets).map((dataset) => ({
      ...header(dataset.name),
      needs: parentsOf(dataset).map((parent) => ingestName(source.name, parent)),
      work: { ...work(dataset.name), incremental: goesOn(dataset) },
    }))
  }
  return source.datasets.map(({ name, table, incremental, changeTracking }) => ({
    ...header(name),
    needs: [discoverName(source.name)],
    work: { ...work(name), table, incremental: incremental !== undefined || changeTracking === true },
  }))
}

/** A dataset that takes each file once goes on from its ledger, which the window before knew. */
function goesOn(dataset: Exclude<CheckedSource, { type: 'push' | 'database' }>['datasets'][number]): boolean {
  return 'once' in dataset ? dataset.once === true : 'incremental' in dataset && dataset.incremental !== undefined
}

/** The datasets of the same source whose rows an ingest starts from. */
function parentsOf(dataset: FilesDataset | RestDataset): string[] {
  const parent = 'parent' in dataset ? dataset.parent : undefined
  const exploded = 'explodedFrom' in dataset ? dataset.explodedFrom : undefined
  return [parent, exploded].flatMap((from) => (from === undefined ? [] : [from.dataset]))
}

/** In the order of the text, but each after those that it starts from. */
function parentsFirst(datasets: readonly (FilesDataset | RestDataset)[]): (FilesDataset | RestDataset)[] {
  const ordered = new Set<FilesDataset | RestDataset>()
  const add = (dataset: FilesDataset | RestDataset, above: readonly string[]) => {
    for (const parent of datasets) {
      const isParent = parentsOf(dataset).includes(parent.name) && !above.includes(parent.name)
      if (isParent && !ordered.has(parent)) add(parent, [...above, dataset.name])
    }
    ordered.add(dataset)
  }
  for (const dataset of datasets) add(dataset, [])
  return [...ordered]
}

function refineTask(dataset: string, ingest: string): PlannedTask {
  return { name: refineName(dataset), queue: 'transformer', needs: [ingest], work: { kind: 'refine', dataset } }
}

/** The task that makes each table. */
function tableMakers(pipeline: CheckedPipeline): ReadonlyMap<string, readonly string[]> {
  return new Map([
    ...pipeline.datasets.map(({ name }) => [name, [refineName(name)]] as const),
    ...pipeline.models.map(({ name }) => [name, [buildName(name)]] as const),
  ])
}

/** An agent with a site has its own queue; REST sources and what is pushed are read from the cloud. */
function queueOf(source: CheckedSource): Queue {
  if (source.type === 'rest' || source.type === 'push') return 'ingest-api'
  return source.site === undefined ? 'ingest-files' : `ingest-files.${source.site}`
}

const discoverName = (source: string) => `discover ${source}`
const ingestName = (source: string, dataset: string) => `ingest ${source}/${dataset}`
const refineName = (dataset: string) => `refine ${dataset}`
const buildName = (model: string) => `build ${model}`

const sameTable = (one: TableName, other: TableName) => one.schema === other.schema && one.name === other.name

/** By code unit, so that the order does not depend on a machine's language. */
function byName(one: TableName, other: TableName): number {
  const [left, right] = [`${one.schema}.${one.name}`, `${other.schema}.${other.name}`]
  return left < right ? -1 : left > right ? 1 : 0
}
