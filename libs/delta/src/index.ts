export type {
  CommitOptions,
  CommitResult,
  DeltaColumn,
  DeltaCommitInfo,
  DeltaFile,
  DeltaPartition,
  DeltaSnapshot,
  DeltaTable,
  DeltaTxn,
  DeltaView,
  MergeOptions,
  ParquetSql,
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
export { createDeltaTable } from './table.ts'
