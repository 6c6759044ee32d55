export { onConnection } from './connection.ts'
export { closeClient, openPostgresDatabase, type PostgresConnections, type PostgresDatabase } from './database.ts'
export { faultOf, isTransient, sqlStateOf, transientError, type PostgresFault } from './faults.ts'
export { QUERY_TYPES } from './values.ts'
