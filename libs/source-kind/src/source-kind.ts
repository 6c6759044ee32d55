import type { Sample } from './preview.ts'
import type { SourceQuestions } from './questions.ts'
import type { Source, SourceConfig, SourceText } from './source-config.ts'
import type { SourceInPipeline, SourceTasks } from './source-tasks.ts'

/**
 * A kind of source as one value: how it is written and planned, what is asked of it, and all that reads it. Programs that
 * read no source take its configuration (`/config`) or its questions (`/questions`) alone, which load nothing of the rest.
 */
export interface SourceKind<Checked extends Source, TasksDeps, Context, Outcome, PreviewDeps, ChecksDeps = never> {
  readonly config: SourceConfig<SourceText, Checked>
  readonly questions: SourceQuestions
  /** The work for commands: ingest, and discover where the kind has it. */
  createTasks(deps: TasksDeps): SourceTasks<Checked, Context, Outcome>
  /** The first rows of a dataset, for `cinelake try`. */
  preview(place: SourceInPipeline<Checked>, dataset: string, deps: PreviewDeps): Promise<Sample>
  /** What can be looked at without landing anything, for `cinelake agent check`. */
  checks?(source: Checked, deps: ChecksDeps): readonly SourceCheck[]
}

/** One thing to look at of a source. */
export type SourceCheck = {
  readonly name: string
  /** @returns what was found, or what is wrong */
  readonly run: (signal: AbortSignal) => Promise<string | { readonly outcome: 'problem'; readonly detail: string }>
}
