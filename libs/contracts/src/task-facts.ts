import { z } from 'zod'
import { TableName } from './commands.ts'

const count = z.int().min(0)

export const BalanceSchema = z.object({
  unit: z.enum(['rows', 'files']),
  in: count,
  out: count,
  rejected: count,
  duplicates: count,
})

/** What one quality rule found: `rejected` and `kept` say what became of the rows that broke it. */
export const QualityResult = z.object({
  rule: z.string(),
  severity: z.enum(['warn', 'error', 'fail']),
  /** Rows checked, or 1 for a rule about the whole table. */
  checked: count,
  failed: count,
  /** What the rule asks and what was found, in words: no row contents. */
  detail: z.string().optional(),
})
export type QualityResult = z.infer<typeof QualityResult>

/** What a task made, by kind of task. */
export const TaskOutput = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('tables'), tables: z.array(TableName) }),
  z.object({
    kind: z.literal('landed'),
    /** Lake path of the manifest. */
    manifest: z.string(),
    fileCount: count,
    sizeBytes: count,
    /** Unknown (absent) for files that are landed as they are. */
    rowCount: count.optional(),
  }),
  z.object({
    kind: z.literal('table'),
    table: z.string(),
    /** The Delta version that now holds the result. */
    version: count,
    /** Delta's table id; absent in events of workers of the version before. */
    id: z.string().min(1).optional(),
    /** Whether the task began a new life of the table (`restart`): what was known of it before no longer counts. */
    began: z.boolean().optional(),
    /** The table of its rejected rows, where there is one. */
    rejects: z.object({ version: count, id: z.string().min(1), began: z.boolean().optional() }).optional(),
    /** `unchanged`: the inputs were those of the version that is there already; `superseded`: a later window is in the table. */
    outcome: z.enum(['committed', 'already-committed', 'unchanged', 'superseded']),
  }),
  z.object({
    kind: z.literal('loaded'),
    table: z.string(),
    version: count,
    id: z.string().min(1).optional(),
    outcome: z.enum(['replaced', 'changed', 'already-loaded']),
    /** Rows sent to the database: all of them, or only those that changed. */
    sentRowCount: count,
  }),
])
export type TaskOutput = z.infer<typeof TaskOutput>

const ErrorSchema = z.object({
  code: z.string(),
  message: z.string(),
  retryable: z.boolean(),
  context: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
})

/**
 * What is known of a try at a task that came to its end. It is spelled here alone and carried whole: a worker reports it,
 * the scheduler keeps it as one JSON column of the run history, and readers show it.
 *
 * To add a fact, write it below, optional: workers and histories of the versions before do not have it. Then let it be
 * said where it is known: by a use case in its outcome, or by the task reporter for every task. A number whose `meta`
 * has a `title` and a `unit` (`ms`, `bytes`, `count`) is a column of `cinelake status RUN`.
 */
export const TaskFacts = z.object({
  /** Absent where no worker reported on the try. */
  durationMs: z.number().min(0).optional().meta({ title: 'took', unit: 'ms' }),
  balance: BalanceSchema.optional(),
  /** Rejected rows by rule. */
  rejects: z.record(z.string(), count).readonly().optional(),
  quality: z.array(QualityResult).readonly().optional(),
  output: TaskOutput.optional(),
  error: ErrorSchema.optional(),
})
export type TaskFacts = z.infer<typeof TaskFacts>

/** A fact that is a number to be shown: `durationMs`, took, in milliseconds. */
export type Measure = {
  readonly fact: keyof TaskFacts
  readonly title: string
  readonly unit: 'ms' | 'bytes' | 'count'
}

export const MEASURES: readonly Measure[] = Object.entries(TaskFacts.shape).flatMap(([fact, schema]) => {
  const { title, unit } = schema.meta() ?? {}
  return title === undefined ? [] : [{ fact, title, unit } as Measure]
})

/** Of a try that did the task. */
export const SuccessFacts = TaskFacts.omit({ error: true }).required({
  durationMs: true,
  balance: true,
  rejects: true,
  quality: true,
  output: true,
})
export type SuccessFacts = z.infer<typeof SuccessFacts>

/** Of a try that failed. */
export const FailureFacts = TaskFacts.omit({ balance: true, rejects: true, output: true }).required({
  quality: true,
  error: true,
})
export type FailureFacts = z.infer<typeof FailureFacts>
