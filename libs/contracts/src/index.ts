export { CONTRACT_VERSION, PipelineRef, WindowSchema } from './commands.ts'
export {
  Build,
  Command,
  Deliver,
  Discover,
  Ingest,
  KnownVersion,
  Load,
  QUEUES,
  Refine,
  TableName,
  TableVersion,
  type CommandKind,
  type Queue,
  type Service,
} from './commands.ts'
export { AgentHeartbeat, Event, TaskEvent, TaskFailed, TaskProgressed, TaskStarted, TaskSucceeded } from './events.ts'
export {
  BalanceSchema,
  FailureFacts,
  MEASURES,
  QualityResult,
  SuccessFacts,
  TaskFacts,
  DiscoveredTable,
  TaskOutput,
  type Measure,
} from './task-facts.ts'
export {
  LATEST_WINDOW,
  discoveredFolder,
  includedNamesFolder,
  formerPushFolder,
  formerRefinedPath,
  formerRejectsPath,
  landedFilesFolder,
  landedFolder,
  landingPath,
  manifestPath,
  probePath,
  rawFolder,
  refinedPath,
  rejectsPath,
  sharedSnapshotPath,
  usedVersionPath,
  type RawKind,
} from './layout.ts'
export { DELETED_COLUMN, LandedCursor, LandedFile, LeftOutFile, Manifest } from './manifest.ts'
export type { PlannedTask } from './commands.ts'
