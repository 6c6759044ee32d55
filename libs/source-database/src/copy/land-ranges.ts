import type { LandedFile } from '@cinelake/contracts'
import type { KeyRange, Snapshot } from '../source-database.ts'
import type { LandingState } from './landing-state.ts'

/** Additional connections for one table; more make a database slower, not faster. */
const MAX_HELPERS = 7

export type RangesPlan = {
  /** The column that the ranges are over. */
  readonly column: string
  readonly boundaries: readonly string[]
  /** Where landed ranges are recorded; if absent, either all ranges land, from one snapshot, or none does. */
  readonly state?: LandingState | undefined
}

type Deps = {
  /** The open snapshot. */
  readonly snapshot: Snapshot
  /** Works on another connection, if one is available now. Returns silently if none is. */
  readonly help: (work: (snapshot: Snapshot) => Promise<void>) => Promise<void>
  /** Lands the rows of one range. */
  readonly land: (snapshot: Snapshot, keys: KeyRange, range: number) => Promise<readonly LandedFile[]>
  /** Cancels ranges under way. */
  readonly stop: AbortController
}

/**
 * Lands a table in key ranges over as many connections as are available. The connection that is already open takes part, so
 * that at least one is working.
 * @returns the files of all ranges, in key order
 */
export async function landRanges(
  { column, boundaries, state }: RangesPlan,
  { snapshot, help, land, stop }: Deps,
): Promise<LandedFile[]> {
  const bounds = [null, ...boundaries, null]
  const files: (readonly LandedFile[])[] = []
  let next = 0
  const work = async (connection: Snapshot): Promise<void> => {
    for (let range = next++; range <= boundaries.length && !stop.signal.aborted; range = next++) {
      const keys = { column, from: bounds[range] ?? null, to: bounds[range + 1] ?? null }
      files[range] = (await state?.landed(range)) ?? (await kept(state, range, await land(connection, keys, range)))
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

async function kept(
  state: LandingState | undefined,
  range: number,
  files: readonly LandedFile[],
): Promise<readonly LandedFile[]> {
  return state === undefined ? files : await state.keep(range, files)
}
