import { z } from 'zod'
import type { CheckedPipeline } from './checked/pipeline.ts'
import { loadPipeline, storePipeline, type PipelineStore } from './load-pipeline.ts'

/** What is needed of a lake to put pipelines there. */
type PublishStore = Parameters<typeof storePipeline>[0]

/** What is needed of a lake to find them. */
type CurrentStore = PipelineStore & {
  list(folder: string, options?: { readonly signal?: AbortSignal }): AsyncIterable<{ readonly path: string }>
}

/** Lake path of what says which text of a pipeline is the current one. */
const pointerPath = (name: string) => `pipelines/${name}/current.json`

const Pointer = z.object({ digest: z.string().regex(/^[0-9a-f]{64}$/) })

/**
 * Makes a pipeline's text the current one: for services that have work to do between runs, to which no command says which
 * text counts.
 */
export async function publishPipeline(lake: PublishStore, pipeline: CheckedPipeline): Promise<void> {
  const { digest } = await storePipeline(lake, pipeline)
  await lake.put(pointerPath(pipeline.name), JSON.stringify({ digest }))
}

export type CurrentPipelines = {
  readonly pipelines: readonly CheckedPipeline[]
  /** Pipelines whose current text cannot be read, by name, and why. */
  readonly unreadable: readonly { readonly name: string; readonly error: unknown }[]
}

/** The current texts of all pipelines in the lake, by name. One that cannot be read does not keep the others away. */
export async function currentPipelines(
  lake: CurrentStore,
  options: { readonly signal?: AbortSignal } = {},
): Promise<CurrentPipelines> {
  const pipelines: CheckedPipeline[] = []
  const unreadable: { name: string; error: unknown }[] = []
  for await (const { path } of lake.list('pipelines', options)) {
    const name = /^pipelines\/([^/]+)\/current\.json$/.exec(path)?.[1]
    if (name === undefined) continue
    try {
      const text = await lake.readText(path, options)
      if (text === undefined) continue
      const { digest } = Pointer.parse(JSON.parse(text))
      pipelines.push(await loadPipeline(lake, { name, digest }, options))
    } catch (error) {
      options.signal?.throwIfAborted()
      unreadable.push({ name, error })
    }
  }
  return { pipelines, unreadable }
}
