import { z } from 'zod'

/** The contract's version on every message. A consumer refuses (dead-letters) what it does not know. */
export const CONTRACT_VERSION = 1

const instant = z.iso.datetime()

export const WindowSchema = z.object({ start: instant, end: instant, label: z.string().min(1) })

/** Which checked pipeline text a run uses: `pipelines/<name>/<digest>.json` in the lake. Pinned for the whole run. */
export const PipelineRef = z.object({ name: z.string().min(1), digest: z.string().regex(/^[0-9a-f]{64}$/) })
export type PipelineRef = z.infer<typeof PipelineRef>

/** What every command and every event says about the task that it is about. */
export const taskHeader = {
  /** Not `version`: that is what a command says about the table that it names. */
  contract: z.literal(CONTRACT_VERSION),
  /** Unique for every message: the broker's lock renewal is keyed by it. */
  id: z.uuid(),
  /** `<pipeline>@<window label>` */
  run: z.string().min(1),
  /** `ingest crm/users`, `refine users`, `build top_titles`, `load top_titles` */
  task: z.string().min(1),
  /** Raised when a finished window is deliberately run again; the idempotency key of all writes is run + task + generation. */
  generation: z.int().min(1),
  /** The how-manieth try; only for people to read. Never part of an idempotency key. */
  attempt: z.int().min(1),
  /** W3C trace context. */
  traceparent: z.string().optional(),
}
