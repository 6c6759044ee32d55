export type { Database } from './database.ts'
export {
  DatabaseDirectoryError,
  DatabaseDirectoryUnusableError,
  DatabaseDiskFullError,
  DatabaseInUseError,
  DatabaseLoginError,
  DatabaseUnavailableError,
} from './errors.ts'
export {
  databaseEnv,
  databaseSettings,
  isDatabaseAddress,
  type AzureCredential,
  type DatabaseSettings,
} from './settings.ts'
