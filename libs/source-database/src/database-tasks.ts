import { reasonOf, type Clock, type Log } from '@cinelake/core'
import type { TaskContext, TaskOutcome } from '@cinelake/bus'
import type { Discover, Ingest } from '@cinelake/contracts'
import type { SqlEngine } from '@cinelake/engine'
import { landOnce, type Lake } from '@cinelake/lake'
import { sourceErrors, type SourceInPipeline, type SourceTasks } from '@cinelake/source-kind'
import type { DatabaseSource } from './config/index.ts'
import type { Fill } from '@cinelake/secrets'
import type { AzureCredential } from '@cinelake/database'
import { discoverTables, findMissedTables } from './discover-tables.ts'
import { HeldSnapshots } from './shared-snapshot.ts'
import { createIngestTable } from './copy/ingest-table.ts'
import { clearLandingState } from './copy/land-ranges.ts'
import { ConnectionSemaphore } from './with-database.ts'

export type DatabaseTasksDeps = {
  readonly lake: Lake
  readonly engine: SqlEngine
  readonly fill: Fill
  readonly clock: Clock
  readonly log: Log
  readonly credential?: AzureCredential | undefined
  /** Closes resources that outlive a task: snapshots that are held for the tables of a run. */
  readonly stopping?: AbortSignal | undefined
  /** Milliseconds between two checks whether a held snapshot is still needed. */
  readonly lookEveryMs?: number | undefined
}

export interface DatabaseTasks extends SourceTasks<DatabaseSource, TaskContext, TaskOutcome> {
  discover(command: Discover, place: SourceInPipeline<DatabaseSource>, context: TaskContext): Promise<TaskOutcome>
}

export function createDatabaseTasks(deps: DatabaseTasksDeps): DatabaseTasks {
  const { lake, engine, fill, clock, log, credential } = deps
  const connections = new ConnectionSemaphore()
  const held = new HeldSnapshots(deps)
  const ingestTable = createIngestTable({ lake, engine, fill, connections, credential })

  /** Removes the intermediate state of a task that has landed. Never fails: state that is left behind is never read again. */
  const clear = async (command: Ingest, { signal }: TaskContext): Promise<void> => {
    try {
      await clearLandingState(lake, command, { signal })
    } catch (error) {
      const reason = reasonOf(error)
      log.warn({ task: command.task, reason }, 'what was kept while landing could not be taken away')
    }
  }

  return {
    async discover(command, { source }, { signal }) {
      const tables =
        source.snapshot === undefined
          ? await discoverTables(source, { fill, connections, credential, signal })
          : await held.hold(command, source, { signal })
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
    async ingest(command, { pipeline, source }, context) {
      const dataset = source.datasets.find(({ name }) => name === command.dataset)
      const table = dataset?.table ?? command.table
      if (table === undefined) throw sourceErrors.INGEST_COMMAND_UNKNOWN(command, 'a table of a database')
      const outcome = await landOnce({ lake, clock, log }, command, context, () =>
        ingestTable(command, { pipeline, source, table, dataset }, context),
      )
      await clear(command, context)
      return outcome
    },
  }
}
