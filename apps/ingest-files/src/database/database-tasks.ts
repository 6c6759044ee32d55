import { reasonOf } from '@cinelake/core'
import type { TaskContext, TaskOutcome } from '@cinelake/bus'
import type { Discover, Ingest } from '@cinelake/contracts'
import type { Log } from '@cinelake/core'
import type { SqlEngine } from '@cinelake/engine'
import type { Lake, Landed } from '@cinelake/lake'
import type { CheckedPipeline, DatabaseSource } from '@cinelake/pipeline'
import type { Fill } from '@cinelake/secrets'
import type { AzureCredential } from '@cinelake/database'
import { CommandUnknownError } from '../errors.ts'
import { ConnectionSlots } from './connection-slots.ts'
import { discoverTables } from './discover-tables.ts'
import { HeldSnapshots } from './held-snapshot.ts'
import { createIngestTable } from './ingest-table.ts'
import { clearLandingState } from './landing-state.ts'
import { findMissedTables } from './missed-tables.ts'

type Deps = {
  readonly lake: Lake
  readonly engine: SqlEngine
  readonly fill: Fill
  readonly log: Log
  readonly credential?: AzureCredential | undefined
  /** Ends what this agent holds for tasks of others. */
  readonly stopping?: AbortSignal | undefined
  /** Milliseconds between two looks whether it is still needed. */
  readonly lookEveryMs?: number | undefined
}

export interface DatabaseTasks {
  discover(command: Discover, pipeline: CheckedPipeline, context: TaskContext): Promise<TaskOutcome>
  ingest(command: Ingest, place: DatabasePlace, context: TaskContext): Promise<Landed>
  /** Takes away what a task that has landed kept while it was under way. Never fails: what stays is never read again. */
  clear(command: Ingest, context: TaskContext): Promise<void>
}

export type DatabasePlace = { readonly source: DatabaseSource; readonly pipeline: CheckedPipeline }

/** The work of the agent over databases: lists their tables, and copies them. */
export function createDatabaseTasks(deps: Deps): DatabaseTasks {
  const { lake, engine, fill, log, credential } = deps
  const slots = new ConnectionSlots()
  const held = new HeldSnapshots(deps)
  const ingestTable = createIngestTable({ lake, engine, fill, slots, credential })
  return {
    async discover(command, pipeline, { signal }) {
      const source = pipeline.sources.find(({ name }) => name === command.source)
      if (source?.type !== 'database') throw new CommandUnknownError(command, command.source)
      const tables =
        source.snapshot === undefined
          ? await discoverTables(source, { fill, slots, credential, signal })
          : await held.hold(command, pipeline, source, { signal })
      const quality = await findMissedTables(command, source, tables, { lake, signal })
      const count = tables.length
      log.info({ task: command.task, source: source.name, tableCount: count }, 'tables discovered')
      const gone = quality.filter(({ failed }) => failed > 0)
      for (const { detail } of gone) log.warn({ task: command.task, source: source.name, detail }, 'tables are gone')
      return {
        balance: { unit: 'rows', in: count, out: count, rejected: 0, duplicates: 0 },
        ...(quality.length === 0 ? {} : { quality }),
        output: { kind: 'tables', tables },
      }
    },
    async ingest(command, { source, pipeline }, context) {
      const dataset = source.datasets.find(({ name }) => name === command.dataset)
      const table = dataset?.table ?? command.table
      if (table === undefined) throw new CommandUnknownError(command, `${command.source}/${command.dataset}`)
      return await ingestTable(command, { pipeline, source, table, dataset }, context)
    },
    async clear(command, { signal }) {
      try {
        await clearLandingState(lake, command, { signal })
      } catch (error) {
        const reason = reasonOf(error)
        log.warn({ task: command.task, reason }, 'what was kept while landing could not be taken away')
      }
    },
  }
}
