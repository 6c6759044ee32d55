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
  StagedFiles,
  StageOptions,
  WrittenFile,
} from './delta-table.ts'
export {
  DeltaCorruptError,
  deltaErrors,
  DeltaFileDamagedError,
  DeltaSchemaError,
  DeltaUnsupportedError,
  DeltaVersionMissingError,
  TableFilesLostError,
  TableLostError,
  TableReplacedError,
} from './errors.ts'
export { reshaped } from './write/evolve-columns.ts'
export { locateRejects, locateTable, tableTakenByOther } from './locate.ts'
export { requireFiles } from './read/require-files.ts'
export { isBegunBy, requireKnown, type KnownState } from './log/table-life.ts'
export { createDeltaTable } from './table.ts'
