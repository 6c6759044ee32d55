import { z } from 'zod'
import { CONTRACT_VERSION, taskHeader } from './header.ts'
import { FailureFacts, SuccessFacts } from './task-facts.ts'

const eventHeader = { ...taskHeader, at: z.iso.datetime(), worker: z.string().min(1) }
const count = z.int().min(0)

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

/** The work is durable. */
export const TaskSucceeded = z.object({ kind: z.literal('task.succeeded'), ...eventHeader, ...SuccessFacts.shape })
export type TaskSucceeded = z.infer<typeof TaskSucceeded>

/** Its facts are from the worker, hence with a duration. */
export const TaskFailed = z.object({
  kind: z.literal('task.failed'),
  ...eventHeader,
  ...FailureFacts.required({ durationMs: true }).shape,
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
