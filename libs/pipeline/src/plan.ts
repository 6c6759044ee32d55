import type { PlannedTask, TableName } from '@cinelake/contracts'
import { sha256 } from '@cinelake/core'
import { ingestName } from '@cinelake/source-kind'
import type { CheckedModel } from './checked/model.ts'
import type { CheckedPipeline } from './checked/pipeline.ts'
import { kindOf, type CheckedSource } from './source-kinds.ts'

/** The tasks of a run in dependency order. The same for every window. */
export function planRun(pipeline: CheckedPipeline): PlannedTask[] {
  const madeBy = tableMakers(pipeline)
  const made = (table: string) => madeBy.get(table) ?? []
  return [
    ...pipeline.sources.filter((source) => kindOf(source).discovery !== undefined).map(discoverTask),
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
  const from = pipeline.sources.find((candidate) => candidate.name === source)
  const discovery = from && kindOf(from).discovery
  if (from === undefined || discovery === undefined) return []
  const taken = new Set([...pipeline.datasets, ...pipeline.models].map((table) => table.name))
  const undeclared = discovery.undeclared(from, tables)
  const names = refinedNames(source, undeclared, taken)
  return undeclared.flatMap((table, index): PlannedTask[] => {
    const dataset = `${table.schema}.${table.name}`
    const ingest: PlannedTask = {
      name: ingestName(source, dataset),
      queue: queueOf(from),
      needs: [discoverName(source)],
      work: { kind: 'ingest', source, dataset, table, incremental: false },
    }
    return [ingest, refineTask(names[index] ?? dataset, ingest.name)]
  })
}

/** Whether a dataset lands changes, including deletions, instead of full rows. */
export function landsChanges({ sources }: Pick<CheckedPipeline, 'sources'>, dataset: string): boolean {
  return sources.some((source) =>
    kindOf(source)
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
  const kind = kindOf(source)
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

/** The task that makes each table. */
function tableMakers(pipeline: CheckedPipeline): ReadonlyMap<string, readonly string[]> {
  return new Map([
    ...pipeline.datasets.map(({ name }) => [name, [refineName(name)]] as const),
    ...pipeline.models.map(({ name }) => [name, [buildName(name)]] as const),
  ])
}

const queueOf = (source: CheckedSource) => kindOf(source).plan(source).queue
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
