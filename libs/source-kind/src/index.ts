export { CheckedColumn, ColumnReading } from './dataset-text.ts'
export {
  commonDataset,
  DuplicateRule,
  FileFormat,
  MissingColumns,
  FileReading,
  nulls,
  RefineMode,
  site,
  type ColumnDetailsText,
  type ColumnReadingText,
} from './dataset-text.ts'
export { checkExplodeNames, explode, parentInText, readOwnPlace } from './exploded.ts'
export { Schedule } from './source-tasks.ts'
export {
  ingestName,
  type PlannedIngest,
  type Source,
  type SourceConfig,
  type SourceDiscovery,
  type SourcePlan,
  type SourceText,
} from './source-config.ts'
export { agentQueue, checkHttpUrl, checkUrl, siteOf, type SourcePlace } from './source-place.ts'
export {
  type CurrentSources,
  type PipelineOfSource,
  sourceErrors,
  type SourceInPipeline,
  type SourceTasks,
  type TargetDataset,
} from './source-tasks.ts'
export { nothing, rowsOf, withFacts, withoutCsv, type PreviewDeps, type Sample, type SampleColumn } from './preview.ts'
export type { SourceCheck, SourceKind } from './source-kind.ts'
