import type { Discover, Ingest } from '@cinelake/contracts'
import { sourceErrors, type SourceTasks } from '@cinelake/source-kind'
import { loadPipeline, type PipelineStore } from './load-pipeline.ts'
import type { CheckedSource } from './source-kinds.ts'

type Kinds<Context, Outcome> = Readonly<{
  [Type in CheckedSource['type']]?: SourceTasks<Extract<CheckedSource, { type: Type }>, Context, Outcome>
}>

/**
 * The handlers of a service for these kinds of sources: each command is dispatched to the kind of its source in
 * the pipeline that it names.
 */
export function sourceHandlers<Context extends { readonly signal: AbortSignal }, Outcome>(
  lake: PipelineStore,
  kinds: Kinds<Context, Outcome>,
) {
  const tasksFor = async (command: Ingest | Discover, { signal }: Context) => {
    const pipeline = await loadPipeline(lake, command.pipeline, { signal })
    const source = pipeline.sources.find(({ name }) => name === command.source)
    const tasks: SourceTasks<CheckedSource, Context, Outcome> | undefined = source && kinds[source.type]
    if (source === undefined || tasks === undefined) throw sourceErrors.INGEST_COMMAND_UNKNOWN(command, expected)
    return { place: { pipeline, source }, tasks }
  }
  const expected = `of a source of the kind ${Object.keys(kinds).join(' or ')}`
  const ingest = async (command: Ingest, context: Context): Promise<Outcome> => {
    const { place, tasks } = await tasksFor(command, context)
    return await tasks.ingest(command, place, context)
  }
  const discover = async (command: Discover, context: Context): Promise<Outcome> => {
    const { place, tasks } = await tasksFor(command, context)
    if (tasks.discover === undefined) throw sourceErrors.INGEST_COMMAND_UNKNOWN(command, expected)
    return await tasks.discover(command, place, context)
  }
  const hasDiscover = Object.values(kinds).some((kind) => kind.discover !== undefined)
  return { ingest, ...(hasDiscover ? { discover } : {}) }
}
