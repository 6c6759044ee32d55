import type { CurrentSources } from '@cinelake/source-kind'
import { z } from 'zod'
import type { CheckedPipeline } from './checked/pipeline.ts'
import { loadPipeline, storePipeline, type PipelineStore } from './load-pipeline.ts'
import type { CheckedSource } from './source-kinds.ts'

/** The part of a lake that is needed to publish pipelines. */
type PublishStore = Parameters<typeof storePipeline>[0]

/** The part of a lake that is needed to find them. */
type CurrentStore = PipelineStore & {
  list(folder: string, options?: { readonly signal?: AbortSignal }): AsyncIterable<{ readonly path: string }>
}

/** Lake path of the pointer to a pipeline's current text. */
const pointerPath = (name: string) => `pipelines/${name}/current.json`

const nameIn = (path: string) => /^pipelines\/([^/]+)\/current\.json$/.exec(path)?.[1]

const Pointer = z.object({ digest: z.string().regex(/^[0-9a-f]{64}$/) })

/**
 * Makes a pipeline's text the current one: for services that work between runs, when no command names the
 * text to use.
 */
export async function publishPipeline(lake: PublishStore, pipeline: CheckedPipeline): Promise<void> {
  const { digest } = await storePipeline(lake, pipeline)
  await lake.put(pointerPath(pipeline.name), JSON.stringify({ digest }))
}

/** The name of any published pipeline; undefined if there is none. */
export async function publishedPipeline(
  lake: Pick<CurrentStore, 'list'>,
  options: { readonly signal?: AbortSignal } = {},
): Promise<string | undefined> {
  for await (const { path } of lake.list('pipelines', options)) {
    const name = nameIn(path)
    if (name !== undefined) return name
  }
  return undefined
}

export type CurrentPipelines = {
  readonly pipelines: readonly CheckedPipeline[]
  /** Pipelines whose current text cannot be read, by name, with the reason. */
  readonly unreadable: readonly { readonly name: string; readonly error: unknown }[]
}

/** The current texts of all pipelines in the lake, by name. A text that cannot be read does not affect the others. */
export async function currentPipelines(
  lake: CurrentStore,
  options: { readonly signal?: AbortSignal } = {},
): Promise<CurrentPipelines> {
  const pipelines: CheckedPipeline[] = []
  const unreadable: { name: string; error: unknown }[] = []
  for await (const { path } of lake.list('pipelines', options)) {
    const name = nameIn(path)
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

/** The sources of one kind in the current pipelines, each with its pipeline. */
export async function currentSources<Type extends CheckedSource['type']>(
  lake: CurrentStore,
  type: Type,
): Promise<CurrentSources<Extract<CheckedSource, { type: Type }>>> {
  const { pipelines, unreadable } = await currentPipelines(lake)
  const isWanted = (source: CheckedSource): source is Extract<CheckedSource, { type: Type }> => source.type === type
  const sources = pipelines.flatMap((pipeline) =>
    pipeline.sources.filter(isWanted).map((source) => ({ pipeline, source })),
  )
  return { sources, unreadable }
}
