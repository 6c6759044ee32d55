import { sharedSnapshotPath, type Discover, type Ingest, type QualityResult } from '@cinelake/contracts'
import type { Lake } from '@cinelake/lake'
import type { DatabaseSource } from '../config/index.ts'
import { z } from 'zod'
import { SnapshotUnfitError } from '../errors.ts'
import type { Snapshot, SourceDatabase, SourceTable } from '../source-database.ts'

/** The consistent snapshot that a table is read from. */
export type TableSnapshot = {
  readonly snapshot: Snapshot
  /** The snapshot shared by the tables of the run, if this one is it. */
  readonly shared?: string
  /** Whether it is shared, if sharing was requested. */
  readonly quality?: readonly QualityResult[]
}

const Published = z.object({ shared: z.string() })

/** Where the tasks of a run find their shared snapshot. */
function pathOf({
  pipeline,
  window,
  source,
  generation,
}: Pick<Discover, 'pipeline' | 'window' | 'source' | 'generation'>) {
  return sharedSnapshotPath(pipeline.name, source, window.label, generation)
}

/** Publishes the shared snapshot of a run. A later one replaces it: the remaining tables should use that. */
export async function publishMoment(
  command: Discover,
  shared: string,
  { lake, signal }: { readonly lake: Pick<Lake, 'put'>; readonly signal: AbortSignal },
): Promise<void> {
  await lake.put(pathOf(command), JSON.stringify({ shared } satisfies z.infer<typeof Published>), { signal })
}

/** The shared snapshot of the run's tables, if there is one and it is still available; else a snapshot of the table's own. */
export async function openTableSnapshot(
  {
    database,
    table,
    source,
  }: { readonly database: SourceDatabase; readonly table: SourceTable; readonly source: DatabaseSource },
  {
    lake,
    command,
    signal,
  }: { readonly lake: Pick<Lake, 'readText'>; readonly command: Ingest; readonly signal: AbortSignal },
): Promise<TableSnapshot> {
  if (source.snapshot === undefined) return { snapshot: await database.snapshot({ table }) }
  const shared = await publishedMoment(command, lake, signal)
  const own = async (reason: string) => ({
    snapshot: await database.snapshot({ table }),
    quality: [finding(`${reason}: it is of a later one`)],
  })
  if (shared === undefined) return await own('none is held')
  try {
    return { snapshot: await database.snapshot({ table, shared }), shared, quality: [finding()] }
  } catch (error) {
    if (!(error instanceof SnapshotUnfitError)) throw error
    return await own(error.reason)
  }
}

/** The snapshot recorded for a table of which some ranges come from another attempt with another snapshot. */
export function mixed(of: TableSnapshot): TableSnapshot {
  if (of.shared === undefined) return of
  const quality = [finding('ranges of it were read by an attempt that had another moment')]
  return { snapshot: of.snapshot, quality }
}

async function publishedMoment(
  command: Ingest,
  lake: Pick<Lake, 'readText'>,
  signal: AbortSignal,
): Promise<string | undefined> {
  const text = await lake.readText(pathOf(command), { signal })
  if (text === undefined) return undefined
  try {
    return Published.safeParse(JSON.parse(text)).data?.shared
  } catch {
    return undefined
  }
}

function finding(reason?: string): QualityResult {
  const detail =
    reason === undefined
      ? 'the table is of the same moment as the other tables of its source'
      : `expected the table to be of the same moment as the other tables of its source, but ${reason}`
  return { rule: 'same_moment', severity: 'warn', checked: 1, failed: reason === undefined ? 0 : 1, detail }
}
