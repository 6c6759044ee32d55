export { databaseConfig } from './database-config.ts'
export {
  DatabaseDataset,
  DatabaseSource,
  DatabaseSourceText,
  TableIncrement,
  TableSplit,
  TableVerification,
} from './database-source.ts'
export { isWanted } from './discovered-tables.ts'
