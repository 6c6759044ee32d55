import { z } from 'zod'
import { CONTRACT_VERSION, taskHeader } from './commands.ts'
import { FailureFacts, SuccessFacts } from './task-facts.ts'

const eventHeader = { ...taskHeader, at: z.iso.datetime(), worker: z.string().min(1) }
const count = z.int().min(0)

export const TaskStarted = z.object({ kind: z.literal('task.started'), ...eventHeader })
export type TaskStarted = z.infer<typeof TaskStarted>

/** A heartbeat with the progress so far. May be lost: nothing depends on it. */
export const TaskProgressed = z.object({
  kind: z.literal('task.progressed'),
  ...eventHeader,
  rowCount: count.optional(),
  sizeBytes: count.optional(),
})
export type TaskProgressed = z.infer<typeof TaskProgressed>

/** The work is durable. */
export const TaskSucceeded = z.object({ kind: z.literal('task.succeeded'), ...eventHeader, ...SuccessFacts.shape })
export type TaskSucceeded = z.infer<typeof TaskSucceeded>

/** The worker provides its facts, so it has a duration. */
export const TaskFailed = z.object({
  kind: z.literal('task.failed'),
  ...eventHeader,
  ...FailureFacts.required({ durationMs: true }).shape,
})
export type TaskFailed = z.infer<typeof TaskFailed>

/** A worker's message about a task. */
export const TaskEvent = z.discriminatedUnion('kind', [TaskStarted, TaskProgressed, TaskSucceeded, TaskFailed])
export type TaskEvent = z.infer<typeof TaskEvent>

/**
 * A heartbeat of an on-prem agent, about no task. May be lost, late or duplicated: for each node the one with the
 * latest `at` counts.
 */
export const AgentHeartbeat = z.object({
  kind: z.literal('agent.heartbeat'),
  contract: z.literal(CONTRACT_VERSION),
  id: z.uuid(),
  /** By the agent's own clock: compared with the time of receipt, this shows clock skew. */
  at: z.iso.datetime(),
  worker: z.string().min(1),
  /** Empty for an agent of sources without a site. */
  site: z.string().max(63),
  /** The machine's name, or the configured name: one node of a site. */
  node: z.string().min(1).max(200),
  version: z.string().min(1).max(100),
  /** Free bytes on the disk that the agent writes to. */
  freeDiskBytes: count,
  runningTasks: count,
  /** `outside-hours`: it takes no new work now. */
  state: z.enum(['working', 'outside-hours']),
})
export type AgentHeartbeat = z.infer<typeof AgentHeartbeat>

export const Event = z.discriminatedUnion('kind', [...TaskEvent.options, AgentHeartbeat])
export type Event = z.infer<typeof Event>
