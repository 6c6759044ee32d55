export { besideSessions, LEAVE_NOTHING } from './pglite-beside.ts'
export { openHere, openPgliteDatabase, type PgliteDatabase } from './pglite-database.ts'
export { openPgliteReader } from './pglite-reader.ts'
export type { EmbeddedPostgres, EmbeddedSession, ExclusiveSessions } from './pglite-thread.ts'
