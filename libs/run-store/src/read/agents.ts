import { AgentHeartbeat } from '@cinelake/contracts'
import { z } from 'zod'
import { OPS, type RunDatabase } from '../schema/tables.ts'

const said = { site: true, node: true, version: true, freeDiskBytes: true, runningTasks: true, state: true } as const

/** The latest that was heard of one node of a site. Instants are ISO 8601 UTC. */
export const AgentRecord = AgentHeartbeat.pick(said).extend({
  heardAt: z.iso.datetime().describe("By the scheduler's clock."),
  clockAheadMs: z
    .number()
    .describe("How far its clock is ahead of the scheduler's; below 0 behind, or as long as the message took."),
})
export type AgentRecord = z.infer<typeof AgentRecord>

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
