import type { AgentHeartbeat } from '@cinelake/contracts'
import { OPS, type RunDatabase } from '../schema/tables.ts'

/** The latest that was heard of one node of a site. Instants are ISO 8601 UTC. */
export type AgentRecord = Pick<
  AgentHeartbeat,
  'site' | 'node' | 'version' | 'freeDiskBytes' | 'runningTasks' | 'state'
> & {
  /** When it was heard, by the scheduler's clock. */
  readonly heardAt: string
  /** Milliseconds that the agent's clock is ahead of the scheduler's; below 0 behind, or as long as the message took. */
  readonly clockAheadMs: number
}

/** The on-prem agents that were heard of, by site and node. */
export async function listAgents(database: RunDatabase): Promise<AgentRecord[]> {
  const db = database.db.withSchema(OPS)
  const rows = await db.selectFrom('agents').selectAll().orderBy('site').orderBy('node').execute()
  return rows.map((row) => ({
    site: row.site,
    node: row.node,
    version: row.version,
    freeDiskBytes: Number(row.free_disk_bytes),
    runningTasks: row.running_tasks,
    state: row.state,
    heardAt: row.heard_at.toISOString(),
    clockAheadMs: row.said_at.getTime() - row.heard_at.getTime(),
  }))
}
