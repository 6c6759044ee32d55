export type {
  AuditOptions,
  EngineColumn,
  EngineLimits,
  EngineRow,
  EngineValue,
  QueryOptions,
  SqlEngine,
  SqlRefusal,
  SqlSession,
} from './engine.ts'
export {
  REJECT_COLUMNS,
  type ModelColumn,
  type ModelResult,
  type ModelRun,
  type ModelRunner,
  type PinnedTable,
  type RunnableModel,
  type StagedFile,
  type StagedTable,
  type StagingTable,
} from './model-runner.ts'
export { engineEnv, engineSettings, modelRunnerEnv } from './engine-settings.ts'
export { engineErrors, SqlFailedError, SqlInvalidError } from './errors.ts'
export { refuseForeignSql } from './errors.ts'
export { complaintOf, objectionsToQuery } from './duckdb/sql-audit.ts'
export { wholeText } from './whole-text.ts'
