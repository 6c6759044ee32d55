import { busEnv, busSettings } from '@cinelake/bus'
import { engineEnv, engineSettings } from '@cinelake/engine'
import { lakeEnv, lakeSettings } from '@cinelake/lake'
import { secretsEnv, secretsSettings } from '@cinelake/secrets'
import { hostname } from 'node:os'
import { z } from 'zod'
import { type OperatingHours, readOperatingHours } from './agent/work-in-hours.ts'

const MIB = 1024 * 1024

/**
 * MiB a second. The blocks in flight of one agent, 48 MiB with eight files at a time, must be sent within the ten
 * minutes that the lake client waits for one.
 */
const SLOWEST_LINE = 0.25

/** The agent's settings, as read from the environment. The scheme of an address selects the adapter. */
export const IngestFilesEnv = z
  .object({
    ...busEnv,
    ...engineEnv(512),
    ...secretsEnv,
    ...lakeEnv,
    /** The agent's site; the nodes of a site share its queue. By default the queue of sources without a site. */
    CINELAKE_SITE: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]*$/, 'expected lower-case letters, digits and `-`')
      .optional(),
    /** Files sources, tables and listings processed at once. */
    CINELAKE_INGEST_FILES_CONCURRENCY: z.coerce.number().int().min(1).default(4),
    /** Name of this node, unique within its site. */
    CINELAKE_AGENT_NODE: z.string().max(200).default(hostname()),
    /** Upload limit of this node in MiB a second, over all its tasks. Default: no limit. */
    CINELAKE_AGENT_MIB_PER_SECOND: z.coerce.number().min(SLOWEST_LINE).optional(),
    /** Times of the day in which work is taken: `22:00-06:00`, several separated by commas. Default: always. */
    CINELAKE_AGENT_HOURS: z.string().optional(),
    /** The time zone of these times; default: the machine's own. */
    CINELAKE_AGENT_TIME_ZONE: z.string().default(() => Intl.DateTimeFormat().resolvedOptions().timeZone),
    /** Seconds between two heartbeats. */
    CINELAKE_AGENT_HEARTBEAT_SECONDS: z.coerce.number().int().min(1).max(3600).default(60),
  })
  .transform((env, context) => ({
    bus: busSettings(env),
    lake: lakeSettings(env),
    secrets: secretsSettings(env),
    queue: env.CINELAKE_SITE === undefined ? ('ingest-files' as const) : (`ingest-files.${env.CINELAKE_SITE}` as const),
    engine: engineSettings(env),
    concurrency: env.CINELAKE_INGEST_FILES_CONCURRENCY,
    site: env.CINELAKE_SITE ?? '',
    node: env.CINELAKE_AGENT_NODE,
    bytesPerSecond:
      env.CINELAKE_AGENT_MIB_PER_SECOND === undefined ? undefined : env.CINELAKE_AGENT_MIB_PER_SECOND * MIB,
    hours: hoursOf(env, (message) =>
      context.issues.push({ code: 'custom', path: ['CINELAKE_AGENT_HOURS'], message, input: env.CINELAKE_AGENT_HOURS }),
    ),
    heartbeatMs: env.CINELAKE_AGENT_HEARTBEAT_SECONDS * 1000,
  }))
export type IngestFilesConfig = z.output<typeof IngestFilesEnv>

function hoursOf(
  env: { readonly CINELAKE_AGENT_HOURS?: string | undefined; readonly CINELAKE_AGENT_TIME_ZONE: string },
  complain: (problem: string) => void,
): OperatingHours | undefined {
  if (env.CINELAKE_AGENT_HOURS === undefined) return undefined
  const hours = readOperatingHours(env.CINELAKE_AGENT_HOURS, env.CINELAKE_AGENT_TIME_ZONE)
  if (!('problem' in hours)) return hours
  complain(hours.problem)
  return undefined
}
