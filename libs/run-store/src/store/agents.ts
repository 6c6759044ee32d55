import type { AgentHeartbeat } from '@cinelake/contracts'
import type { Kysely } from 'kysely'
import { isUniqueViolation } from '../schema/errors.ts'
import { OPS, type OpsSchema, type RunDatabase } from '../schema/tables.ts'

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
