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
  DeltaFileDamagedError,
  DeltaMergeError,
  DeltaPartitionError,
  DeltaSchemaError,
  DeltaUnsupportedError,
  DeltaVersionMissingError,
  TableLostError,
  TableReplacedError,
} from './errors.ts'
export { isBegunBy, requireKnown, type KnownState } from './table-life.ts'
export { createDeltaTable } from './table.ts'
