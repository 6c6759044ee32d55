import type { CheckedPipeline } from './checked-pipeline.ts'
import { lineageOf, ROWS, type Lineage, type Origin } from './sql/lineage.ts'
import { parseQuery, type Parser } from './sql/parse.ts'
import { columnsOfTables } from './check/tables.ts'
import type { TableEffect } from './text-changes.ts'

/** The columns derived from a column that a text changes, or from any column of a table whose values may change. */
export type ColumnReach = {
  readonly table: string
  /** Absent: any of its columns. */
  readonly column?: string
  /** Columns of models, in build order. */
  readonly models: readonly { readonly model: string; readonly columns: readonly string[] }[]
  /** Columns in the mart, by the name of the table there; includes the column itself if it is served. */
  readonly served: readonly { readonly as: string; readonly columns: readonly string[] }[]
}

/**
 * Follows the changes between two texts to the columns derived from them. A model that only filters or counts by a
 * column is not derived from it. If the lineage of a model's column is unknown, it counts as derived from everything
 * that the model reads.
 */
export async function columnReach(
  parser: Parser,
  before: CheckedPipeline | undefined,
  after: CheckedPipeline,
  effects: readonly TableEffect[],
): Promise<ColumnReach[]> {
  const old = before === undefined ? undefined : await followed(parser, before)
  const now = await followed(parser, after)
  return effects.flatMap(({ table, state, columns, hasOtherValues }): ColumnReach[] => {
    const all = columns.map(({ column }) => column)
    if (state === 'gone') return old === undefined ? [] : [{ table, ...reachedIn([old], table, all) }]
    if (state === 'new') return [{ table, ...reachedIn([now], table, all) }]
    const single = columns.flatMap(({ column, effect, kind, from }): ColumnReach[] => {
      if (effect === 'unchanged' || kind === 'keyChanged' || kind === 'partitionChanged') return []
      const names = kind === 'renamed' && typeof from === 'string' ? [column, from] : [column]
      const graphs = [now, ...(old === undefined || kind === 'added' ? [] : [old])]
      return [{ table, column, ...reachedIn(graphs, table, names) }]
    })
    return hasOtherValues ? [...single, { table, ...reachedIn([now], table, all) }] : single
  })
}

/** A pipeline with the lineage of its models' columns. */
type Followed = { readonly pipeline: CheckedPipeline; readonly lineages: ReadonlyMap<string, Lineage | undefined> }

async function followed(parser: Parser, pipeline: CheckedPipeline): Promise<Followed> {
  const tables = columnsOfTables(pipeline)
  const lineages = new Map<string, Lineage | undefined>()
  for (const { name, sql, inputs, columns } of pipeline.models) {
    const known = inputs.flatMap((input) => {
      const found = tables.get(input)
      return found === undefined ? [] : [{ name: input, columns: found }]
    })
    const parsed = await parseQuery(parser, sql)
    lineages.set(name, 'tree' in parsed ? lineageOf(parsed.tree, known, columns) : undefined)
  }
  return { pipeline, lineages }
}

type Reached = Pick<ColumnReach, 'models' | 'served'>

/** The columns derived from columns of a table, in any of several texts. */
function reachedIn(graphs: readonly Followed[], table: string, columns: readonly string[]): Reached {
  const found = graphs.map((graph) => reachedFrom(graph, table, columns))
  return {
    models: merged(found.flatMap(({ models }) => models.map((each) => [each.model, each.columns] as const))).map(
      ([model, names]) => ({ model, columns: names }),
    ),
    served: merged(found.flatMap(({ served }) => served.map((each) => [each.as, each.columns] as const))).map(
      ([as, names]) => ({ as, columns: names }),
    ),
  }
}

function merged(lists: readonly (readonly [string, readonly string[]])[]): (readonly [string, string[]])[] {
  const byName = Map.groupBy(lists, ([name]) => name)
  return [...byName].map(([name, all]) => [name, [...new Set(all.flatMap(([, columns]) => columns))]])
}

function reachedFrom({ pipeline, lineages }: Followed, table: string, columns: readonly string[]): Reached {
  const lower = (name: string) => name.toLowerCase()
  const reached = new Map<string, Set<string>>([[lower(table), new Set(columns.map(lower))]])
  const has = (name: string, column: string) => reached.get(lower(name))?.has(lower(column)) ?? false
  const models: { model: string; columns: string[] }[] = []
  for (const { name, inputs, columns: own } of pipeline.models) {
    if (lower(name) === lower(table) || !inputs.some((input) => reached.has(lower(input)))) continue
    const lineage = lineages.get(name)
    const isMade = (origins: readonly Origin[] | undefined) =>
      origins === undefined || origins.some(({ table: from, column }) => has(from, column))
    const made = own.filter((column) => isMade(lineage?.get(lower(column.name)))).map((column) => column.name)
    const all = [...made, ...(isMade(lineage?.get(ROWS)) ? [ROWS] : [])]
    if (all.length === 0) continue
    reached.set(lower(name), new Set(all.map(lower)))
    if (made.length > 0) models.push({ model: name, columns: made })
  }
  const served = pipeline.serve.flatMap(({ table: from, as, columns: there }) => {
    const names = there.map(({ name }) => name).filter((name) => has(from, name))
    return names.length === 0 ? [] : [{ as, columns: names }]
  })
  return { models, served }
}
