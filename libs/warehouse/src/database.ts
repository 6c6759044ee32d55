import type { Kysely } from 'kysely'

/**
 * A connection to the SQL database that the scheduler keeps its run history in (`ops` schema) and the loader its tables
 * (`mart` schema). Each service owns its schema; no service reads another's.
 */
export interface Database<Schema> extends AsyncDisposable {
  readonly db: Kysely<Schema>
  readonly dialect: 'postgres' | 'mssql'
  readonly location: string
}
