import { sha256 } from '@cinelake/core'
import { Schedule } from '@cinelake/source-kind'
import { z } from 'zod'
import { CheckedDataset } from './dataset.ts'
import { CheckedModel, ServedTable } from './model.ts'
import { CheckedSource } from '../source-kinds.ts'

export const RetryPolicy = z.object({
  /** Attempts of one task, including the first. */
  maxAttempts: z.int().min(1),
  /** Wait before the second attempt; doubled for each further one. */
  backoffMs: z.int().min(0),
  maxBackoffMs: z.int().min(0),
})
export type RetryPolicy = z.infer<typeof RetryPolicy>

/**
 * A pipeline folder, parsed and checked as a whole: everything that services need of it, with all references resolved.
 * The scheduler puts it in the lake under its digest, and every command of a run names it there.
 */
export const CheckedPipeline = z.object({
  format: z.literal(1),
  name: z.string(),
  description: z.string().optional(),
  /** The schema of its tables in the mart. Absent: `defaultSchema`, or `mart` if it already has tables there. */
  schema: z.string().optional(),
  schedule: Schedule,
  retry: RetryPolicy,
  sources: z.array(CheckedSource),
  datasets: z.array(CheckedDataset),
  /** Tables of other pipelines that models read, as `pipeline.table`. */
  uses: z.array(z.string()).optional(),
  /** In dependency order. */
  models: z.array(CheckedModel),
  serve: z.array(ServedTable),
})
export type CheckedPipeline = z.infer<typeof CheckedPipeline>

/** The text under which a pipeline is kept in the lake, and its digest. The same folder always gives the same digest. */
export function freezePipeline(pipeline: CheckedPipeline): {
  readonly text: string
  readonly digest: string
  readonly path: string
} {
  const text = JSON.stringify(pipeline)
  const digest = sha256(text)
  return { text, digest, path: frozenPipelinePath(pipeline.name, digest) }
}

/** Lake path of a frozen pipeline. */
export function frozenPipelinePath(name: string, digest: string): string {
  return `pipelines/${name}/${digest}.json`
}
