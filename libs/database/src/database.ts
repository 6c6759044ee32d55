import type { Kysely } from 'kysely'

/** A connection to the SQL database that the run history (`ops` schema) is kept in. */
export interface Database<Schema> extends AsyncDisposable {
  readonly db: Kysely<Schema>
  readonly dialect: 'postgres' | 'mssql'
  readonly location: string
}
