export {
  CheckedContract,
  CheckedDataset,
  Exploded,
  CheckedDelivery,
  CheckedModel,
  CheckedPipeline,
  CsvForm,
  DeliveredTable,
  freezePipeline,
  RetryPolicy,
  RowRule,
  TableRule,
} from './checked-pipeline.ts'
export { CheckedColumn, ColumnReading, FileFormat, FileReading, Schedule } from '@cinelake/source-kind'
export { DatabaseSource } from '@cinelake/source-database/config'
export { FilesDataset } from '@cinelake/source-files/config'
export { CheckedSource } from './source-kinds.ts'
export { columnsOfTables, WINDOW_COLUMN } from './check/tables.ts'
export { columnReach, type ColumnReach } from './column-reach.ts'
export { measuresOf, type Measure } from './measures.ts'
export { bindWindow } from './bind-window.ts'
export { fileName, manifestName } from './file-names.ts'
export {
  changedPlaces,
  fileOfContract,
  fileOfModel,
  followsFromOthers,
  placeInModel,
  placeInRule,
  type TableEffect,
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
  currentSources,
  loadPipeline,
  PipelineCorruptError,
  PipelineMissingError,
  publishedPipeline,
  publishPipeline,
  storePipeline,
} from './load-pipeline.ts'
export { downstreamOf, expandDiscovered, landsChanges, planRun, selectTasks, upstreamOf } from './plan.ts'
export { defaultSchema } from './text/pipeline-schema.ts'
export { formatProblem, parseYaml, type Problem } from '@cinelake/config-text'
export { readPipeline, type ReadResult } from './read-pipeline.ts'
export { openFolder, type PipelineFolder } from './folder.ts'
export { requireOwnNames, withIncludedNames } from './included-names.ts'
export { sourceHandlers } from './source-handlers.ts'
export { createSqlTyper, type TypedColumn } from './sql-typer.ts'
