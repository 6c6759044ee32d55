export {
  DatabaseDataset,
  DatabaseSource,
  DatabaseSourceText,
  TableIncrement,
  TableSplit,
  TableVerification,
  databaseConfig,
} from './database-source.ts'
export { isWanted } from './discovered-tables.ts'
