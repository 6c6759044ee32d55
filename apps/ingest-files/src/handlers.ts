import type { TaskContext, TaskHandlers } from '@cinelake/bus'
import type { Ingest, QualityResult } from '@cinelake/contracts'
import type { Clock, Log } from '@cinelake/core'
import type { SqlEngine } from '@cinelake/engine'
import { landOnce, manifestOf, readManifest, type Lake, type Landed } from '@cinelake/lake'
import { loadPipeline, type CheckedPipeline, type DatabaseSource } from '@cinelake/pipeline'
import type { Fill } from '@cinelake/secrets'
import type { AzureCredential } from '@cinelake/database'
import { createDatabaseTasks, type DatabaseTasks } from './database/database-tasks.ts'
import { CommandUnknownError } from './errors.ts'
import { createClearLanded } from './files/clear-landed.ts'
import { createIngestFileDrop, type FilesPlace } from './files/ingest-file-drop.ts'

export type IngestFilesDeps = {
  readonly lake: Lake
  readonly engine: SqlEngine
  /** Fills the placeholders of paths and addresses on this machine. */
  readonly fill: Fill
  readonly clock: Clock
  readonly log: Log
  /** For databases of Azure that are opened without a password. */
  readonly credential?: AzureCredential
  /** Ends what outlives a task: the moment of a database that is held for its tables. */
  readonly stopping?: AbortSignal
  /** Milliseconds between two looks whether it is still needed. */
  readonly lookEveryMs?: number
}

/** The work of the on-prem agent: lands files and tables in raw, and lists the tables of a database. */
export function createIngestFilesHandlers(deps: IngestFilesDeps): TaskHandlers {
  const { lake, clock, log } = deps
  const databases = createDatabaseTasks(deps)
  const land = createLand(deps, databases)
  const clear = createClear(deps)

  return {
    async discover(command, context) {
      const pipeline = await loadPipeline(lake, command.pipeline, { signal: context.signal })
      return await databases.discover(command, pipeline, context)
    },

    async ingest(command, context) {
      const pipeline = await loadPipeline(lake, command.pipeline, { signal: context.signal })
      const outcome = await landOnce({ lake, clock, log }, command, context, () => land(command, pipeline, context))
      if (databaseOf(pipeline, command) !== undefined) await databases.clear(command, context)
      const { quality = [] } = outcome
      return { ...outcome, quality: [...quality, ...(await clear(command, pipeline, context))] }
    },
  }
}

function createLand({ lake, fill, clock, log }: IngestFilesDeps, databases: DatabaseTasks) {
  const ingestFileDrop = createIngestFileDrop({ lake, fill, clock, log })

  return async (command: Ingest, pipeline: CheckedPipeline, context: TaskContext): Promise<Landed> => {
    const files = filesPlaceOf(pipeline, command)
    if (files !== undefined) return await ingestFileDrop(command, files, context)
    const source = databaseOf(pipeline, command)
    if (source !== undefined) return await databases.ingest(command, { source, pipeline }, context)
    throw new CommandUnknownError(command, `${command.source}/${command.dataset}`)
  }
}

/** Moves files away that have landed: also those of an attempt that died before it could. */
function createClear({ lake, fill, log }: IngestFilesDeps) {
  const clearLanded = createClearLanded({ fill, log })
  return async (command: Ingest, pipeline: CheckedPipeline, { signal }: TaskContext): Promise<QualityResult[]> => {
    const place = filesPlaceOf(pipeline, command)
    if (place === undefined || (place.dataset.afterLanding ?? 'leave') === 'leave') return []
    const manifest = await readManifest(lake, manifestOf(command), { signal })
    if (manifest === undefined) return []
    const failed = await clearLanded(command, place, manifest, signal)
    if (failed.length === 0) return []
    const detail = `landed, and could not be moved away or deleted: ${failed.slice(0, 5).join(', ')}; give the agent the right to`
    return [
      { rule: 'file_not_cleared', severity: 'warn', checked: manifest.files.length, failed: failed.length, detail },
    ]
  }
}

function filesPlaceOf(pipeline: CheckedPipeline, command: Ingest): FilesPlace | undefined {
  const source = pipeline.sources.find(({ name }) => name === command.source)
  if (source?.type !== 'files') return undefined
  const dataset = source.datasets.find(({ name }) => name === command.dataset)
  return dataset && { source, dataset, calendar: pipeline.schedule }
}

function databaseOf(pipeline: CheckedPipeline, command: Ingest): DatabaseSource | undefined {
  const source = pipeline.sources.find(({ name }) => name === command.source)
  return source?.type === 'database' ? source : undefined
}
