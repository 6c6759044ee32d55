import {
  discoveredFolder,
  includedNamesFolder,
  TableName,
  type Discover,
  type DiscoveredTable,
} from '@cinelake/contracts'
import { defineErrors, terminal } from '@cinelake/core'
import { z } from 'zod'
import type { CheckedPipeline } from './checked-pipeline.ts'
import { loadPipeline, type PipelineStore } from './load-pipeline.ts'
import { refinedNames } from './plan.ts'
import { sourceKindOf } from './source-kinds.ts'

type CallOptions = { readonly signal?: AbortSignal }

/** The part of a lake in which the names are read. */
export type NamesReader = PipelineStore & {
  list(folder: string, options?: CallOptions): AsyncIterable<{ readonly path: string }>
}
/** The part of a lake that keeps the names. */
export type NamesStore = NamesReader & {
  putIfAbsent(path: string, content: string, options?: CallOptions): Promise<'created' | 'exists'>
}

const TableOfSource = TableName.extend({ source: z.string().min(1) })
type TableOfSource = z.infer<typeof TableOfSource>
const NamesFile = z.object({ names: z.record(z.string(), TableOfSource) })

/** Which source table each refined table of a pipeline holds, by the name of the refined table. */
type Names = ReadonlyMap<string, TableOfSource>

const namesErrors = defineErrors({
  /** A dataset or model has the name of a refined table that holds the rows of an included table. */
  INCLUDED_NAME_TAKEN: terminal((pipeline: string, name: string, table: string) => [
    `a name is that of a table that \`tables.include\` copied [pipeline=${pipeline} name=${name} table=${table}]: expected a name that no other table has, since the refined table holds the rows of ${table}; give the dataset or model another name, or declare the dataset for that table`,
    { pipeline, name, table },
  ]),

  /** The object that keeps the names cannot be read. */
  INCLUDED_NAMES_CORRUPT: terminal((path: string) => [
    `the names of included tables in the lake are damaged [path=${path}]: expected JSON with the source table of each name, got something else; restore the file from a copy`,
    { path },
  ]),
})

/**
 * A handler of `discover` that says what each included table is called in the lake. A table keeps its name for ever,
 * whatever other tables, datasets and models come: the names are kept in the lake. The names of a lake of before are
 * those that its newest window gave.
 */
export function withIncludedNames<
  Context extends { readonly signal: AbortSignal },
  Outcome extends { output?: unknown },
>(lake: NamesStore, discover: (command: Discover, context: Context) => Promise<Outcome>) {
  return async (command: Discover, context: Context): Promise<Outcome> => {
    const { signal } = context
    const pipeline = await loadPipeline(lake, command.pipeline, { signal })
    // Before the window's own list is written: it may replace the one of an earlier version.
    const former = await formerNames(lake, pipeline, command.source, { signal })
    const outcome = await discover(command, context)
    const found = Found.safeParse(outcome.output)
    if (!found.success) return outcome
    const tables = await nameTables(lake, { pipeline, source: command.source, former }, found.data.tables, { signal })
    return { ...outcome, output: { ...found.data, tables } }
  }
}

const Found = z.object({ kind: z.literal('tables'), tables: z.array(TableName) })

/**
 * Checks that no dataset or model has the name of a table that is included, or was. Names that have not been kept yet
 * are no problem: they are given around those of datasets and models.
 * @throws {INCLUDED_NAME_TAKEN} terminal @throws {INCLUDED_NAMES_CORRUPT} terminal
 */
export async function requireOwnNames(lake: NamesReader, pipeline: CheckedPipeline): Promise<void> {
  if (!pipeline.sources.some((source) => sourceKindOf(source).discovery?.copiesMore(source))) return
  const { names } = await readNames(lake, pipeline.name)
  for (const name of takenNames(pipeline)) {
    const holds = names.get(name)
    if (holds === undefined || isDeclaredFor(pipeline, name, holds)) continue
    throw namesErrors.INCLUDED_NAME_TAKEN(pipeline.name, name, fullName(holds))
  }
}

type Naming = { readonly pipeline: CheckedPipeline; readonly source: string; readonly former: Names }

async function nameTables(
  lake: NamesStore,
  { pipeline, source, former }: Naming,
  tables: readonly TableName[],
  options: CallOptions,
): Promise<DiscoveredTable[]> {
  const included = undeclaredIn(pipeline, source, tables)
  const isIncluded = new Set(included.map(keyOf))
  const taken = takenNames(pipeline)
  for (;;) {
    const { names: kept, number } = await readNames(lake, pipeline.name, options)
    const before = new Map([...former, ...kept])
    const own = new Map([...before].filter(([, of]) => of.source === source).map(([name, of]) => [keyOf(of), name]))
    const fresh = included.filter((table) => !own.has(keyOf(table)))
    const given = refinedNames(source, fresh, new Set([...taken, ...before.keys()]))
    fresh.forEach((table, index) => own.set(keyOf(table), given[index] ?? ''))
    for (const table of included) {
      const name = own.get(keyOf(table)) ?? ''
      if (taken.has(name)) throw namesErrors.INCLUDED_NAME_TAKEN(pipeline.name, name, fullName({ source, ...table }))
    }
    const names = new Map([
      ...before,
      ...fresh.map((table, index) => [given[index] ?? '', { source, ...table }] as const),
    ])
    // Another task may have kept others meanwhile: then it is looked at again.
    if (names.size > kept.size && !(await keepNames(lake, pipeline.name, number + 1, names, options))) continue
    return tables.map((table) => {
      const refined = own.get(keyOf(table))
      return refined === undefined || !isIncluded.has(keyOf(table)) ? table : { ...table, refined }
    })
  }
}

/** The names under which windows of before refined the tables of a source; none where names have been kept already. */
async function formerNames(
  lake: NamesReader,
  pipeline: CheckedPipeline,
  source: string,
  options: CallOptions,
): Promise<Names> {
  const { names: kept } = await readNames(lake, pipeline.name, options)
  const former = new Map<string, TableOfSource>()
  if ([...kept.values()].some((of) => of.source === source)) return former
  const paths: string[] = []
  for await (const { path } of lake.list(discoveredFolder(pipeline.name, source), options)) paths.push(path)
  const taken = takenNames(pipeline)
  const seen = new Set<string>()
  // In order of name, which is chronological. Where windows differ, the newest says what a refined table holds.
  for (const path of paths.toReversed()) {
    const window = WindowTables.safeParse(jsonOf(await lake.readText(path, options)))
    if (!window.success) continue
    const tables = undeclaredIn(pipeline, source, window.data.tables)
    const names = refinedNames(source, tables, taken)
    for (const [index, table] of tables.entries()) {
      const name = names[index] ?? ''
      if (seen.has(keyOf(table)) || former.has(name) || kept.has(name)) continue
      seen.add(keyOf(table))
      former.set(name, { source, schema: table.schema, name: table.name })
    }
  }
  return former
}

const WindowTables = z.object({ tables: z.array(TableName) })

async function readNames(
  lake: NamesReader,
  pipeline: string,
  options: CallOptions = {},
): Promise<{ readonly names: Names; readonly number: number }> {
  let path: string | undefined
  for await (const object of lake.list(includedNamesFolder(pipeline), options)) path = object.path
  if (path === undefined) return { names: new Map(), number: 0 }
  const file = NamesFile.safeParse(jsonOf(await lake.readText(path, options)))
  const number = Number(/(\d+)\.json$/.exec(path)?.[1])
  if (!file.success || Number.isNaN(number)) throw namesErrors.INCLUDED_NAMES_CORRUPT(path)
  return { names: new Map(Object.entries(file.data.names)), number }
}

/** Each version is an object of its own, with all names: of several writers of one version one succeeds. */
async function keepNames(lake: NamesStore, pipeline: string, number: number, names: Names, options: CallOptions) {
  const path = `${includedNamesFolder(pipeline)}/${String(number).padStart(9, '0')}.json`
  return (await lake.putIfAbsent(path, JSON.stringify({ names: Object.fromEntries(names) }), options)) === 'created'
}

function undeclaredIn(pipeline: CheckedPipeline, source: string, tables: readonly TableName[]): readonly TableName[] {
  const from = pipeline.sources.find(({ name }) => name === source)
  return (from && sourceKindOf(from).discovery?.undeclared(from, tables)) ?? []
}

function takenNames({ datasets, models }: CheckedPipeline): Set<string> {
  return new Set([...datasets, ...models].map(({ name }) => name))
}

/** Whether a name is that of a dataset that was declared for the very table. */
function isDeclaredFor({ datasets, sources }: CheckedPipeline, name: string, table: TableOfSource): boolean {
  const dataset = datasets.find((one) => one.name === name)
  const source = sources.find((one) => one.name === dataset?.source && one.name === table.source)
  if (dataset === undefined || source === undefined) return false
  const ingest = sourceKindOf(source)
    .plan(source)
    .ingests.find((one) => one.dataset === dataset.sourceDataset)
  return ingest?.table !== undefined && keyOf(ingest.table) === keyOf(table)
}

/** Injective: a dot may be in a schema or in a name. */
const keyOf = ({ schema, name }: TableName) => JSON.stringify([schema, name])
const fullName = ({ source, schema, name }: TableOfSource) => `${source}/${schema}.${name}`

function jsonOf(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}
