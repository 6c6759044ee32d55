import { createHash } from 'node:crypto'
import { LandedFile, landingPath, type Ingest } from '@cinelake/contracts'
import { sha256, taskFileName } from '@cinelake/core'
import type { Lake } from '@cinelake/lake'
import { z } from 'zod'
import { parsedJson } from '../parsed-json.ts'
import type { KeyRange, Snapshot } from '../source-database.ts'

/** Additional connections for one table; more make a database slower, not faster. */
const MAX_HELPERS = 7

export type RangesPlan = {
  readonly column: string
  readonly boundaries: readonly string[]
  /** Where landed ranges are recorded; if absent, either all ranges land, from one snapshot, or none does. */
  readonly state?: LandingState | undefined
}

type Deps = {
  readonly snapshot: Snapshot
  /** Works on another connection, if one is available now. Returns silently if none is. */
  readonly help: (work: (snapshot: Snapshot) => Promise<void>) => Promise<void>
  readonly land: (snapshot: Snapshot, keys: KeyRange, range: number) => Promise<readonly LandedFile[]>
  readonly stop: AbortController
}

/**
 * Lands a table in key ranges over as many connections as are available, the open one among them.
 * @returns the files of all ranges, in key order
 */
export async function landRanges(
  { column, boundaries, state }: RangesPlan,
  { snapshot, help, land, stop }: Deps,
): Promise<LandedFile[]> {
  const bounds = [null, ...boundaries, null]
  const files: (readonly LandedFile[])[] = []
  let next = 0
  const keep = async (range: number, landed: readonly LandedFile[]) => (await state?.keep(range, landed)) ?? landed
  const work = async (connection: Snapshot): Promise<void> => {
    for (let range = next++; range <= boundaries.length && !stop.signal.aborted; range = next++) {
      const keys = { column, from: bounds[range] ?? null, to: bounds[range + 1] ?? null }
      files[range] = (await state?.landed(range)) ?? (await keep(range, await land(connection, keys, range)))
    }
  }
  const ending = async (work_: Promise<void>): Promise<void> => {
    try {
      await work_
    } catch (error) {
      stop.abort(error)
      throw error
    }
  }
  const helpers = Array.from({ length: Math.min(boundaries.length, MAX_HELPERS) }, async () => await ending(help(work)))
  const outcomes = await Promise.allSettled([ending(work(snapshot)), ...helpers])
  const failed = outcomes.find((outcome) => outcome.status === 'rejected')
  if (failed !== undefined) throw stop.signal.aborted ? stop.signal.reason : failed.reason
  return files.flat()
}

/** The ranges of a table that have landed so far: a retried task need not read them again. */
export interface LandingState {
  /** The boundaries between ranges: the first that any attempt has determined. */
  boundaries(find: () => Promise<readonly string[]>): Promise<readonly string[]>
  /** The files of a range that has landed. Undefined if it has not, or if its files are missing or changed. */
  landed(range: number): Promise<LandedFile[] | undefined>
  /** @returns the files that count for this range: another attempt's, if that was first */
  keep(range: number, files: readonly LandedFile[]): Promise<readonly LandedFile[]>
  /** Whether counted ranges are of another snapshot than this attempt's. */
  hasOthers(): boolean
}

/** Where a task keeps its state until all of it has landed. */
function folderOf({ pipeline, window, task, generation }: Ingest): string {
  const suffix = generation === 1 ? '' : `.g${generation}`
  return landingPath(pipeline.name, window.label, `${taskFileName(task)}${suffix}`)
}

const Boundaries = z.object({ boundaries: z.array(z.string()) })
const Range = z.object({ files: z.array(LandedFile), snapshot: z.string().optional() })

/**
 * @param snapshot the snapshot that this attempt reads, if it is shared with the other tables of its source
 * @param what everything that determines the files apart from the rows: columns, types, filter, ranges. If the table
 * changed meanwhile, the task starts over.
 */
export function openLandingState(
  lake: Lake,
  command: Ingest,
  what: unknown,
  { signal, snapshot }: { readonly signal: AbortSignal; readonly snapshot?: string | undefined },
): LandingState {
  const folder = `${folderOf(command)}/${sha256(JSON.stringify(what)).slice(0, 16)}`
  const pathOf = (range: number) => `${folder}/range-${String(range).padStart(5, '0')}.json`
  const read = async <T>(path: string, schema: z.ZodType<T>) =>
    parsedJson(await lake.readText(path, { signal }), schema)
  let hasOthers = false
  const landed = async (range: number) => {
    const kept = await read(pathOf(range), Range)
    if (kept === undefined || !(await areThere(lake, kept.files, signal))) return undefined
    hasOthers ||= kept.snapshot !== snapshot
    return kept.files
  }
  return {
    async boundaries(find) {
      const path = `${folder}/ranges.json`
      const before = await read(path, Boundaries)
      if (before !== undefined) return before.boundaries
      const found = { boundaries: [...(await find())] }
      await lake.putIfAbsent(path, JSON.stringify(found), { signal })
      return (await read(path, Boundaries))?.boundaries ?? found.boundaries
    },
    landed,
    hasOthers: () => hasOthers,
    async keep(range, files) {
      const text = JSON.stringify({ files, snapshot })
      if ((await lake.putIfAbsent(pathOf(range), text, { signal })) === 'created') return files
      const first = await landed(range)
      if (first !== undefined) return first
      await lake.put(pathOf(range), text, { signal })
      return files
    },
  }
}

export async function clearLandingState(
  lake: Pick<Lake, 'list' | 'delete'>,
  command: Ingest,
  options: { readonly signal: AbortSignal },
): Promise<void> {
  const paths: string[] = []
  for await (const { path } of lake.list(folderOf(command), options)) paths.push(path)
  for (const path of paths) await lake.delete(path, options)
}

/** Trusted only after checking every byte: a file that was lost or damaged is read from the database again. */
async function areThere(lake: Lake, files: readonly LandedFile[], signal: AbortSignal): Promise<boolean> {
  for (const { path, sizeBytes, sha256: digest } of files) {
    if ((await lake.stat(path, { signal }))?.sizeBytes !== sizeBytes) return false
    const hash = createHash('sha256')
    for await (const block of lake.read(path, { signal })) hash.update(block)
    if (hash.digest('hex') !== digest) return false
  }
  return true
}
