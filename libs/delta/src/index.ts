export type {
  CommitOptions,
  CommitResult,
  DeltaColumn,
  DeltaCommitInfo,
  DeltaFile,
  DeltaPartition,
  DeltaRows,
  DeltaSnapshot,
  DeltaStage,
  DeltaTable,
  DeltaTxn,
  DeltaView,
  Evolution,
  MergeOptions,
  OverwriteOptions,
  ParquetSql,
  StageOptions,
} from './delta-table.ts'
export {
  DeltaConflictError,
  DeltaCorruptError,
  DeltaMergeError,
  DeltaPartitionError,
  DeltaSchemaError,
  DeltaUnsupportedError,
  DeltaVersionMissingError,
} from './errors.ts'
export { reshaped } from './evolve-columns.ts'
export { createDeltaTable } from './table.ts'
