import { TerminalError } from '@cinelake/core'
import type { Kysely } from 'kysely'
import { migrateOps, opsMigrator } from './migrations.ts'
import { OPS, type RunDatabase } from './tables.ts'

/** Who brings the `ops` schema up to date: the service itself when it starts, or a job before it. */
export const MIGRATE = ['auto', 'check'] as const
export type Migrate = (typeof MIGRATE)[number]

/** The database has not been brought to the version that this service works on. */
export class OpsSchemaOldError extends TerminalError {
  readonly code = 'OPS_SCHEMA_OLD'

  constructor(
    missing: readonly string[],
    remedy = "expected it to be migrated before the service starts; run the scheduler's `migrate` program on this database, or set CINELAKE_MIGRATE=auto",
  ) {
    super(`the schema ${OPS} is too old for this version of Cinelake [missing=${missing.join(',')}]: ${remedy}`, {
      missing: missing.join(','),
    })
  }
}

/** A newer version of this service has been at the database. */
export class OpsSchemaNewError extends TerminalError {
  readonly code = 'OPS_SCHEMA_NEW'

  constructor(unknown: readonly string[]) {
    super(
      `the schema ${OPS} is newer than this version of Cinelake [unknown=${unknown.join(',')}]: expected no migrations but those it knows; use the version that made them, or a newer one`,
      { unknown: unknown.join(',') },
    )
  }
}

/** There is no run history in a database that is looked into. */
export class OpsMissingError extends TerminalError {
  readonly code = 'OPS_MISSING'

  constructor(location: string) {
    super(
      `there is no run history in the database [database=${location}]: expected the schema ${OPS}, which the scheduler makes when it starts, or the first run of a pipeline; check that CINELAKE_WAREHOUSE names the right database, or start the scheduler`,
      { database: location },
    )
  }
}

/** What to do where a run history was not migrated, for those who only look into it. */
const NOT_MIGRATED =
  'the scheduler has not migrated yet; start the scheduler of this version (in a state directory: run a pipeline), or look with the version that made it'

/**
 * Makes sure that the run history can be looked into as it is. Changes nothing.
 * @throws {OpsMissingError} terminal @throws {OpsSchemaOldError} terminal @throws {OpsSchemaNewError} terminal
 */
export async function requireReadable({ db, location }: RunDatabase): Promise<void> {
  const { executed, missing, unknown } = await stepsOf(db)
  if (executed.length === 0) throw new OpsMissingError(location)
  if (unknown.length > 0) throw new OpsSchemaNewError(unknown)
  if (missing.length > 0) throw new OpsSchemaOldError(missing, NOT_MIGRATED)
}

/**
 * Makes sure that the `ops` schema is at the version that this service works on.
 * @throws {OpsSchemaOldError} terminal, `check` only
 * @throws {OpsSchemaNewError} terminal
 * @throws {OpsMigrationError} transient, `auto` only
 */
export async function prepareSchema<Schema>(db: Kysely<Schema>, migrate: Migrate): Promise<void> {
  const { missing, unknown } = await stepsOf(db)
  if (unknown.length > 0) throw new OpsSchemaNewError(unknown)
  if (missing.length === 0) return
  if (migrate === 'check') throw new OpsSchemaOldError(missing)
  await migrateOps(db)
}

export type Steps = {
  /** That were made, in any version. */
  readonly executed: readonly string[]
  /** Of this version, that were not made. */
  readonly missing: readonly string[]
  /** That this version does not know. */
  readonly unknown: readonly string[]
}

/** Which steps of the `ops` schema a database has. Changes nothing. */
export async function stepsOf<Schema>(db: Kysely<Schema>): Promise<Steps> {
  const known = (await opsMigrator(db).getMigrations()).map(({ name }) => name)
  const executed = await executedIn(db)
  return {
    executed,
    missing: known.filter((name) => !executed.includes(name)),
    unknown: executed.filter((name) => !known.includes(name)),
  }
}

/** Where Kysely's migrator notes what it did. */
const NOTES = 'kysely_migration'

async function executedIn<Schema>(db: Kysely<Schema>): Promise<string[]> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true })
  if (!tables.some(({ schema, name }) => schema === OPS && name === NOTES)) return []
  const notes = (db as unknown as Kysely<{ [NOTES]: { name: string } }>).withSchema(OPS)
  const rows = await notes.selectFrom(NOTES).select('name').execute()
  return rows.map(({ name }) => name)
}
