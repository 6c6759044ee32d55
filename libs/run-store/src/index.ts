export { AgentRecord, listAgents } from './agents.ts'
export { historyErrors } from './errors.ts'
export { knownTables, rejectsOf, tableWrittenBy, type KnownTable, type PipelineTable } from './read/known-tables.ts'
export { openRunHistory, RUN_LIMIT, type RunHistory } from './read/run-history.ts'
export { createRunReader, type RunReader, type Stored } from './read/run-reader.ts'
export {
  createRunRecords,
  RunRecord,
  RunSummary,
  shownFacts,
  TaskRecord,
  type RunsOptions,
  type ShownFacts,
} from './read/run-records.ts'
export {
  isRedone,
  isRunFinished,
  isTaskFinished,
  isUnsent,
  RUN_STATES,
  TASK_STATES,
  type Redo,
  type Run,
  type RunState,
  type RunUpdate,
  type Task,
  type TaskState,
  type Try,
  type TryRecord,
} from './run.ts'
export { MAX_TASK_NAME } from './schema/column-types.ts'
export { OPS, type OpsSchema, type RunDatabase } from './schema/tables.ts'
export { requireReadable, schemaErrors } from './schema/version.ts'
