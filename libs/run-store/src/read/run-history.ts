import { PipelineError } from '@cinelake/core'
import { OPS, type RunDatabase } from '../schema/tables.ts'
import { requireReadable } from '../schema/version.ts'
import { listAgents, type AgentRecord } from '../agents.ts'
import { historyErrors } from '../errors.ts'
import { readAllKnown, type PipelineTable } from './known-tables.ts'
import { createRunRecords, type RunRecord, type RunsOptions, type RunSummary } from './run-records.ts'

/** Runs shown when no number is given. */
export const RUN_LIMIT = 50

/** The run history for those who only look. */
export type RunHistory = {
  run(runId: string): Promise<RunRecord | undefined>
  /** The newest windows first. */
  runs(options?: RunsOptions): Promise<readonly RunSummary[]>
  /** Names of the pipelines that have runs. */
  pipelines(): Promise<readonly string[]>
  /** The on-prem agents that were heard of, by site and node. */
  agents(): Promise<readonly AgentRecord[]>
}

/** The run history where its database is at hand. */
export type DatabaseRunHistory = RunHistory & {
  /** The newest version that is known of the tables of all pipelines, by pipeline and name. */
  knownTables(): Promise<readonly PipelineTable[]>
}

/**
 * The run history as it is in a database: nothing is migrated, sent, taken or swept, so it can be looked at while a
 * scheduler works on it.
 * @throws {OPS_MISSING} terminal @throws {OPS_SCHEMA_OLD} terminal @throws {OPS_SCHEMA_NEW} terminal
 * @throws {OPS_NOT_READABLE} terminal, now or from any of its functions
 */
export async function openRunHistory(database: RunDatabase): Promise<DatabaseRunHistory> {
  const looking = async <Result>(look: () => Promise<Result>): Promise<Result> => {
    try {
      return await look()
    } catch (error) {
      if (error instanceof PipelineError) throw error
      throw historyErrors.OPS_NOT_READABLE(database.location, { cause: error })
    }
  }
  await looking(async () => await requireReadable(database))
  const records = createRunRecords(database)
  return {
    run: async (runId) => await looking(async () => await records.run(runId)),
    runs: async (options) => await looking(async () => await records.runs({ limit: RUN_LIMIT, ...options })),
    pipelines: async () => await looking(async () => await records.pipelines()),
    agents: async () => await looking(async () => await listAgents(database)),
    knownTables: async () => await looking(async () => await readAllKnown(database.db.withSchema(OPS))),
  }
}
