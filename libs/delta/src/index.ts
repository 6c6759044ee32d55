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
export { locateRejects, locateTable, tableTakenByOther } from './locate.ts'
export { createDeltaTable } from './table.ts'
