import type { TaskContext, TaskHandlers } from '@cinelake/bus'
import type { Discover, Ingest } from '@cinelake/contracts'
import type { Clock, Log } from '@cinelake/core'
import type { SqlEngine } from '@cinelake/engine'
import { landOnce, type Lake, type Landed } from '@cinelake/lake'
import { loadPipeline, type CheckedPipeline, type DatabaseSource } from '@cinelake/pipeline'
import type { Fill } from '@cinelake/secrets'
import { discoverTables } from './database/discover-tables.ts'
import { createIngestTable } from './database/ingest-table.ts'
import { sinceOf } from './database/since-of.ts'
import { CommandUnknownError } from './errors.ts'
import { createIngestFileDrop } from './files/ingest-file-drop.ts'

export type IngestFilesDeps = {
  readonly lake: Lake
  readonly engine: SqlEngine
  /** Fills the placeholders of paths and addresses on this machine. */
  readonly fill: Fill
  readonly clock: Clock
  readonly log: Log
}

/** The work of the on-prem agent: lands files and tables in raw, and lists the tables of a database. */
export function createIngestFilesHandlers(deps: IngestFilesDeps): TaskHandlers {
  const { lake, fill, clock, log } = deps
  const land = createLand(deps)

  return {
    async discover(command, { signal }) {
      const source = databaseOf(await loadPipeline(lake, command.pipeline, { signal }), command)
      const tables = await discoverTables(source, { fill, signal })
      log.info({ task: command.task, source: source.name, tableCount: tables.length }, 'tables discovered')
      const count = tables.length
      return {
        balance: { unit: 'rows', in: count, out: count, rejected: 0, duplicates: 0 },
        output: { kind: 'tables', tables },
      }
    },

    ingest: (command, context) =>
      landOnce({ lake, clock, log }, command, context, async () =>
        land(command, await loadPipeline(lake, command.pipeline, { signal: context.signal }), context),
      ),
  }
}

function createLand({ lake, engine, fill, log }: IngestFilesDeps) {
  const ingestFileDrop = createIngestFileDrop({ lake, fill, log })
  const ingestTable = createIngestTable({ lake, engine, fill })

  return async (command: Ingest, pipeline: CheckedPipeline, context: TaskContext): Promise<Landed> => {
    const { timeZone } = pipeline.schedule
    const source = pipeline.sources.find(({ name }) => name === command.source)
    if (source?.type === 'files') {
      const dataset = source.datasets.find(({ name }) => name === command.dataset)
      if (dataset !== undefined) return await ingestFileDrop(command, { source, dataset, timeZone }, context)
    }
    if (source?.type === 'database') {
      const dataset = source.datasets.find(({ name }) => name === command.dataset)
      const table = dataset?.table ?? command.table
      if (table !== undefined)
        return await ingestTable(
          { ...command, since: sinceOf(pipeline, command) },
          { source, table, incremental: dataset?.incremental, timeZone },
          context,
        )
    }
    throw new CommandUnknownError(command, `${command.source}/${command.dataset}`)
  }
}

function databaseOf(pipeline: CheckedPipeline, command: Discover): DatabaseSource {
  const source = pipeline.sources.find(({ name }) => name === command.source)
  if (source?.type !== 'database') throw new CommandUnknownError(command, command.source)
  return source
}
