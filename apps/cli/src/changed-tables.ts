import { PipelineError } from '@cinelake/core'
import type { DeltaSnapshot, DeltaTable } from '@cinelake/delta'
import type { SqlEngine } from '@cinelake/engine'
import type { Lake } from '@cinelake/lake'
import {
  contractChanges,
  countDoubts,
  tableOfDataset,
  tableOfModel,
  type CheckedPipeline,
  type ContractChange,
  type WantedTable,
} from '@cinelake/pipeline'
import type { Settings } from '@cinelake/service'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { refinedTable } from './lake-tables.ts'
import { openEngine, openLake } from './open-parts.ts'
import type { Paint } from './output/terminal.ts'
import type { FolderReading } from './read-folder.ts'
import type { PlatformConfig } from './settings.ts'

/** A change of a contract or a model, and its place in the text. */
type TableChange = ContractChange & {
  readonly table: string
  readonly file: string
  readonly line: number
}

/** The changes that a pipeline's text would make to the existing tables. */
type ChangedTables = {
  readonly changes: readonly TableChange[]
  /** Why they could not be determined. */
  readonly note?: string
}

const NOTHING: ChangedTables = { changes: [] }

/** Milliseconds. The user of `validate` waits that long for the lake; then the check continues without it. */
const PATIENCE_MS = 20_000

/** Bytes of a table's files that are fetched from a remote lake to count rows. */
const FETCHED_BYTES = 256 * 1024 * 1024

type Given = {
  readonly config: PlatformConfig
  readonly settings: Settings
  readonly signal: AbortSignal
}

/**
 * Compares a pipeline with the existing tables, where a lake is available: the one of the state directory, or the one
 * that CINELAKE_LAKE names. Read-only; a lake that cannot be read in time is a note and not a failure.
 */
export async function changedTables(
  pipeline: CheckedPipeline,
  places: FolderReading['places'],
  { config, settings, signal }: Given,
): Promise<ChangedTables> {
  if (!isAtHand(config, settings)) return NOTHING
  const timeout = AbortSignal.timeout(PATIENCE_MS)
  const work = compareAll(pipeline, places, config, AbortSignal.any([signal, timeout]))
  try {
    return { changes: await untilAborted(work, timeout) }
  } catch (error) {
    signal.throwIfAborted()
    const isLate = timeout.aborted
    if (!isLate && !(error instanceof PipelineError)) throw error
    const reason = isLate ? `it did not answer within ${PATIENCE_MS / 1000} s` : (error as PipelineError).message
    return { changes: [], note: `the tables that are there were not looked at [lake=${config.lake.url}]: ${reason}` }
  }
}

/** A directory either exists or not; a remote lake counts only if a setting names it. */
export function isAtHand({ lake: { url } }: PlatformConfig, settings: Settings): boolean {
  if (!url.toLowerCase().startsWith('file:')) return (settings['CINELAKE_LAKE'] ?? '') !== ''
  return existsSync(path.join(directoryOf(url), 'refined'))
}

function directoryOf(url: string): string {
  return url.slice('file:'.length).replace(/^\/\//, '')
}

async function untilAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

async function compareAll(
  { name: pipeline, datasets, models }: CheckedPipeline,
  places: FolderReading['places'],
  config: PlatformConfig,
  signal: AbortSignal,
): Promise<TableChange[]> {
  await using lake = await openLake(config)
  const wanted = [...datasets.map(tableOfDataset), ...models.map(tableOfModel)]
  const known = await Promise.all(
    wanted.map(async (table) => {
      const there = await refinedTable(lake, { pipeline, table: table.name })
      return { table, there, snapshot: await there.snapshot({ signal }) }
    }),
  )
  await using engine = engineOnDemand(config, lake)
  const changes: TableChange[] = []
  for (const { table, there: refined, snapshot } of known) {
    if (snapshot === undefined) continue
    const found = await changesOf(table, snapshot, { refined, engine, config, signal })
    const place = places.get(table.name)
    for (const change of found) {
      const { file, line } = place?.columns.get(change.column) ?? place?.place ?? { file: 'pipeline.yaml', line: 1 }
      changes.push({ table: table.name, file, line, ...change })
    }
  }
  return changes
}

type EngineOnDemand = AsyncDisposable & { readonly open: () => Promise<SqlEngine> }

/**
 * Most texts have not changed: then no engine is started. It reads the lake's files and stores nothing in the state
 * directory.
 */
function engineOnDemand({ engine }: PlatformConfig, lake: Lake): EngineOnDemand {
  const settings = { engine: { ...engine, scratchDirectory: path.join(tmpdir(), 'cinelake') } }
  let opened: SqlEngine | undefined
  return {
    open: async () => (opened ??= await openEngine(settings, lake)),
    [Symbol.asyncDispose]: async () => await opened?.[Symbol.asyncDispose](),
  }
}

type Counting = {
  readonly refined: DeltaTable
  readonly engine: EngineOnDemand
  readonly config: PlatformConfig
  readonly signal: AbortSignal
}

async function changesOf(
  wanted: WantedTable,
  snapshot: DeltaSnapshot,
  { refined, engine, config, signal }: Counting,
): Promise<readonly ContractChange[]> {
  return await contractChanges(wanted, snapshot, async (doubts) => {
    const isElsewhere = !config.lake.url.toLowerCase().startsWith('file:')
    const sizeBytes = snapshot.files.reduce((sum, file) => sum + file.sizeBytes, 0)
    if (isElsewhere && sizeBytes > FETCHED_BYTES) return doubts.map(() => undefined)
    await using session = await (await engine.open()).session()
    await using view = await refined.view(session, { version: snapshot.version, signal })
    if (view === undefined) return doubts.map(() => undefined)
    return await countDoubts(doubts, view.relation, async (sql) => await session.rows(sql, { signal }))
  })
}

/** Whether a run would refuse one of them. */
export function isRefused({ changes }: ChangedTables): boolean {
  return changes.some(({ lossless }) => !lossless)
}

/** One line per change, followed by the remedy where the change is not possible as it is. */
export function formatChanges({ changes, note }: ChangedTables, paint: Paint): string {
  const lines = changes.map((change) => {
    const { table, file, line, lossless, consequence, remedy } = change
    const label = lossless ? paint('cyan', 'change') : paint('red', 'error')
    const below = lossless ? '' : `    ${remedy ?? 'change the text back'}\n`
    return `${paint('bold', `${file}:${line}`)}  ${label}  ${table}: ${whatOf(change)}: ${consequence}\n${below}`
  })
  return `${lines.join('')}${note === undefined ? '' : `${paint('yellow', 'note')}  ${note}\n`}`
}

function whatOf({ kind, column, from, to }: ContractChange): string {
  if (kind === 'keyChanged') return `key (${from}) becomes (${to})`
  if (kind === 'partitionChanged') return `partitions (${from}) become (${to})`
  if (kind === 'renamed') return `${from} is renamed to ${column}`
  const types = [from, to].filter((type) => type !== null).join(' → ')
  return `${column} ${types} (${kind})`
}
