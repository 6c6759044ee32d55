import type { PipelineRef } from '@cinelake/contracts'
import { sha256, TerminalError } from '@cinelake/core'
import type { CurrentSources } from '@cinelake/source-kind'
import { z } from 'zod'
import { CheckedPipeline, freezePipeline, frozenPipelinePath } from './checked-pipeline.ts'
import type { CheckedSource } from './source-kinds.ts'

/** The part of a lake that is needed. */
export type PipelineStore = {
  readText(path: string, options?: { readonly signal?: AbortSignal }): Promise<string | undefined>
}

export class PipelineMissingError extends TerminalError {
  readonly code = 'PIPELINE_MISSING'
  constructor(path: string) {
    super(
      `pipeline is not in the lake [path=${path}]: expected the text that the scheduler puts there before it sends commands, got nothing; ask for the run again, which puts it there again (\`cinelake run DIR --window WINDOW\`), or point this service at the scheduler's lake (CINELAKE_LAKE)`,
      { path },
    )
  }
}

export class PipelineCorruptError extends TerminalError {
  readonly code = 'PIPELINE_CORRUPT'
  constructor(path: string, expected: string, actual: string, options?: ErrorOptions) {
    super(
      `the pipeline's text in the lake is damaged [path=${path}]: expected ${expected}, got ${actual}; ask for the run again, which writes it again: \`cinelake run DIR --window WINDOW\``,
      { path, expected, actual },
      options,
    )
  }
}

/** Pipelines kept in memory. A worker serves few at a time: one per pipeline, and the previous one while a change is rolled out. */
const CACHE_SIZE = 8

/**
 * Pipelines read so far, by digest. They are immutable, and are released together with the lake that they came from.
 */
const cached = new WeakMap<PipelineStore, Map<string, CheckedPipeline>>()

/**
 * Puts a pipeline's text where services find it, replacing a copy that was damaged since.
 * @returns the text's digest and lake path
 */
export async function storePipeline(
  lake: PipelineStore & {
    putIfAbsent(path: string, content: string): Promise<'created' | 'exists'>
    put(path: string, content: string): Promise<unknown>
  },
  pipeline: CheckedPipeline,
): Promise<{ readonly digest: string; readonly path: string }> {
  const { path, text, digest } = freezePipeline(pipeline)
  const isThere = (await lake.putIfAbsent(path, text)) === 'exists'
  if (isThere && (await lake.readText(path)) !== text) await lake.put(path, text)
  return { digest, path }
}

/**
 * The pipeline that a command names.
 * @throws {PipelineMissingError} terminal: no object in the lake
 * @throws {PipelineCorruptError} terminal: the object is not what was put there
 */
export async function loadPipeline(
  lake: PipelineStore,
  ref: PipelineRef,
  options?: { readonly signal?: AbortSignal },
): Promise<CheckedPipeline> {
  const known = cached.get(lake) ?? new Map<string, CheckedPipeline>()
  cached.set(lake, known)
  const pipeline = known.get(ref.digest) ?? (await readFrozen(lake, ref, options))
  // Inserted again at the end, so that the first entry is the least recently used.
  known.delete(ref.digest)
  known.set(ref.digest, pipeline)
  for (const digest of known.keys()) {
    if (known.size <= CACHE_SIZE) break
    known.delete(digest)
  }
  return pipeline
}

async function readFrozen(
  lake: PipelineStore,
  ref: PipelineRef,
  options?: { readonly signal?: AbortSignal },
): Promise<CheckedPipeline> {
  const path = frozenPipelinePath(ref.name, ref.digest)
  const text = await lake.readText(path, options)
  if (text === undefined) throw new PipelineMissingError(path)
  const digest = sha256(text)
  if (digest !== ref.digest) throw new PipelineCorruptError(path, `sha256 ${ref.digest}`, digest)
  const parsed = CheckedPipeline.safeParse(JSON.parse(text))
  // The digest is right, so the object was written by another version of the program, with another schema.
  if (!parsed.success) {
    const where = parsed.error.issues.map((issue) => issue.path.join('.')).join(', ')
    throw new PipelineCorruptError(path, 'a pipeline of format 1', `a text that differs at ${where}`, {
      cause: parsed.error,
    })
  }
  return parsed.data
}

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
async function currentPipelines(
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
