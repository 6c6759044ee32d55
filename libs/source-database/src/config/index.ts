export {
  DatabaseDataset,
  DatabaseSource,
  TableIncrement,
  TableSplit,
  TableVerification,
  databaseConfig,
  isWanted,
  undeclaredTables,
} from './database-source.ts'
