import { defineErrors, terminal, TerminalError, transient, TransientError } from '@cinelake/core'
import type { TableName } from '@cinelake/contracts'

/** The database that an error is about: its address without user and password. */
export type DatabaseLocation = { readonly source: string; readonly server: string; readonly database: string }

const at = ({ source, server, database }: DatabaseLocation) => `source=${source} server=${server} database=${database}`
/** `schema.table` */
export const fullName = ({ schema, name }: TableName) => `${schema}.${name}`

export const databaseSourceErrors = defineErrors({
  /** A source's `url` is not a valid database address. Never shows the address: it may contain a password. */
  DATABASE_ADDRESS_INVALID: terminal((source: string, problem: string) => [
    `address of the database is not usable [source=${source}]: expected postgres:// or mssql://USER:PASSWORD@HOST:PORT/DATABASE, got ${problem}; correct the source's \`url\` or the settings that it names`,
    { source, problem },
  ]),

  DATABASE_MISSING: terminal((place: DatabaseLocation) => [
    `server has no such database [${at(place)}]: expected it to be there; correct the end of the source's \`url\``,
    { ...place },
  ]),

  /** Encryption was requested and is not available, or the server's certificate is not trusted. */
  DATABASE_TLS_REFUSED: terminal((place: DatabaseLocation, reason: string) => [
    `no encrypted connection to the database [${at(place)} reason=${reason}]: expected a certificate that this machine trusts for this name; install the company's certificate authority (NODE_EXTRA_CA_CERTS), or say \`sslmode=disable\` (SQL Server: \`encrypt=false\`) where the network is trusted`,
    { ...place, reason },
  ]),

  DATABASE_PERMISSION_MISSING: terminal((place: DatabaseLocation, doing: string) => [
    `database does not allow it [${at(place)}]: could not ${doing}; grant the user USAGE on the schema and SELECT on the table (with row-level security also BYPASSRLS: nothing may be left out unseen), or exclude the table`,
    { ...place, doing },
  ]),

  /** The values of a row differ from those that the database sent. */
  DATABASE_ROW_CHANGED: transient((place: DatabaseLocation, table: TableName) => [
    `a row changed on the way [${at(place)} table=${fullName(table)}]: expected the digest that the database made of it, got another; the next attempt reads the table again`,
    { ...place, table: fullName(table) },
  ]),

  /** The values of a file differ from those that were read. */
  DATABASE_FILE_DIFFERS: transient((place: DatabaseLocation, table: TableName, count: number) => [
    `a file does not hold what was read [${at(place)} table=${fullName(table)} rows=${count}]: expected the same values, got others in ${count} rows; the next attempt reads the table again`,
    { ...place, table: fullName(table), count },
  ]),

  /** A query that always fails on this data: a view whose expression fails, a column that was dropped. */
  DATABASE_QUERY_REFUSED: terminal((place: DatabaseLocation, doing: string, state: string) => {
    const table = /^(?:read|count|sample) (.+)$/.exec(doing)?.[1]
    const remedy =
      table === undefined
        ? "look the code up in the manual of the database: it may be of a version that is not supported, or this user may not see the database's catalog"
        : `run \`SELECT * FROM ${table}\` in the database to see which value or expression it is, and correct that, or exclude it`
    return [
      `database cannot do it [${at(place)} sqlstate=${state}]: could not ${doing}; ${remedy}`,
      { ...place, doing, sqlstate: state },
    ]
  }),

  /** A query failed for an internal reason of the database. */
  DATABASE_QUERY_FAILED: transient((place: DatabaseLocation, doing: string, state: string) => [
    `database could not do it [${at(place)} sqlstate=${state}]: could not ${doing}; look the code up in the server's log`,
    { ...place, doing, sqlstate: state },
  ]),

  /** The server does not answer, is starting, stopping or full, or the connection broke. */
  DATABASE_UNAVAILABLE: transient((place: DatabaseLocation, reason: string) => [
    `database does not answer [${at(place)} reason=${reason}]: expected a connection that lasts; check that the server runs and that this machine may reach it`,
    { ...place, reason },
  ]),

  /**
   * Neither a user in the address, nor an Entra token to sign in with. Transient: the token service may be unavailable.
   * @param giving how a user and a password are provided
   */
  DATABASE_IDENTITY_MISSING: transient((place: DatabaseLocation, giving: string) => [
    `no identity to sign in to the database with [${at(place)}]: expected a user in the source's \`url\`, or a token of Entra for this machine's identity, got neither; ${giving}, ` +
      'or give this machine an identity of Azure (a managed identity, AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or `az login`)',
    { ...place },
  ]),

  DATABASE_TABLE_MISSING: terminal((place: DatabaseLocation, table: TableName) => [
    `table is not there [${at(place)} table=${fullName(table)}]: expected a table or a view of exactly this name; correct the dataset's \`table\`, or take the dataset out if the table was dropped`,
    { ...place, table: fullName(table) },
  ]),

  /** The patterns of a source match no table. */
  DATABASE_NO_TABLES: terminal((place: DatabaseLocation, patterns: readonly string[], tableCount: number) => [
    `no table is meant [${at(place)} include=${patterns.join(',')} tables=${tableCount}]: expected at least one of the database's ${tableCount} tables to match; correct \`tables.include\` and \`tables.exclude\``,
    { ...place, include: patterns.join(','), tableCount },
  ]),

  /** A table that cannot be stored in a typed file. */
  DATABASE_TABLE_UNUSABLE: terminal((place: DatabaseLocation, table: TableName, problem: string) => [
    `table cannot be copied [${at(place)} table=${fullName(table)}]: ${problem}; copy a view of it, or exclude it`,
    { ...place, table: fullName(table), problem },
  ]),

  /** A column that cannot identify new rows. */
  DATABASE_CURSOR_UNUSABLE: terminal((place: DatabaseLocation, table: TableName, column: string, problem: string) => [
    `new rows cannot be told by this column [${at(place)} table=${fullName(table)} incremental=${column}]: ${problem}; name another column, or leave \`incremental\` out to copy the whole table each time`,
    { ...place, table: fullName(table), column, problem },
  ]),

  /** A column that a table cannot be split by. */
  DATABASE_SPLIT_UNUSABLE: terminal((place: DatabaseLocation, table: TableName, column: string) => [
    `table cannot be read in ranges [${at(place)} table=${fullName(table)} split.column=${column}]: expected a column of the table, got no such column; correct \`split.column\` (names are compared exactly), or leave it out for the first column of the primary key`,
    { ...place, table: fullName(table), column },
  ]),

  /** Not all rows that were read have landed. */
  DATABASE_ROWS_LOST: transient((place: DatabaseLocation, table: TableName, expected: number, actual: number) => [
    `rows were lost on the way [${at(place)} table=${fullName(table)}]: expected ${expected} rows in the file, got ${actual}; the next attempt reads the table again`,
    { ...place, table: fullName(table), expected, actual },
  ]),
})

/** User and password, an identity, or the client's address were refused. */
export class DatabaseLoginRefusedError extends TerminalError {
  readonly code = 'DATABASE_LOGIN_REFUSED'

  /** @param remedy the setting or secret to provide or correct */
  constructor(place: DatabaseLocation, reason: string, remedy: string, options?: ErrorOptions) {
    super(
      `database refused the login [${at(place)} reason=${reason}]: expected it to let this user in, got a refusal; ${remedy}`,
      { ...place, reason },
      options,
    )
  }
}

/** A shared snapshot that is no longer available. */
export class SnapshotUnfitError extends TransientError {
  readonly code = 'DATABASE_SNAPSHOT_UNFIT'
  readonly reason: string

  constructor(place: DatabaseLocation, reason: string, options?: ErrorOptions) {
    super(
      `moment of the database cannot be seen any more [${at(place)}]: expected one that lasts, but ${reason}; the next attempt reads as of a moment of its own`,
      { ...place, reason },
      options,
    )
    this.reason = reason
  }
}
