import { z } from 'zod'
import { TableName } from './commands.ts'
import { CONTRACT_VERSION, taskHeader } from './header.ts'

const eventHeader = { ...taskHeader, at: z.iso.datetime(), worker: z.string().min(1) }
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

export const TaskStarted = z.object({ kind: z.literal('task.started'), ...eventHeader })
export type TaskStarted = z.infer<typeof TaskStarted>

/** A sign of life with what was done so far. May be lost: nothing depends on it. */
export const TaskProgressed = z.object({
  kind: z.literal('task.progressed'),
  ...eventHeader,
  rowCount: count.optional(),
  sizeBytes: count.optional(),
})
export type TaskProgressed = z.infer<typeof TaskProgressed>

export const TaskSucceeded = z.object({
  kind: z.literal('task.succeeded'),
  ...eventHeader,
  durationMs: z.number().min(0),
  balance: BalanceSchema,
  /** Rejected rows by rule. */
  rejects: z.record(z.string(), count),
  quality: z.array(QualityResult),
  output: TaskOutput,
})
export type TaskSucceeded = z.infer<typeof TaskSucceeded>

export const TaskFailed = z.object({
  kind: z.literal('task.failed'),
  ...eventHeader,
  durationMs: z.number().min(0),
  error: z.object({
    code: z.string(),
    message: z.string(),
    retryable: z.boolean(),
    context: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
  }),
  quality: z.array(QualityResult),
})
export type TaskFailed = z.infer<typeof TaskFailed>

/** What a worker says about a task. */
export const TaskEvent = z.discriminatedUnion('kind', [TaskStarted, TaskProgressed, TaskSucceeded, TaskFailed])
export type TaskEvent = z.infer<typeof TaskEvent>

/**
 * A sign of life of an on-prem agent: about no task. May be lost, and may come late or twice: of each node the one with
 * the latest `at` counts.
 */
export const AgentHeartbeat = z.object({
  kind: z.literal('agent.heartbeat'),
  contract: z.literal(CONTRACT_VERSION),
  id: z.uuid(),
  /** By the agent's own clock: against the time at which it is heard, this shows a clock that is wrong. */
  at: z.iso.datetime(),
  worker: z.string().min(1),
  /** Empty for an agent of sources without a site. */
  site: z.string().max(63),
  /** The machine's name, or the one that it was given: one node of a site. */
  node: z.string().min(1).max(200),
  version: z.string().min(1).max(100),
  /** Bytes that are free where the agent writes. */
  freeDiskBytes: count,
  runningTasks: count,
  /** `outside-hours`: it takes no new work now. */
  state: z.enum(['working', 'outside-hours']),
})
export type AgentHeartbeat = z.infer<typeof AgentHeartbeat>

export const Event = z.discriminatedUnion('kind', [...TaskEvent.options, AgentHeartbeat])
export type Event = z.infer<typeof Event>
