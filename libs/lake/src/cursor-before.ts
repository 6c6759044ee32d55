import { manifestPath, type Ingest, type Manifest } from '@cinelake/contracts'
import { taskFileName, windowAt, type Calendar } from '@cinelake/core'
import { readManifest } from './landing.ts'
import type { CallOptions, Lake } from './lake.ts'

/**
 * How far the last window that succeeded was read, of its newest generation: the same for every attempt at a window.
 * Undefined the first time, or where its manifest is gone.
 */
export async function cursorBefore(
  lake: Pick<Lake, 'list' | 'readText'>,
  { pipeline, task, since }: Pick<Ingest, 'pipeline' | 'task' | 'since'>,
  schedule: Calendar,
  options?: CallOptions,
): Promise<Manifest['cursor']> {
  if (since === null) return undefined
  const { label } = windowAt(schedule, new Date(Date.parse(since) - 1))
  return (await newestManifest(lake, { pipeline: pipeline.name, label, task }, options))?.cursor
}

type Landing = { readonly pipeline: string; /** Of the window. */ readonly label: string; readonly task: string }

/** What an ingest task landed in a window, of its newest generation. Undefined where nothing did. */
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
