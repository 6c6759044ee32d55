import { TerminalError } from '@cinelake/core'
import type { Kysely } from 'kysely'
import { migrateOps, opsMigrator } from './ops-migrations.ts'
import { OPS } from './ops-schema.ts'

/** Who brings the `ops` schema up to date: the service itself when it starts, or somebody before it. */
export const MIGRATE = ['auto', 'check'] as const
export type Migrate = (typeof MIGRATE)[number]

/** The database has not been brought to the version that this service works on. */
export class OpsSchemaOldError extends TerminalError {
  readonly code = 'OPS_SCHEMA_OLD'

  constructor(missing: readonly string[]) {
    super(
      `the schema ${OPS} is too old for this version of the scheduler [missing=${missing.join(',')}]: expected it to be migrated before the service starts; run the scheduler's \`migrate\` program on this database, or set CINELAKE_MIGRATE=auto`,
      { missing: missing.join(',') },
    )
  }
}

/** A newer version of this service has been at the database. */
export class OpsSchemaNewError extends TerminalError {
  readonly code = 'OPS_SCHEMA_NEW'

  constructor(unknown: readonly string[]) {
    super(
      `the schema ${OPS} is newer than this version of the scheduler [unknown=${unknown.join(',')}]: expected no migrations but those it knows; deploy the version that made them, or a newer one`,
      { unknown: unknown.join(',') },
    )
  }
}

/**
 * Makes sure that the `ops` schema is at the version that this service works on.
 * @throws {OpsSchemaOldError} terminal, `check` only
 * @throws {OpsSchemaNewError} terminal
 * @throws {OpsMigrationError} transient, `auto` only
 */
export async function prepareSchema<Schema>(db: Kysely<Schema>, migrate: Migrate): Promise<void> {
  const known = await opsMigrator(db).getMigrations()
  const names = new Set(known.map(({ name }) => name))
  const unknown = (await executed(db)).filter((name) => !names.has(name))
  if (unknown.length > 0) throw new OpsSchemaNewError(unknown)
  const missing = known.filter(({ executedAt }) => executedAt === undefined).map(({ name }) => name)
  if (missing.length === 0) return
  if (migrate === 'check') throw new OpsSchemaOldError(missing)
  await migrateOps(db)
}

/** Where Kysely's migrator notes what it did. */
const NOTES = 'kysely_migration'

async function executed<Schema>(db: Kysely<Schema>): Promise<string[]> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true })
  if (!tables.some(({ schema, name }) => schema === OPS && name === NOTES)) return []
  const notes = (db as unknown as Kysely<{ [NOTES]: { name: string } }>).withSchema(OPS)
  const rows = await notes.selectFrom(NOTES).select('name').execute()
  return rows.map(({ name }) => name)
}
