import type { PipelineOfSource } from '@cinelake/source-kind'
import type { RestDataset, RestSource } from '../config/index.ts'
import { plainName } from '@cinelake/csv'
import { expectedFields, type ExpectedField } from './expected-fields.ts'
import type { RowRules } from '@cinelake/json-rows'
import { POSITION, VALUE } from '../children/explode-rows.ts'

/** The contract that a dataset's records are checked against; undefined if the pipeline has none for it. */
export function expectedOf(
  { datasets }: PipelineOfSource,
  source: RestSource,
  dataset: RestDataset,
): readonly ExpectedField[] | undefined {
  const known = datasets.find((each) => each.source === source.name && each.sourceDataset === dataset.name)
  return known === undefined ? undefined : expectedFields(known.contract.columns)
}

/**
 * How a dataset's records become rows: from the expected columns, and from those that the platform needs:
 * keys, and the columns that other datasets depend on.
 */
export function rowRulesOf(
  source: RestSource,
  dataset: RestDataset,
  expected: readonly ExpectedField[] | undefined,
): RowRules {
  const needed = [
    ...(dataset.key ?? []),
    ...ownColumns(dataset),
    ...source.datasets.flatMap((other) => startOf(other, dataset.name)),
  ]
  const named = expected?.flatMap(({ spellings }) => spellings)
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

/** Columns of a dataset that another one depends on. */
function startOf({ parent, explodedFrom }: RestDataset, dataset: string): readonly string[] {
  if (parent?.dataset === dataset) return parent.fields
  return explodedFrom?.dataset === dataset ? [...explodedFrom.key, explodedFrom.field] : []
}
