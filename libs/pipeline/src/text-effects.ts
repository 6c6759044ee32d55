import type { CheckedPipeline } from './checked/pipeline.ts'
import {
  CONTRACT_PROPERTY,
  contractChanges,
  tableOfDataset,
  tableOfModel,
  writtenBy,
  type ChangeKind,
  type WantedTable,
} from './contract-changes.ts'

/** The effect of a change on readers of the table. */
type Effect =
  /** A query that worked may fail or return other results, or existing rows could lose information. */
  | 'breaking'
  /** Queries continue to work unchanged. */
  | 'additive'
  | 'unchanged'

type ColumnEffect = {
  readonly column: string
  readonly effect: Effect
  /** `widened`, `renamed`, …; undefined if nothing has changed. */
  readonly kind?: ChangeKind
  readonly from?: string | null
  readonly to?: string | null
}

/** How a table differs between two texts. */
export type TableEffect = {
  readonly table: string
  readonly state: 'new' | 'gone' | 'changed' | 'unchanged'
  readonly columns: readonly ColumnEffect[]
  /** Whether its values may change although its columns do not: another SELECT, parse option or rule. */
  readonly hasOtherValues: boolean
  /** Models that are directly or indirectly derived from it, in build order. */
  readonly models: readonly string[]
  /** Names in the mart of the table and of these models. */
  readonly served: readonly string[]
}

const ADDITIVE: ReadonlySet<ChangeKind> = new Set(['added', 'widened', 'partitionChanged'])

/**
 * Compares two texts of a pipeline, table by table and column by column. Data is not read: an effect that depends on rows
 * counts as breaking.
 */
export async function textChanges(before: CheckedPipeline | undefined, after: CheckedPipeline): Promise<TableEffect[]> {
  const [old, now] = [tablesOf(before), tablesOf(after)]
  const effects: TableEffect[] = []
  for (const [name, { table, text }] of now) {
    const former = old.get(name)
    const reached = reachedFrom(name, after)
    if (former === undefined) {
      const columns = table.columns.map(({ name: column, type }) => added(column, type))
      effects.push({ table: name, state: 'new', columns, hasOtherValues: false, ...reached })
      continue
    }
    const columns = await columnEffects(former.table, table)
    const hasOtherValues = former.text !== text
    const isChanged = hasOtherValues || columns.some(({ effect }) => effect !== 'unchanged')
    effects.push({ table: name, state: isChanged ? 'changed' : 'unchanged', columns, hasOtherValues, ...reached })
  }
  for (const [name, { table }] of old) {
    if (now.has(name) || before === undefined) continue
    const columns = table.columns.map(({ name: column, type }) => gone(column, type))
    effects.push({ table: name, state: 'gone', columns, hasOtherValues: false, ...reachedFrom(name, before) })
  }
  return effects
}

function added(column: string, to: string): ColumnEffect {
  return { column, effect: 'additive', kind: 'added', from: null, to }
}

function gone(column: string, from: string): ColumnEffect {
  return { column, effect: 'breaking', kind: 'dropped', from, to: null }
}

type Known = { readonly table: WantedTable; readonly text: string }

/** Without the positions of rules in files. */
function textOf(content: unknown): string {
  return JSON.stringify(content, (key, value: unknown) => (key === 'begin' ? undefined : value))
}

/** Tables by name, each with everything that affects its values apart from names and types of columns. */
function tablesOf(pipeline: CheckedPipeline | undefined): Map<string, Known> {
  const datasets = (pipeline?.datasets ?? []).map((dataset): [string, Known] => {
    const { contract, ...others } = dataset
    // A column's own names are reported separately.
    const readings = contract.columns.map(({ name, renamedFrom = [], reading }) => {
      return { ...reading, from: reading.from.filter((one) => one !== name && !renamedFrom.includes(one)) }
    })
    const text = textOf([{ ...others, partitionBy: [] }, readings, contract.rowRules, contract.tableRules])
    return [dataset.name, { table: tableOfDataset(dataset), text }]
  })
  const models = (pipeline?.models ?? []).map((model): [string, Known] => {
    const { sql, inputs, materialization, rowRules, tableRules } = model
    return [
      model.name,
      { table: tableOfModel(model), text: textOf([sql, inputs, materialization, rowRules, tableRules]) },
    ]
  })
  return new Map([...datasets, ...models])
}

async function columnEffects(before: WantedTable, after: WantedTable): Promise<ColumnEffect[]> {
  const there = {
    columns: before.columns,
    partitionBy: before.partitionBy,
    rowCount: 1,
    configuration: { [CONTRACT_PROPERTY]: writtenBy(before, []) },
  }
  // Readers of a table are affected by its columns, whether or not its rows are computed again.
  const asRead = { ...after, keeps: 'rows', isDerived: false } as const
  const changes = await contractChanges(asRead, there, async (doubts) => doubts.map(() => undefined))
  const changed = new Set(changes.map(({ column }) => column))
  const same = after.columns.filter(({ name }) => !changed.has(name))
  return [
    ...changes.map(({ kind, column, from, to, lossless }): ColumnEffect => {
      const isAdditive = lossless && ADDITIVE.has(kind)
      return { column, effect: isAdditive ? 'additive' : 'breaking', kind, from, to }
    }),
    ...same.map(({ name }): ColumnEffect => ({ column: name, effect: 'unchanged' })),
  ]
}

function reachedFrom(table: string, { models, serve }: CheckedPipeline): Pick<TableEffect, 'models' | 'served'> {
  const reached = new Set([table])
  // In dependency order.
  for (const { name, inputs } of models) if (inputs.some((input) => reached.has(input))) reached.add(name)
  const served = serve.filter((entry) => reached.has(entry.table)).map(({ as }) => as)
  return { models: models.map(({ name }) => name).filter((name) => name !== table && reached.has(name)), served }
}
