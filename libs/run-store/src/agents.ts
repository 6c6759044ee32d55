import { AgentHeartbeat } from '@cinelake/contracts'
import type { Kysely } from 'kysely'
import { isUniqueViolation } from './errors.ts'
import { OPS, type OpsSchema, type RunDatabase } from './schema/tables.ts'
import { z } from 'zod'

/** Which on-prem agents there are, by what they last said of themselves. */
export type Agents = {
  /** Of heartbeats that come late or twice the latest of a node stays. */
  note(heartbeat: AgentHeartbeat, heardAt: Date): Promise<void>
}

export function createAgents(database: RunDatabase): Agents {
  const db = database.db.withSchema(OPS)
  return {
    async note(heartbeat, heardAt) {
      const { site, node, version, freeDiskBytes, runningTasks, state } = heartbeat
      const row = {
        version,
        free_disk_bytes: freeDiskBytes,
        running_tasks: runningTasks,
        state,
        said_at: new Date(heartbeat.at),
        heard_at: heardAt,
      }
      if (await isKnown(db, { site, node })) return await renew(db, { site, node, row })
      try {
        await db
          .insertInto('agents')
          .values({ site, node, ...row })
          .execute()
      } catch (error) {
        // Another replica heard of it at the same time.
        if (!isUniqueViolation(error)) throw error
        await renew(db, { site, node, row })
      }
    },
  }
}

type Node = { readonly site: string; readonly node: string }

async function isKnown(db: Kysely<OpsSchema>, { site, node }: Node): Promise<boolean> {
  const found = await db
    .selectFrom('agents')
    .select('node')
    .where('site', '=', site)
    .where('node', '=', node)
    .executeTakeFirst()
  return found !== undefined
}

async function renew(
  db: Kysely<OpsSchema>,
  {
    site,
    node,
    row,
  }: Node & {
    readonly row: Omit<OpsSchema['agents'], 'site' | 'node' | 'free_disk_bytes'> & { free_disk_bytes: number }
  },
): Promise<void> {
  await db
    .updateTable('agents')
    .set(row)
    .where('site', '=', site)
    .where('node', '=', node)
    .where('said_at', '<=', row.said_at)
    .execute()
}

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
