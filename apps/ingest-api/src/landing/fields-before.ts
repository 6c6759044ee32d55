import { manifestPath, type Ingest, type LandedField } from '@cinelake/contracts'
import { shiftWindow, taskFileName, type Calendar } from '@cinelake/core'
import { readManifest, type Lake } from '@cinelake/lake'
import { KIND, RESCUED, type Columns } from './columns.ts'

/** Windows that are looked back through. After a longer pause a dataset begins anew. */
const MAX_WINDOWS = 31

/**
 * The fields that a dataset had when it landed last, in a window before: the same for every attempt at a window, as long
 * as nothing lands in those before it. Undefined where it had not landed.
 */
export async function fieldsBefore(
  lake: Pick<Lake, 'list' | 'readText'>,
  { pipeline, task, window }: Pick<Ingest, 'pipeline' | 'task' | 'window'>,
  schedule: Calendar,
  signal: AbortSignal,
): Promise<readonly LandedField[] | undefined> {
  for (let back = 1; back <= MAX_WINDOWS; back += 1) {
    const { label } = shiftWindow(schedule, window, -back)
    const path = await newestManifest(lake, manifestPath(pipeline.name, label, taskFileName(task), 1), signal)
    if (path !== undefined) return (await readManifest(lake, path, { signal }))?.fields
  }
  return undefined
}

/** Of several generations of a task's manifest the newest. */
async function newestManifest(
  lake: Pick<Lake, 'list'>,
  first: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const name = first.replace(/\.json$/, '')
  let newest = { generation: 0, path: '' }
  for await (const { path } of lake.list(first.slice(0, first.lastIndexOf('/')), { signal })) {
    const found = path.startsWith(name) ? /^(?:\.g(\d+))?\.json$/.exec(path.slice(name.length)) : null
    if (found === null) continue
    const generation = Number(found[1] ?? 1)
    if (generation > newest.generation) newest = { generation, path }
  }
  return newest.generation === 0 ? undefined : newest.path
}

const KINDS = Object.keys(KIND) as readonly (keyof typeof KIND)[]

/**
 * The fields of a landing, for the next one to be held against: those of the landings before as well, so that one that
 * some days do not have is not new each time, but none that was left out or rescued.
 */
export function landedFields({ all }: Columns, before: readonly LandedField[] = []): LandedField[] {
  const seen = [...all.values()].filter(({ index, name }) => index >= 0 && name !== RESCUED)
  const names = new Set(seen.map(({ name }) => name))
  const kindsBefore = new Map(before.map(({ name, kinds }) => [name, kinds]))
  const had = seen.map(({ name, kinds }): LandedField => {
    const earlier = kindsBefore.get(name) ?? []
    return { name, kinds: KINDS.filter((kind) => (kinds & KIND[kind]) !== 0 || earlier.includes(kind)) }
  })
  const missing = before.filter(({ name }) => !names.has(name))
  return [...had, ...missing.map((field) => ({ ...field, isMissing: true as const }))]
}
