import type { PlannedTask } from '@cinelake/contracts'
import type { Window } from '@cinelake/core'
import { unboundOffset } from './bind-window.ts'
import type { CheckedDataset, CheckedModel, CheckedPipeline, RowRule, TableRule } from './checked-pipeline.ts'
import {
  type ChangeKind,
  CONTRACT_PROPERTY,
  contractChanges,
  tableOfDataset,
  tableOfModel,
  type WantedTable,
  writtenBy,
} from './contract-changes.ts'
import { positionAt } from './sql/parse.ts'

/**
 * The places of a pipeline's folder in which a task's text differs between two versions of it:
 * `models/sales_by_city.sql`, `contracts/orders.yaml`, `pipeline.yaml (sources.shop.datasets.orders)`. Only the task's
 * own text: texts of the tasks that it depends on are theirs. Descriptions do not affect data.
 * @returns none if the task does the same in both versions
 */
export function changedPlaces(before: CheckedPipeline, after: CheckedPipeline, { work }: PlannedTask): string[] {
  const earlier = taskText(before, work, after)
  const differs = (part: TextPart) => {
    const same = earlier.find(({ place }) => place === part.place)
    return same === undefined || canonical(same.content) !== canonical(part.content)
  }
  return taskText(after, work, before)
    .filter(differs)
    .map(({ place }) => place)
}

/**
 * Whether a task's text only follows from other text: the columns of a served or delivered table from its contract or
 * model.
 * If a task that it depends on has changed, that is the change to report.
 */
export function followsFromOthers({ work }: PlannedTask): boolean {
  return work.kind === 'load' || work.kind === 'deliver'
}

type TextPart = { readonly place: string; readonly content: unknown }

/** @param other the version to compare with */
function taskText(pipeline: CheckedPipeline, work: PlannedTask['work'], other: CheckedPipeline): TextPart[] {
  switch (work.kind) {
    case 'discover':
      return sourceText(pipeline, work.source)
    case 'ingest':
      return [...sourceText(pipeline, work.source), ...landingText(pipeline, work.source, work.dataset)]
    case 'refine':
      return pipeline.datasets
        .filter(({ name }) => name === work.dataset)
        .flatMap((dataset) => datasetText(dataset, other))
    case 'build':
      return pipeline.models.filter(({ name }) => name === work.model).map(modelText)
    case 'deliver':
      return (pipeline.deliver ?? [])
        .filter(({ name }) => name === work.delivery)
        .map((delivery) => ({ place: `pipeline.yaml (deliver.${delivery.name})`, content: delivery }))
    default:
      return pipeline.serve
        .filter(({ table }) => table === work.table)
        .map((served) => ({ place: `pipeline.yaml (serve.${served.table})`, content: served }))
  }
}

function sourceText({ sources }: CheckedPipeline, name: string): TextPart[] {
  return sources
    .filter((source) => source.name === name)
    .map(({ datasets: _datasets, ...source }) => ({ place: `pipeline.yaml (sources.${name})`, content: source }))
}

/** How a dataset is landed. An undeclared table has no text. */
function landingText({ sources }: CheckedPipeline, name: string, dataset: string): TextPart[] {
  const source = sources.find((candidate) => candidate.name === name)
  return (source?.datasets ?? [])
    .filter((candidate) => candidate.name === dataset)
    .map((content) => ({ place: datasetKeyPath(name, dataset), content }))
}

/** A column that only one version has is the contract's change: how it is read follows from its name. */
function datasetText(
  { contract, source, sourceDataset: _landed, ...mapping }: CheckedDataset,
  { datasets }: CheckedPipeline,
): TextPart[] {
  const others = datasets.find(({ name }) => name === mapping.name)?.contract.columns ?? []
  const { id: _id, version: _version, file = `contracts/${mapping.name}.yaml`, columns, ...terms } = contract
  const inBoth = columns.filter(({ name }) => others.some((other) => other.name === name))
  return [
    { place: file, content: { ...terms, columns: columns.map(({ reading: _reading, ...column }) => column) } },
    {
      place: datasetKeyPath(source, mapping.name),
      content: { ...mapping, columns: inBoth.map(({ name, reading }) => ({ name, reading })) },
    },
  ]
}

/** The types of a model's columns follow from its SQL and its inputs; texts for messages only do not affect data. */
function modelText({
  name,
  file = fileOfModel({ name }),
  columns: _columns,
  begin: _begin,
  keyMayBeShown: _shown,
  ...model
}: CheckedModel): TextPart {
  return { place: file, content: model }
}

const datasetKeyPath = (source: string, dataset: string) => `pipeline.yaml (sources.${source}.datasets.${dataset})`

/** The same text for the same content, whatever the order of keys; without descriptions and positions of rules. */
function canonical(content: unknown): string {
  return JSON.stringify(content, (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
    const entries = Object.entries(value).filter(([key]) => key !== 'description' && key !== 'begin')
    return Object.fromEntries(entries.toSorted(([one], [other]) => (one < other ? -1 : 1)))
  })
}

/** The file of a model, below the pipeline's folder. */
export function fileOfModel({ name, file = `models/${name}.sql` }: Pick<CheckedModel, 'name' | 'file'>): string {
  return file
}

/**
 * `models/sales.sql:4:12`: the place in a model's file of an offset in its SELECT.
 * @param boundOffset in the SELECT with the window put in
 */
export function placeInModel(
  model: Pick<CheckedModel, 'name' | 'file' | 'sql' | 'begin'>,
  window: Pick<Window, 'start' | 'end'>,
  boundOffset: number,
): string {
  const { line, column } = positionAt(model.sql, unboundOffset(model.sql, window, boundOffset))
  const { begin = { line: 1, column: 1 } } = model
  return `${fileOfModel(model)}:${begin.line + line - 1}:${line === 1 ? begin.column + column - 1 : column}`
}

/**
 * `contracts/orders.yaml:31:22`: the place of an offset in a rule's SQL. Several lines are a YAML block, in which each line has
 * the indent of the first.
 * @param file of the rule, below the pipeline's folder
 */
export function placeInRule(
  file: string,
  { begin }: Pick<RowRule | TableRule, 'begin'>,
  sql: string,
  offset: number,
): string {
  if (begin === undefined) return file
  const { line, column } = positionAt(sql, offset)
  return `${file}:${begin.line + line - 1}:${begin.column + column - 1}`
}

/** The file of a contract, below the pipeline's folder. */
export function fileOfContract({ name, contract }: Pick<CheckedDataset, 'name' | 'contract'>): string {
  return contract.file ?? `contracts/${name}.yaml`
}

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
function comparableText(content: unknown): string {
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
    const text = comparableText([{ ...others, partitionBy: [] }, readings, contract.rowRules, contract.tableRules])
    return [dataset.name, { table: tableOfDataset(dataset), text }]
  })
  const models = (pipeline?.models ?? []).map((model): [string, Known] => {
    const { sql, inputs, materialization, rowRules, tableRules } = model
    return [
      model.name,
      { table: tableOfModel(model), text: comparableText([sql, inputs, materialization, rowRules, tableRules]) },
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
