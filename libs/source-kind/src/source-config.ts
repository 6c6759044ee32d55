import type { Queue, TableName } from '@cinelake/contracts'
import type { z } from 'zod'
import type { SourcePlace } from './source-place.ts'

/** What the text of every source has. */
export type SourceText = {
  readonly type: string
  readonly datasets?: Readonly<Record<string, object>> | undefined
}

/** What every checked source has. */
export type Source = {
  readonly type: string
  readonly name: string
  readonly datasets: readonly { readonly name: string }[]
}

/** A dataset's part of a run. */
export type PlannedIngest = {
  readonly dataset: string
  /** Datasets of the same source whose rows it starts from. */
  readonly after: readonly string[]
  /** The table of a database that it is. */
  readonly table?: TableName
  /** Whether it continues from what a window before has landed. */
  readonly incremental: boolean
  /** Whether it lands changes, deletions among them, and not rows as they are. */
  readonly ofChanges?: true
}

/** The task that lands a dataset. */
export const ingestName = (source: string, dataset: string) => `ingest ${source}/${dataset}`

/** A source's part of a run. */
export type SourcePlan = {
  /** Where its commands go. */
  readonly queue: Queue
  /** In the order of the text, but each after those that it starts from. */
  readonly ingests: readonly PlannedIngest[]
}

/**
 * A kind of source as pipelines know it: how it is written, checked and planned. Loads nothing that reads a source; what
 * does is in the same package, beside it.
 */
export interface SourceConfig<Text extends SourceText = SourceText, Checked extends Source = Source> {
  /** `type` in `pipeline.yaml`. */
  readonly type: string
  /** The source in `pipeline.yaml`. Fields that are, or may hold, a secret are marked. */
  readonly text: z.ZodType<Text>
  /** The source in a pipeline that is frozen in lakes: what was ever written has to stay readable. */
  readonly checked: z.ZodType<Checked>
  /** Turns a text whose shape is right into what the service that reads the source needs, and reports what is wrong. */
  read(name: string, source: Text, place: SourcePlace): Checked
  plan(source: Checked): SourcePlan
  /** Of kinds that are asked at the beginning of a run what there is. */
  readonly discovery?: SourceDiscovery<Checked>
  /** Keys whose secrets only a service that takes what comes needs: a run goes without. */
  readonly keysForServing?: readonly string[]
}

/** What is found in a source in addition to what its text declares. */
export interface SourceDiscovery<Checked extends Source = Source> {
  /** Whether tables are copied that the text does not name. */
  copiesMore(source: Checked): boolean
  /** The tables among those found that are copied without being declared, in order of their names. */
  undeclared(source: Checked, tables: readonly TableName[]): TableName[]
}
