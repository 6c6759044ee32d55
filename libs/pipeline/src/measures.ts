import { asString } from '@cinelake/config-text'
import { isNumber } from '@cinelake/core'
import type { CheckedModel, CheckedPipeline } from './checked-pipeline.ts'
import { isNode, listOf, type Node, parseQuery, type Parser } from './sql/parse.ts'

/** A served numeric column that a model computes by an aggregate, or derives from one. */
export type Measure = {
  readonly table: string
  /** The table's name in the mart. */
  readonly as: string
  readonly column: string
  /** The aggregate over all rows: the sum of additive values (sums and counts), else the mean (averages, shares, …). */
  readonly total: Total
}

type Total = 'sum' | 'mean'

/** The measures of a pipeline, from its models' SQL. Measures of other pipelines' tables are not known here. */
export async function measuresOf(parser: Parser, pipeline: CheckedPipeline): Promise<Measure[]> {
  const tables = new Map<string, readonly Column[]>()
  for (const { name, contract } of pipeline.datasets) tables.set(name.toLowerCase(), contract.columns.map(plain))
  for (const model of pipeline.models) tables.set(model.name.toLowerCase(), await columnsOfModel(parser, model, tables))
  return pipeline.serve.flatMap(({ table, as, columns, primaryKey }) =>
    columns.flatMap(({ name, type }): Measure[] => {
      const total = tables.get(table.toLowerCase())?.find((column) => isNamed(column, name))?.total
      if (total === undefined || !isNumber(type) || primaryKey.includes(name)) return []
      return [{ table, as, column: name, total }]
    }),
  )
}

/** A column of a table or a query; `total` if it is computed by an aggregate. */
type Column = { readonly name: string; readonly total: Total | undefined }
type Tables = ReadonlyMap<string, readonly Column[]>

const plain = ({ name }: { readonly name: string }): Column => ({ name, total: undefined })
const isNamed = (column: Column, name: string) => column.name.toLowerCase() === name.toLowerCase()

/** Aggregates with additive values, by their names in the engine's parser. */
const SUMS: ReadonlySet<string> = new Set(
  'sum fsum sumkahan kahan_sum sum_no_overflow count count_star count_if countif'.split(' '),
)

/** Aggregates whose values are not additive: also those of distinct values, since one value may be in several rows. */
const MEANS: ReadonlySet<string> = new Set([
  ...'avg mean favg min max median quantile quantile_cont quantile_disc approx_quantile reservoir_quantile'.split(' '),
  ...'mode mad stddev stddev_pop stddev_samp variance var_pop var_samp sem skewness kurtosis kurtosis_pop'.split(' '),
  ...'entropy product geomean geometric_mean corr covar_pop covar_samp approx_count_distinct'.split(' '),
  ...'regr_slope regr_intercept regr_r2'.split(' '),
])

/** An expression over a sum is no longer additive. */
const DIVISIONS: ReadonlySet<string> = new Set([
  '/',
  '//',
  '%',
  'divide',
  'mod',
  'power',
  'pow',
  '**',
  '^',
  'ln',
  'log',
])

/** Parts of an expression that decide which values count, and are not values themselves. */
const CONDITIONS: ReadonlySet<string> = new Set([
  'filter',
  'order_bys',
  'orders',
  'partitions',
  'when_expr',
  'filter_expr',
])

async function columnsOfModel(parser: Parser, { sql, columns }: CheckedModel, tables: Tables): Promise<Column[]> {
  const parsed = await parseQuery(parser, sql)
  const found = 'tree' in parsed ? columnsOf(parsed.tree, tables) : []
  return columns.map(({ name }) => ({ name, total: found.find((column) => isNamed(column, name))?.total }))
}

/** The columns of a query's result, in order. */
function columnsOf(query: Node | undefined, outside: Tables): Column[] {
  if (query === undefined) return []
  const tables = new Map(outside)
  for (const { key, value } of listIn(nodeIn(query, 'cte_map'), 'map').filter(isNode)) {
    const inner = columnsOf(nodeIn(nodeIn(nodeOf(value), 'query'), 'node'), tables)
    tables.set(asString(key).toLowerCase(), renamed(inner, listIn(value, 'aliases')))
  }
  switch (query['type']) {
    case 'SELECT_NODE': {
      const sources = sourcesOf(nodeIn(query, 'from_table'), tables)
      return listIn(query, 'select_list')
        .filter(isNode)
        .flatMap((expression) => resultsOf(expression, sources, tables))
    }
    case 'CTE_NODE': {
      const made = columnsOf(nodeIn(query, 'query'), tables)
      tables.set(String(query['cte_name']).toLowerCase(), renamed(made, listIn(query, 'aliases')))
      return columnsOf(nodeIn(query, 'child'), tables)
    }
    default: {
      const left = columnsOf(nodeIn(query, 'left'), tables)
      const right = columnsOf(nodeIn(query, 'right'), tables)
      return left.map(({ name, total }, index) => {
        const byName = right.find((column) => isNamed(column, name))
        const other = query['setop_type'] === 'UNION_BY_NAME' ? byName : right[index]
        return { name, total: combined([total, other?.total]) }
      })
    }
  }
}

function renamed(columns: readonly Column[], names: readonly unknown[]): Column[] {
  return columns.map(({ name, total }, index) => ({
    name: typeof names[index] === 'string' ? names[index] : name,
    total,
  }))
}

type Source = { readonly name: string; readonly columns: readonly Column[] }

function sourcesOf(from: Node | undefined, tables: Tables): Source[] {
  if (from === undefined) return []
  const alias = asString(from['alias'])
  const named = (name: string, columns: readonly Column[]) => [
    { name: (alias === '' ? name : alias).toLowerCase(), columns: renamed(columns, listIn(from, 'column_name_alias')) },
  ]
  switch (from['type']) {
    case 'BASE_TABLE': {
      const [schema, name] = [asString(from['schema_name']), asString(from['table_name'])]
      return named(name, schema === '' ? (tables.get(name.toLowerCase()) ?? []) : [])
    }
    case 'SUBQUERY':
      return named('', columnsOf(nodeIn(nodeIn(from, 'subquery'), 'node'), tables))
    case 'JOIN':
      return [...sourcesOf(nodeIn(from, 'left'), tables), ...sourcesOf(nodeIn(from, 'right'), tables)]
    default:
      return []
  }
}

function resultsOf(expression: Node, sources: readonly Source[], tables: Tables): Column[] {
  if (expression['class'] === 'STAR' && expression['columns'] !== true) {
    const only = asString(expression['relation_name']).toLowerCase()
    return sources.filter(({ name }) => only === '' || name === only).flatMap(({ columns }) => columns)
  }
  const path = listIn(expression, 'column_names').map(String)
  const name = asString(expression['alias']) || (path.at(-1) ?? '')
  return [{ name, total: totalOf(expression, sources, tables) }]
}

/** Whether an expression is computed by an aggregate, and how its values are aggregated over rows. */
function totalOf(value: unknown, sources: readonly Source[], tables: Tables): Total | undefined {
  if (Array.isArray(value)) return combined(value.map((item) => totalOf(item, sources, tables)))
  if (!isNode(value)) return undefined
  if (value['class'] === 'COLUMN_REF') return columnAt(listIn(value, 'column_names').map(String), sources)?.total
  if (value['class'] === 'SUBQUERY') return columnsOf(nodeIn(nodeIn(value, 'subquery'), 'node'), tables)[0]?.total
  const parts = Object.entries(value).flatMap(([key, part]) => (CONDITIONS.has(key) ? [] : [part]))
  const inside = combined(parts.map((part) => totalOf(part, sources, tables)))
  const name = asString(value['function_name']).toLowerCase()
  if (value['class'] === 'WINDOW') return SUMS.has(name) || MEANS.has(name) || inside !== undefined ? 'mean' : undefined
  if (value['class'] !== 'FUNCTION') return inside
  if (MEANS.has(name) || (SUMS.has(name) && value['distinct'] === true)) return 'mean'
  if (SUMS.has(name)) return 'sum'
  return inside !== undefined && DIVISIONS.has(name) ? 'mean' : inside
}

function columnAt(path: readonly string[], sources: readonly Source[]): Column | undefined {
  const name = path.at(-1) ?? ''
  const table = path.at(-2)?.toLowerCase()
  const read = table === undefined ? sources : sources.filter((source) => source.name === table)
  return read.flatMap(({ columns }) => columns).find((column) => isNamed(column, name) && column.total !== undefined)
}

function combined(totals: readonly (Total | undefined)[]): Total | undefined {
  if (totals.includes('mean')) return 'mean'
  return totals.includes('sum') ? 'sum' : undefined
}

const nodeOf = (value: unknown): Node | undefined => (isNode(value) ? value : undefined)
const nodeIn = (value: unknown, key: string): Node | undefined => nodeOf(nodeOf(value)?.[key])
const listIn = (value: unknown, key: string): readonly unknown[] => listOf(nodeOf(value)?.[key])
