export type { AgentRecord } from './agents.ts'
export type { RunChange } from './process/dispatch-effects.ts'
export type { TaskTimeouts } from './decide/decision.ts'
export type { KnownTable, PipelineTable } from './known-tables.ts'
export { OPS, type OpsSchema } from './ops-schema.ts'
export { OpsDeployedError, OpsOwnerUnknownError, type Owner } from './ops-owner.ts'
export { PipelineOriginError } from './pipeline-origins.ts'
export type { RedoAsked, RedoPlan, RedoTask, RedoWindow } from './redo/redo-plan.ts'
export { openRedoPlanner } from './redo/request-redo.ts'
export type { BackfillOptions, Requested } from './request-run.ts'
export { openRunHistory, OpsUnreadableError, type RunHistory } from './run-history.ts'
export type { RunRecord, RunsOptions, RunSummary, TaskRecord } from './run-records.ts'
export { RUN_STATES, TASK_STATES, type RunState, type TaskState } from './run-state.ts'
export { createScheduler, type Scheduler, type SchedulerDeps } from './scheduler.ts'
export { OpsMigrationError } from './ops-errors.ts'
export { MAX_WINDOWS, runnableWindows } from './schedule/runnable-windows.ts'
export {
  PipelineUnknownError,
  RedoRefusedError,
  RunMissingError,
  RunUnderWayError,
  WindowUnknownError,
} from './errors.ts'
export { queueEnv, queueSettings, type QueueSettings } from './timers/settings.ts'
export { OpsMissingError, OpsSchemaNewError, OpsSchemaOldError, type Migrate } from './schema-version.ts'
export type { Timer, TimerHandler, TimerKind, TimerOf, Timers } from './timers/timers.ts'
