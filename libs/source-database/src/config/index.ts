export {
  DatabaseDataset,
  DatabaseSource,
  TableIncrement,
  TableSplit,
  TableVerification,
  databaseConfig,
} from './database-source.ts'
export { isWanted, undeclaredTables } from './discovered-tables.ts'
