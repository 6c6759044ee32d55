import type { PipelineFolder } from './folder.ts'
import type { ReadOptions, ReadResult } from './read-pipeline.ts'

/**
 * Reads a pipeline's folder and checks all of it without touching any data.
 *
 * The reader is imported when it is first called: its SQL parser is 20 MB of WebAssembly that takes about 110 MB of
 * memory, and workers, which are given pipelines that are read already, live without it.
 */
export async function readPipeline(folder: string | PipelineFolder, options?: ReadOptions): Promise<ReadResult> {
  const reader = await import('./read-pipeline.ts')
  return await reader.readPipeline(folder, options)
}
