import type { Discover, Ingest } from '@cinelake/contracts'
import { TerminalError } from '@cinelake/core'
import type { CheckedPipeline } from './checked/pipeline.ts'
import type { CheckedSource } from './checked/source.ts'
import { loadPipeline, type PipelineStore } from './load-pipeline.ts'

/** What one kind of source does for the commands about its datasets. Both are as repeatable as the commands are. */
export interface SourceTasks<Context, Outcome> {
  /** Lands a dataset for a window. @throws {SourceCommandUnknownError} terminal: the source has no such dataset */
  ingest(command: Ingest, pipeline: CheckedPipeline, context: Context): Promise<Outcome>
  /** Lists what there is to ingest, where the pipeline's text does not say it. */
  discover?(command: Discover, pipeline: CheckedPipeline, context: Context): Promise<Outcome>
}

/** A command for something that its pipeline does not have, or that another service does. */
export class SourceCommandUnknownError extends TerminalError {
  readonly code = 'INGEST_COMMAND_UNKNOWN'

  /** @param expected the kinds of datasets that there may be: `a dataset of a REST source` */
  constructor(
    {
      task,
      source,
      dataset,
      pipeline: { name, digest },
    }: Pick<Discover, 'task' | 'source' | 'pipeline'> & Partial<Pick<Ingest, 'dataset'>>,
    expected: string,
  ) {
    super(
      `command means nothing to this service [task=${task} pipeline=${name}]: expected ${source}${dataset === undefined ? '' : `/${dataset}`} to be ${expected} in the pipeline's text, got something else; start the run again with the pipeline as it is now`,
      { task, pipeline: name, digest },
    )
  }
}

type Kinds<Context, Outcome> = Readonly<Partial<Record<CheckedSource['type'], SourceTasks<Context, Outcome>>>>

/**
 * The handlers of a service that works for these kinds of sources: each command goes to the kind that its source is of in
 * the pipeline that it names.
 */
export function sourceHandlers<Context extends { readonly signal: AbortSignal }, Outcome>(
  lake: PipelineStore,
  kinds: Kinds<Context, Outcome>,
) {
  const tasksFor = async (command: Ingest | Discover, { signal }: Context) => {
    const pipeline = await loadPipeline(lake, command.pipeline, { signal })
    const type = pipeline.sources.find(({ name }) => name === command.source)?.type
    return { pipeline, tasks: type === undefined ? undefined : kinds[type] }
  }
  const expected = `of a source of the kind ${Object.keys(kinds).join(' or ')}`
  const ingest = async (command: Ingest, context: Context): Promise<Outcome> => {
    const { pipeline, tasks } = await tasksFor(command, context)
    if (tasks === undefined) throw new SourceCommandUnknownError(command, expected)
    return await tasks.ingest(command, pipeline, context)
  }
  const discover = async (command: Discover, context: Context): Promise<Outcome> => {
    const { pipeline, tasks } = await tasksFor(command, context)
    if (tasks?.discover === undefined) throw new SourceCommandUnknownError(command, expected)
    return await tasks.discover(command, pipeline, context)
  }
  const hasDiscover = Object.values(kinds).some((kind) => kind.discover !== undefined)
  return { ingest, ...(hasDiscover ? { discover } : {}) }
}
