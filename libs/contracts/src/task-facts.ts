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

/** The result of one quality rule: `rejected` and `kept` count what became of the rows that broke it. */
export const QualityResult = z.object({
  rule: z.string(),
  severity: z.enum(['warn', 'error', 'fail']),
  /** Rows checked, or 1 for a rule about the whole table. */
  checked: count,
  failed: count,
  /** The rule's condition and the finding, as a sentence without row contents. */
  detail: z.string().optional(),
})
export type QualityResult = z.infer<typeof QualityResult>

/** A table that a discovery found. */
export const DiscoveredTable = TableName.extend({
  /** Its name in the lake, if it is copied without a dataset; absent in events of workers of the previous version. */
  refined: z.string().min(1).optional(),
})
export type DiscoveredTable = z.infer<typeof DiscoveredTable>

/** The output of a task, by kind of task. */
export const TaskOutput = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('tables'), tables: z.array(DiscoveredTable) }),
  z.object({
    kind: z.literal('landed'),
    /** Lake path of the manifest. */
    manifest: z.string(),
    fileCount: count,
    sizeBytes: count,
    /** Absent (unknown) for files that are landed as received. */
    rowCount: count.optional(),
  }),
  z.object({
    kind: z.literal('table'),
    table: z.string(),
    /** The Delta version that now holds the result. */
    version: count,
    /** Delta's table id; absent in events of workers of the previous version. */
    id: z.string().min(1).optional(),
    /** Whether the task created the table again (`restart`): earlier knowledge of it is void. */
    began: z.boolean().optional(),
    /** The table of its rejected rows, if it exists. */
    rejects: z.object({ version: count, id: z.string().min(1), began: z.boolean().optional() }).optional(),
    /**
     * `unchanged`: the existing version was made from the same inputs; `superseded`: the table holds a later window.
     */
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
  z.object({
    kind: z.literal('delivered'),
    delivery: z.string(),
    /** Address of the manifest at the place of the files, without credentials. */
    manifest: z.string(),
    fileCount: count,
    /** Of all its files, written now or before. */
    sizeBytes: count,
    /** `superseded`: the files are of a later window or version. */
    outcome: z.enum(['delivered', 'already-delivered', 'superseded']),
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
 * The facts of a finished attempt. Defined only here and passed on as a whole: a worker reports it, the scheduler
 * stores it as one JSON column of the run history, and readers show it.
 *
 * To add a fact, write it below, optional: workers and histories of earlier versions do not have it. Then set it where
 * it is known: in a use case's outcome, or in the task reporter for every task. A number whose `meta` has a `title` and
 * a `unit` (`ms`, `bytes`, `count`) is a column of `cinelake status RUN`.
 */
export const TaskFacts = z.object({
  /** Absent where no worker reported on the attempt. */
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

/** Of a successful attempt. */
export const SuccessFacts = TaskFacts.omit({ error: true }).required({
  durationMs: true,
  balance: true,
  rejects: true,
  quality: true,
  output: true,
})
export type SuccessFacts = z.infer<typeof SuccessFacts>

/** Of a failed attempt. */
export const FailureFacts = TaskFacts.omit({ balance: true, rejects: true, output: true }).required({
  quality: true,
  error: true,
})
export type FailureFacts = z.infer<typeof FailureFacts>
