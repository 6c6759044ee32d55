export { onConnection } from './connection.ts'
export { closeClient, openPostgresDatabase, type PostgresConnections, type PostgresDatabase } from './database.ts'
export { isTransient, transientError } from './faults.ts'
export { QUERY_TYPES } from './values.ts'
