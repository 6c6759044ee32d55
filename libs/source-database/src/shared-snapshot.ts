import {
  landedFolder,
  manifestPath,
  sharedSnapshotPath,
  type Discover,
  type Ingest,
  type QualityResult,
  type TableName,
} from '@cinelake/contracts'
import { taskFileName, type Log } from '@cinelake/core'
import type { Lake } from '@cinelake/lake'
import { ingestName } from '@cinelake/source-kind'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { undeclaredTables, type DatabaseSource } from './config/index.ts'
import { listWanted } from './discover-tables.ts'
import { fullName, SnapshotUnfitError } from './errors.ts'
import { parsedJson } from './parsed-json.ts'
import type { Snapshot, SourceDatabase, SourceTable } from './source-database.ts'
import { withDatabase, type DatabaseDeps } from './with-database.ts'

/** Milliseconds between two checks whether all tables have landed. */
const LOOK_EVERY_MS = 15_000
/** Consecutive checks that may fail. */
const FAILED_LOOKS = 4

type Deps = Omit<DatabaseDeps, 'signal' | 'connections'> & {
  readonly lake: Pick<Lake, 'list' | 'put'>
  readonly log: Log
  /** Releases the held snapshots when the agent stops. */
  readonly stopping?: AbortSignal | undefined
  readonly lookEveryMs?: number | undefined
}
type Held = { readonly end: AbortController; readonly ended: Promise<void> }

/**
 * Snapshots of databases that this agent holds for the tables of a run, whichever agent reads them: each is a transaction on
 * a connection of its own, which ends when all tables have landed, or after its maximum duration.
 */
export class HeldSnapshots {
  readonly #deps: Deps
  readonly #held = new Map<string, Held>()

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Takes a snapshot, publishes it to the tasks of the tables, and holds it. @returns the tables in it */
  async hold(
    command: Discover,
    source: DatabaseSource,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<TableName[]> {
    const key = `${command.run} ${source.name}`
    await this.#end(key)
    const { stopping } = this.#deps
    const end = new AbortController()
    const found = Promise.withResolvers<TableName[]>()
    const until = AbortSignal.any([end.signal, ...(stopping === undefined ? [] : [stopping])])
    AbortSignal.any([until, signal]).throwIfAborted()
    const whileOpening = () => end.abort(signal.reason)
    signal.addEventListener('abort', whileOpening, { once: true })
    const ended = this.#keep(command, source, { signal: until, found: found.resolve })
      .catch(found.reject)
      .finally(() => {
        if (this.#held.get(key)?.end === end) this.#held.delete(key)
      })
    this.#held.set(key, { end, ended })
    try {
      return await found.promise
    } finally {
      signal.removeEventListener('abort', whileOpening)
    }
  }

  async #end(key: string): Promise<void> {
    const held = this.#held.get(key)
    held?.end.abort()
    await held?.ended
  }

  async #keep(
    command: Discover,
    source: DatabaseSource,
    { signal, found }: { readonly signal: AbortSignal; readonly found: (tables: TableName[]) => void },
  ): Promise<void> {
    const { lake, log, fill, credential } = this.#deps
    await withDatabase(source, { fill, credential, signal }, async (database) => {
      await using snapshot = await database.snapshot()
      const shared = await snapshot.share()
      const tables = await listWanted(source, database)
      if (shared !== undefined) await publishMoment(command, shared, { lake, signal })
      found(tables)
      if (shared === undefined) return
      const reason = await this.#untilLanded(command, landedBy(command, source, tables), source, signal)
      log.info({ task: command.task, source: source.name, reason }, 'the moment of the tables has ended')
    })
  }

  /** @returns why it need not be held any longer */
  async #untilLanded(
    { pipeline, window }: Discover,
    manifests: ReadonlySet<string>,
    { snapshot }: DatabaseSource,
    signal: AbortSignal,
  ): Promise<string> {
    const { lake, lookEveryMs = LOOK_EVERY_MS } = this.#deps
    const until = performance.now() + (snapshot?.keepForMs ?? 0)
    for (let failed = 0; failed < FAILED_LOOKS;) {
      const left = until - performance.now()
      if (left <= 0) return 'its time is over'
      // Does not keep the process alive.
      await pause(Math.min(left, lookEveryMs), undefined, { signal, ref: false }).catch(() => {})
      if (signal.aborted) return 'the agent ends, or looks for tables again'
      try {
        const missing = new Set(manifests)
        for await (const { path } of lake.list(landedFolder(pipeline.name, window.label), { signal }))
          missing.delete(path)
        if (missing.size === 0) return 'all tables have landed'
        failed = 0
      } catch {
        failed += 1
      }
    }
    return 'the lake does not say whether the tables have landed'
  }
}

function landedBy(
  { pipeline: { name }, window, generation }: Discover,
  source: DatabaseSource,
  tables: readonly TableName[],
): ReadonlySet<string> {
  const undeclared = undeclaredTables(source, tables).map(fullName)
  const datasets = [...source.datasets.map((dataset) => dataset.name), ...undeclared]
  const tasks = datasets.map((dataset) => ingestName(source.name, dataset))
  return new Set(tasks.map((task) => manifestPath(name, window.label, taskFileName(task), generation)))
}

export type TableSnapshot = {
  readonly snapshot: Snapshot
  /** The snapshot shared by the tables of the run, if this one is it. */
  readonly shared?: string
  /** Whether it is shared, if sharing was requested. */
  readonly quality?: readonly QualityResult[]
}

const Published = z.object({ shared: z.string() })

type OfRun = Pick<Discover, 'pipeline' | 'window' | 'source' | 'generation'>

const pathOf = ({ pipeline, window, source, generation }: OfRun) =>
  sharedSnapshotPath(pipeline.name, source, window.label, generation)

/** Publishes the shared snapshot of a run. A later one replaces it: the remaining tables should use that. */
async function publishMoment(
  command: Discover,
  shared: string,
  { lake, signal }: { readonly lake: Pick<Lake, 'put'>; readonly signal: AbortSignal },
): Promise<void> {
  await lake.put(pathOf(command), JSON.stringify({ shared } satisfies z.infer<typeof Published>), { signal })
}

type TableToRead = { readonly database: SourceDatabase; readonly table: SourceTable; readonly source: DatabaseSource }

/** The shared snapshot of the run's tables, if there is one and it is still available; else a snapshot of the table's own. */
export async function openTableSnapshot(
  { database, table, source }: TableToRead,
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
  return parsedJson(text, Published)?.shared
}

function finding(reason?: string): QualityResult {
  const detail =
    reason === undefined
      ? 'the table is of the same moment as the other tables of its source'
      : `expected the table to be of the same moment as the other tables of its source, but ${reason}`
  return { rule: 'same_moment', severity: 'warn', checked: 1, failed: reason === undefined ? 0 : 1, detail }
}
