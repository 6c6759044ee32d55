import type { CheckedColumn, CheckedPipeline, RestDataset, RestSource } from '@cinelake/pipeline'
import type { Ingest, LandedField } from '@cinelake/contracts'
import type { Lake } from '@cinelake/lake'
import { plainName } from './columns.ts'
import { expectedByContract, expectedByLanding, type Expected } from './expected-fields.ts'
import { fieldsBefore } from './fields-before.ts'
import type { RowRules } from './csv-spool.ts'
import { POSITION, VALUE } from '../children/explode-rows.ts'

/** The columns that a dataset's contract asks for; undefined where the pipeline has no contract for it. */
function contractOf(
  { datasets }: CheckedPipeline,
  source: RestSource,
  dataset: RestDataset,
): readonly CheckedColumn[] | undefined {
  return datasets.find((known) => known.source === source.name && known.sourceDataset === dataset.name)?.contract
    .columns
}

/** What a dataset's records are held against. */
export type HeldAgainst = {
  /** Undefined where the dataset has no contract and has not landed before. */
  readonly expected: Expected | undefined
  /** Of the landing before, where the dataset has no contract. */
  readonly fieldsBefore: readonly LandedField[] | undefined
}

export async function heldAgainst(
  lake: Pick<Lake, 'list' | 'readText'>,
  command: Ingest,
  { pipeline, source, dataset }: { pipeline: CheckedPipeline; source: RestSource; dataset: RestDataset },
  signal: AbortSignal,
): Promise<HeldAgainst> {
  const contract = contractOf(pipeline, source, dataset)
  if (contract !== undefined) return { expected: expectedByContract(contract), fieldsBefore: undefined }
  const before = await fieldsBefore(lake, command, pipeline.schedule, signal)
  return { expected: before === undefined ? undefined : expectedByLanding(before), fieldsBefore: before }
}

/**
 * How a dataset's records become rows. What is expected of them is known, and so is what the platform itself needs of the
 * rows: keys, and what other datasets start from.
 */
export function rowRulesOf(source: RestSource, dataset: RestDataset, expected: Expected | undefined): RowRules {
  const needed = [
    ...(dataset.key ?? []),
    ...ownColumns(dataset),
    ...source.datasets.flatMap((other) => startOf(other, dataset.name)),
  ]
  const named = expected?.fields.flatMap(({ spellings }) => spellings)
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
