import { z } from 'zod'
import { template } from './template.ts'

/** What is done on a status of an answer. `ignore`: as if the answer had no records. */
export const StatusAction = z.enum(['retry', 'ignore', 'fail', 'refresh'])
export type StatusAction = z.infer<typeof StatusAction>

/** By status (`404`) or group of statuses (`5xx`). */
export const StatusActions = z.record(z.string(), StatusAction)
export type StatusActions = z.infer<typeof StatusActions>

/** How politely, how long and how trustingly a source is asked. */
export const sourceLimits = {
  /** All of them hold, over all datasets of the source within one process. */
  limits: z.array(z.object({ requests: z.int().positive(), periodMs: z.int().positive() })).optional(),
  /** Requests at once, likewise. */
  concurrency: z.int().positive().optional(),
  /** Retries of all requests of one task together. */
  retryBudget: z.int().min(0).optional(),
  statuses: StatusActions.optional(),
  connectTimeoutMs: z.int().positive().optional(),
  headersTimeoutMs: z.int().positive().optional(),
  bodyTimeoutMs: z.int().positive().optional(),
  maxResponseBytes: z.int().positive().optional(),
  /** Hosts whose addresses may be private: names, or addresses as they stand in a URL. */
  allowPrivate: z.array(z.string()).optional(),
  /** Certificates trusted besides those of the machine. */
  tls: z.object({ ca: template.optional(), caFile: template.optional() }).optional(),
}

/** What one dataset says instead. */
export const datasetLimits = { statuses: StatusActions.optional(), maxResponseBytes: z.int().positive().optional() }
