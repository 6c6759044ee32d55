export { parseServerAddress, type AddressProblem, type ServerAddress } from './address.ts'
export { databaseErrors, DatabaseInUseError, DatabaseUnavailableError } from './errors.ts'
export {
  databaseEnv,
  databaseSettings,
  isDatabaseAddress,
  type AzureCredential,
  type Database,
  type DatabaseSettings,
} from './database.ts'
// Of every PostgreSQL, embedded or on a server: without a driver.
export {
  faultOf as postgresFaultOf,
  isTransient as isTransientPostgresFault,
  sqlStateOf,
  type PostgresFault,
} from './postgres/faults.ts'
