import { manifestPath, type Manifest } from '@cinelake/contracts'
import { taskFileName } from '@cinelake/core'
import { readManifest } from './landing.ts'
import type { CallOptions, Lake } from '../lake.ts'

type Landing = { readonly pipeline: string; /** Of the window. */ readonly label: string; readonly task: string }

/** The landing of an ingest task in a window, of its newest generation. Undefined where there is none. */
export async function newestManifest(
  lake: Pick<Lake, 'list' | 'readText'>,
  landing: Landing,
  options?: CallOptions,
): Promise<Manifest | undefined> {
  const path = await newestManifestPath(lake, landing, options)
  return path === undefined ? undefined : await readManifest(lake, path, options)
}

/** Lake path of that manifest. Undefined where there is none. */
export async function newestManifestPath(
  lake: Pick<Lake, 'list'>,
  { pipeline, label, task }: Landing,
  options?: CallOptions,
): Promise<string | undefined> {
  const first = manifestPath(pipeline, label, taskFileName(task), 1).replace(/\.json$/, '')
  const generations: number[] = []
  for await (const { path } of lake.list(first.slice(0, first.lastIndexOf('/')), options)) {
    const suffix = path.startsWith(first) ? path.slice(first.length) : ''
    const found = /^(?:\.g(\d+))?\.json$/.exec(suffix)
    if (found !== null) generations.push(Number(found[1] ?? 1))
  }
  return generations.length === 0
    ? undefined
    : manifestPath(pipeline, label, taskFileName(task), Math.max(...generations))
}
