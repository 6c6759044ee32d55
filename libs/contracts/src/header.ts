import { z } from 'zod'

/** The contract's version on every message. A consumer dead-letters versions that it does not know. */
export const CONTRACT_VERSION = 1

const instant = z.iso.datetime()

export const WindowSchema = z.object({ start: instant, end: instant, label: z.string().min(1) })

/** Which checked pipeline text a run uses: `pipelines/<name>/<digest>.json` in the lake. Pinned for the whole run. */
export const PipelineRef = z.object({ name: z.string().min(1), digest: z.string().regex(/^[0-9a-f]{64}$/) })
export type PipelineRef = z.infer<typeof PipelineRef>

/** The header of every command and event: the task that it is about. */
export const taskHeader = {
  /** Not `version`: in a command, that is the version of a table. */
  contract: z.literal(CONTRACT_VERSION),
  /** Unique per message: the broker's lock renewal is keyed by it. */
  id: z.uuid(),
  /** `<pipeline>@<window label>` */
  run: z.string().min(1),
  /** `ingest crm/users`, `refine users`, `build top_titles`, `load top_titles` */
  task: z.string().min(1),
  /**
   * Incremented when a finished window is deliberately re-run; the idempotency key of all writes is run + task +
   * generation.
   */
  generation: z.int().min(1),
  /** The number of the attempt; only for display. Never part of an idempotency key. */
  attempt: z.int().min(1),
}
