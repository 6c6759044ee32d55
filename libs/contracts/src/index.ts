export { CONTRACT_VERSION, PipelineRef, WindowSchema } from './header.ts'
export {
  Build,
  Command,
  Discover,
  Ingest,
  Load,
  QUEUES,
  Refine,
  TableName,
  TableVersion,
  type CommandKind,
  type Queue,
  type Service,
} from './commands.ts'
export {
  BalanceSchema,
  Event,
  QualityResult,
  TaskFailed,
  TaskOutput,
  TaskProgressed,
  TaskStarted,
  TaskSucceeded,
} from './events.ts'
export { LandedFile, Manifest, manifestPath } from './manifest.ts'
