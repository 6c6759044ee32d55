export {
  CheckedContract,
  CheckedDataset,
  CheckedModel,
  CheckedPipeline,
  Materialization,
  RetryPolicy,
  RowRule,
  ServedTable,
  Severity,
  TableRule,
  freezePipeline,
  frozenPipelinePath,
} from './checked-pipeline.ts'
export { CheckedColumn, ColumnReading, FileReading, RefineMode, Schedule } from '@cinelake/source-kind'
export {
  DatabaseDataset,
  DatabaseSource,
  isWanted,
  TableIncrement,
  TableSplit,
  TableVerification,
} from '@cinelake/source-database/config'
export { FilesDataset, FilesSource } from '@cinelake/source-files/config'
export { PushDataset, PushSource, PushTokens } from '@cinelake/source-push/config'
export {
  DriftPolicy,
  Flatten,
  RestAuth,
  RestCursor,
  RestDataset,
  RestEnd,
  RestPagination,
  RestSource,
  StatusAction,
  StatusActions,
} from '@cinelake/source-rest/config'
export { CheckedSource, SOURCE_KINDS } from './source-kinds.ts'
export { WINDOW_COLUMN, columnsOfTables } from './check/tables.ts'
export { columnReach, type ColumnReach } from './column-reach.ts'
export { measuresOf, type Measure } from './measures.ts'
export { asksForWindow, bindWindow } from './bind-window.ts'
export {
  type TableEffect,
  changedPlaces,
  fileOfContract,
  fileOfModel,
  followsFromOthers,
  placeInModel,
  placeInRule,
  textChanges,
} from './text-changes.ts'
export { failingRowsQuery } from './sql/failing-rows.ts'
export { firstInnerJoin } from './sql/inner-join.ts'
export {
  CONTRACT_PROPERTY,
  contractChanges,
  countDoubts,
  tableOfDataset,
  tableOfModel,
  writtenBy,
  type ContractChange,
  type WantedTable,
} from './contract-changes.ts'
export {
  type CurrentPipelines,
  PipelineCorruptError,
  PipelineMissingError,
  type PipelineStore,
  currentPipelines,
  currentSources,
  loadPipeline,
  publishPipeline,
  publishedPipeline,
  storePipeline,
} from './load-pipeline.ts'
export {
  type TaskSelection,
  downstreamOf,
  expandDiscovered,
  landsChanges,
  planRun,
  selectTasks,
  upstreamOf,
} from './plan.ts'
export { defaultSchema, pipelineJsonSchema } from './text/pipeline-schema.ts'
export { formatProblem, parseYaml, type ParsedYaml, type Problem, type YamlFault } from '@cinelake/config-text'
export { pipelineError, readPipeline, type ReadOptions, type ReadResult } from './read-pipeline.ts'
export { openFolder, type PipelineFolder } from './folder.ts'
export { sourceHandlers } from './source-handlers.ts'
export { createSqlTyper, type SqlTyper, type TypedColumn, type TypingSession } from './sql-typer.ts'
