import { manifestPath, type Manifest } from '@cinelake/contracts'
import { taskFileName } from '@cinelake/core'
import { readManifest } from './landing.ts'
import type { CallOptions, Lake } from './lake.ts'

/** What an ingest task landed in a window, of its newest generation. Undefined where nothing did. */
export async function newestManifest(
  lake: Pick<Lake, 'list' | 'readText'>,
  { pipeline, label, task }: { readonly pipeline: string; readonly label: string; readonly task: string },
  options?: CallOptions,
): Promise<Manifest | undefined> {
  const first = manifestPath(pipeline, label, taskFileName(task), 1).replace(/\.json$/, '')
  const generations: number[] = []
  for await (const { path } of lake.list(first.slice(0, first.lastIndexOf('/')), options)) {
    const suffix = path.startsWith(first) ? path.slice(first.length) : ''
    const found = /^(?:\.g(\d+))?\.json$/.exec(suffix)
    if (found !== null) generations.push(Number(found[1] ?? 1))
  }
  if (generations.length === 0) return undefined
  const path = manifestPath(pipeline, label, taskFileName(task), Math.max(...generations))
  return await readManifest(lake, path, options)
}
