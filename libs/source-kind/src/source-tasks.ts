import type { Discover, Ingest } from '@cinelake/contracts'
import { defineErrors, terminal, WINDOW_LENGTHS } from '@cinelake/core'
import type { CheckedColumn, RefineMode } from './dataset-text.ts'
import type { Source } from './source-config.ts'
import { z } from 'zod'

/** What of a pipeline the work over its sources depends on. Any checked pipeline is one. */
export type PipelineOfSource = {
  readonly name: string
  readonly schedule: Schedule
  /** What becomes of what its sources land. A dataset of a source need not be among them. */
  readonly datasets: readonly TargetDataset[]
}

/** What a refined dataset expects of what its source lands. */
export type TargetDataset = {
  readonly source: string
  /** The dataset's name within the source. */
  readonly sourceDataset: string
  readonly mode: RefineMode
  readonly contract: { readonly columns: readonly CheckedColumn[] }
}

/** A source with the pipeline that it is of. */
export type SourceInPipeline<Checked extends Source = Source> = {
  readonly pipeline: PipelineOfSource
  readonly source: Checked
}

/** The sources of a kind that are current, for a service that has work to do between runs. */
export type CurrentSources<Checked extends Source> = {
  readonly sources: readonly SourceInPipeline<Checked>[]
  /** Pipelines whose text cannot be read, with why. */
  readonly unreadable: readonly { readonly name: string; readonly error: unknown }[]
}

/** What one kind of source does for the commands about its datasets. Both are as repeatable as the commands are. */
export interface SourceTasks<Checked extends Source, Context, Outcome> {
  /** Lands a dataset for a window. @throws {INGEST_COMMAND_UNKNOWN} terminal: the source has no such dataset */
  ingest(command: Ingest, place: SourceInPipeline<Checked>, context: Context): Promise<Outcome>
  /** Lists what there is to ingest, where the pipeline's text does not say it. */
  discover?(command: Discover, place: SourceInPipeline<Checked>, context: Context): Promise<Outcome>
}

export const sourceErrors = defineErrors({
  /**
   * A command for something that its pipeline does not have, or that another service does.
   * @param expected the kinds of datasets that there may be: `a dataset of a REST source`
   */
  INGEST_COMMAND_UNKNOWN: terminal(
    (
      {
        task,
        source,
        dataset,
        pipeline: { name, digest },
      }: Pick<Discover, 'task' | 'source' | 'pipeline'> & Partial<Pick<Ingest, 'dataset'>>,
      expected: string,
    ) => [
      `command means nothing to this service [task=${task} pipeline=${name}]: expected ${source}${dataset === undefined ? '' : `/${dataset}`} to be ${expected} in the pipeline's text, got something else; start the run again with the pipeline as it is now`,
      { task, pipeline: name, digest },
    ],
  ),
})

/** Which windows a pipeline has, and when they are run. */
export const Schedule = z.object({
  every: z.enum(WINDOW_LENGTHS),
  timeZone: z.string(),
  /** The first window's label; nothing before it is caught up on. */
  start: z.string(),
  /** How long after the end of a window its run starts, for data that comes late. */
  delayMs: z.int().min(0),
})
export type Schedule = z.infer<typeof Schedule>
