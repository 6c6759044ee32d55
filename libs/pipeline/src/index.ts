export { CheckedContract, CheckedDataset, RowRule, Severity, TableRule } from './checked/dataset.ts'
export { CheckedModel, Materialization, ServedTable } from './checked/model.ts'
export { CheckedPipeline, freezePipeline, frozenPipelinePath, RetryPolicy } from './checked/pipeline.ts'
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
export { WINDOW_COLUMN } from './check/tables.ts'
export { columnReach, type ColumnReach } from './column-reach.ts'
export { measuresOf, type Measure } from './measures.ts'
export { asksForWindow, bindWindow } from './bind-window.ts'
export { fileOfContract, fileOfModel, placeInModel, placeInRule } from './place-in-model.ts'
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
  currentPipelines,
  currentSources,
  publishedPipeline,
  publishPipeline,
  type CurrentPipelines,
} from './current-pipelines.ts'
export {
  loadPipeline,
  PipelineCorruptError,
  PipelineMissingError,
  storePipeline,
  type PipelineStore,
} from './load-pipeline.ts'
export { expandDiscovered, landsChanges, planRun } from './plan.ts'
export { defaultSchema } from './mart-schema.ts'
export { formatProblem, parseYaml, type ParsedYaml, type Problem, type YamlFault } from '@cinelake/config-text'
export { pipelineError, readPipeline, type ReadOptions, type ReadResult } from './read-pipeline.ts'
export { openFolder, type PipelineFolder } from './folder.ts'
export { sourceHandlers } from './source-handlers.ts'
export { downstreamOf, selectTasks, upstreamOf, type TaskSelection } from './select-tasks.ts'
export { changedPlaces, followsFromOthers } from './text-changes.ts'
export { createSqlTyper, type SqlTyper, type TypedColumn, type TypingSession } from './sql-typer.ts'
export { columnsOfTables } from './table-columns.ts'
export { textChanges, type TableEffect } from './text-effects.ts'
export { pipelineJsonSchema } from './text/pipeline-schema.ts'
