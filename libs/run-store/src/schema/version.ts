import { defineErrors, terminal } from '@cinelake/core'
import type { Kysely } from 'kysely'
import { migrateOps, opsMigrator } from './migrations.ts'
import { OPS, type RunDatabase } from './tables.ts'

/** Who brings the `ops` schema up to date: the service itself when it starts, or a job before it. */
export const MIGRATE = ['auto', 'check'] as const
export type Migrate = (typeof MIGRATE)[number]

export const schemaErrors = defineErrors({
  /** The database has not been brought to the version that this service works on. */
  OPS_SCHEMA_OLD: terminal(
    (
      missing: readonly string[],
      remedy = "expected it to be migrated before the service starts; run the scheduler's `migrate` program on this database, or set CINELAKE_MIGRATE=auto",
    ) => [
      `the schema ${OPS} is too old for this version of Cinelake [missing=${missing.join(',')}]: ${remedy}`,
      {
        missing: missing.join(','),
      },
    ],
  ),

  /** A newer version of this service has been at the database. */
  OPS_SCHEMA_NEW: terminal((unknown: readonly string[]) => [
    `the schema ${OPS} is newer than this version of Cinelake [unknown=${unknown.join(',')}]: expected no migrations but those it knows; use the version that made them, or a newer one`,
    { unknown: unknown.join(',') },
  ]),

  /** There is no run history in a database that is looked into. */
  OPS_MISSING: terminal((location: string) => [
    `there is no run history in the database [database=${location}]: expected the schema ${OPS}, which the scheduler makes when it starts, or the first run of a pipeline; check that CINELAKE_DATABASE, or CINELAKE_WAREHOUSE where that is not set, names the right database, or start the scheduler`,
    { database: location },
  ]),
})

/** What to do where a run history was not migrated, for those who only look into it. */
const NOT_MIGRATED =
  'the scheduler has not migrated yet; start the scheduler of this version (in a state directory: run a pipeline), or look with the version that made it'

/**
 * Makes sure that the run history can be looked into as it is. Changes nothing.
 * @throws {OPS_MISSING} terminal @throws {OPS_SCHEMA_OLD} terminal @throws {OPS_SCHEMA_NEW} terminal
 */
export async function requireReadable({ db, location }: RunDatabase): Promise<void> {
  const { executed, missing, unknown } = await stepsOf(db)
  if (executed.length === 0) throw schemaErrors.OPS_MISSING(location)
  if (unknown.length > 0) throw schemaErrors.OPS_SCHEMA_NEW(unknown)
  if (missing.length > 0) throw schemaErrors.OPS_SCHEMA_OLD(missing, NOT_MIGRATED)
}

/**
 * Makes sure that the `ops` schema is at the version that this service works on.
 * @throws {OPS_SCHEMA_OLD} terminal, `check` only
 * @throws {OPS_SCHEMA_NEW} terminal
 * @throws {OPS_MIGRATION_FAILED} transient, `auto` only
 */
export async function prepareSchema<Schema>(db: Kysely<Schema>, migrate: Migrate): Promise<void> {
  const { missing, unknown } = await stepsOf(db)
  if (unknown.length > 0) throw schemaErrors.OPS_SCHEMA_NEW(unknown)
  if (missing.length === 0) return
  if (migrate === 'check') throw schemaErrors.OPS_SCHEMA_OLD(missing)
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
