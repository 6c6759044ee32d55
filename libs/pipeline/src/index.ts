export {
  CheckedColumn,
  CheckedContract,
  CheckedDataset,
  ColumnReading,
  FileReading,
  RefineMode,
  RowRule,
  Severity,
  TableRule,
} from './checked/dataset.ts'
export { CheckedModel, Materialization, ServedTable } from './checked/model.ts'
export { CheckedPipeline, freezePipeline, frozenPipelinePath, RetryPolicy, Schedule } from './checked/pipeline.ts'
export {
  DatabaseDataset,
  DatabaseSource,
  TableIncrement,
  TableSplit,
  TableVerification,
} from './checked/database-source.ts'
export { FilesDataset, FilesSource } from './checked/files-source.ts'
export { PushDataset, PushSource, PushTokens } from './checked/push-source.ts'
export { RestAuth } from './checked/rest-auth.ts'
export { RestEnd, RestPagination } from './checked/rest-pagination.ts'
export { DriftPolicy, Flatten } from './checked/rest-landing.ts'
export { StatusAction, StatusActions } from './checked/rest-limits.ts'
export { RestCursor, RestDataset, RestSource } from './checked/rest-source.ts'
export { CheckedSource } from './checked/source.ts'
export { WINDOW_COLUMN } from './check/tables.ts'
export { columnReach, type ColumnReach } from './column-reach.ts'
export { measuresOf, type Measure } from './measures.ts'
export { asksForWindow, bindWindow } from './bind-window.ts'
export { fileOfContract, fileOfModel, placeInModel, placeInRule } from './place-in-model.ts'
export { failingRowsQuery } from './sql/failing-rows.ts'
export { firstInnerJoin } from './sql/inner-join.ts'
export { isWanted, refinedNames } from './discovered.ts'
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
export { currentPipelines, publishedPipeline, publishPipeline, type CurrentPipelines } from './current-pipelines.ts'
export {
  loadPipeline,
  PipelineCorruptError,
  PipelineMissingError,
  storePipeline,
  type PipelineStore,
} from './load-pipeline.ts'
export { expandDiscovered, planRun } from './plan.ts'
export { defaultSchema } from './mart-schema.ts'
export { formatProblem, pipelineError, type Problem } from './problem.ts'
export { readPipeline, type ReadOptions, type ReadResult } from './read-pipeline.ts'
export { openFolder, type PipelineFolder } from './folder.ts'
export { SourceCommandUnknownError, sourceHandlers, type SourceTasks } from './source-tasks.ts'
export { downstreamOf, selectTasks, upstreamOf, type TaskSelection } from './select-tasks.ts'
export { changedPlaces, followsFromOthers } from './text-changes.ts'
export { createSqlTyper, type SqlTyper, type TypedColumn, type TypingSession } from './sql-typer.ts'
export { columnsOfTables } from './table-columns.ts'
export { textChanges, type TableEffect } from './text-effects.ts'
export { pipelineJsonSchema } from './text/pipeline-schema.ts'
export { parseYaml, type ParsedYaml, type YamlFault } from './text/yaml-text.ts'
