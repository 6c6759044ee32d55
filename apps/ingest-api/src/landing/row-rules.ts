import type { CheckedColumn, CheckedPipeline, RestDataset, RestSource } from '@cinelake/pipeline'
import { plainName } from './columns.ts'
import type { RowRules } from './csv-spool.ts'
import { POSITION, VALUE } from '../children/explode-rows.ts'

/** The columns that a dataset's contract asks for; undefined where the pipeline has no contract for it. */
export function contractOf(
  { datasets }: CheckedPipeline,
  source: RestSource,
  dataset: RestDataset,
): readonly CheckedColumn[] | undefined {
  return datasets.find((known) => known.source === source.name && known.sourceDataset === dataset.name)?.contract
    .columns
}

/**
 * How a dataset's records become rows. What the contract names is known, and so is what the platform itself needs of the
 * rows: keys, and what other datasets start from.
 */
export function rowRulesOf(
  source: RestSource,
  dataset: RestDataset,
  contract: readonly CheckedColumn[] | undefined,
): RowRules {
  const needed = [
    ...(dataset.key ?? []),
    ...ownColumns(dataset),
    ...source.datasets.flatMap((other) => startOf(other, dataset.name)),
  ]
  const named = contract?.flatMap(({ reading }) => reading.from)
  return {
    known: named === undefined ? undefined : new Set([...named, ...needed].map(plainName)),
    drift: dataset.drift ?? 'evolve',
    flatten: dataset.flatten ?? {},
    key: dataset.key ?? [],
  }
}

/** Columns that come from the parent. */
function ownColumns({ parent, explodedFrom }: RestDataset): string[] {
  if (explodedFrom !== undefined) {
    return [...explodedFrom.key.map((field) => `${explodedFrom.dataset}.${field}`), POSITION, VALUE]
  }
  return parent === undefined ? [] : parent.fields.map((field) => `${parent.dataset}.${field}`)
}

/** Columns of a dataset that another one starts from. */
function startOf({ parent, explodedFrom }: RestDataset, dataset: string): readonly string[] {
  if (parent?.dataset === dataset) return parent.fields
  return explodedFrom?.dataset === dataset ? [...explodedFrom.key, explodedFrom.field] : []
}
