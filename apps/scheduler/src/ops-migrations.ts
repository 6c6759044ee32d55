import { sql, type Kysely } from 'kysely'
import { Migrator, type Migration } from 'kysely/migration'
import { OPS } from './ops-schema.ts'
import { OpsMigrationError } from './ops-errors.ts'

/**
 * Brings the `ops` schema to the newest version; does nothing where it is there already. Any number of replicas may
 * start at once: they wait for the one that migrates.
 * @throws {OpsMigrationError} transient: a step failed and was undone; the schema is as before it
 */
export async function migrateOps<Schema>(db: Kysely<Schema>): Promise<void> {
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => MIGRATIONS },
    migrationTableSchema: OPS,
  })
  const { error, results } = await migrator.migrateToLatest()
  const failed = results?.find((result) => result.status === 'Error')
  if (error !== undefined) throw new OpsMigrationError(failed?.migrationName ?? 'none', { cause: error })
}

/** In order of name. Those that were released are never edited: a change is a new one. */
const MIGRATIONS: Record<string, Migration> = {
  '0001_run_history': { up: runHistory },
}

/** Type names that databases spell differently, in one place. Everything else below is standard SQL. */
const instant = sql`timestamp(3) with time zone`
/** Parts of keys. SQL Server indexes at most 900 bytes, hence no longer than the longest names that there are. */
const runId = 'varchar(200)'
const taskName = 'varchar(300)'

async function runHistory(db: Kysely<unknown>): Promise<void> {
  const { schema } = db.withSchema(OPS)
  await schema
    .createTable('pipelines')
    .addColumn('name', 'varchar(100)', (column) => column.notNull())
    .addColumn('digest', 'varchar(64)', (column) => column.notNull())
    .addColumn('location', 'text', (column) => column.notNull())
    .addColumn('first_used_at', instant, (column) => column.notNull())
    .addPrimaryKeyConstraint('pipelines_key', ['name', 'digest'])
    .execute()
  await schema
    .createTable('runs')
    .addColumn('id', runId, (column) => column.notNull())
    .addColumn('pipeline', 'varchar(100)', (column) => column.notNull())
    .addColumn('digest', 'varchar(64)', (column) => column.notNull())
    .addColumn('window_label', 'varchar(40)', (column) => column.notNull())
    .addColumn('window_start', instant, (column) => column.notNull())
    .addColumn('window_end', instant, (column) => column.notNull())
    .addColumn('state', 'varchar(20)', (column) => column.notNull())
    .addColumn('after_run', runId)
    .addColumn('revision', 'integer', (column) => column.notNull())
    .addColumn('requested_at', instant, (column) => column.notNull())
    .addColumn('started_at', instant)
    .addColumn('finished_at', instant)
    .addPrimaryKeyConstraint('runs_key', ['id'])
    .execute()
  await schema.createIndex('runs_by_window').on('runs').columns(['pipeline', 'window_start']).execute()
  await schema.createIndex('runs_by_state').on('runs').columns(['state', 'after_run']).execute()
  await createTasks(db)
  await createAttempts(db)
}

async function createTasks(db: Kysely<unknown>): Promise<void> {
  await db
    .withSchema(OPS)
    .schema.createTable('tasks')
    .addColumn('run', runId, (column) => column.notNull())
    .addColumn('task', taskName, (column) => column.notNull())
    .addColumn('position', 'integer', (column) => column.notNull())
    .addColumn('planned', 'text', (column) => column.notNull())
    .addColumn('state', 'varchar(20)', (column) => column.notNull())
    .addColumn('generation', 'integer', (column) => column.notNull())
    .addColumn('attempt', 'integer', (column) => column.notNull())
    .addColumn('attempt_limit', 'integer', (column) => column.notNull())
    .addColumn('since', instant)
    .addColumn('sent_at', instant)
    .addColumn('worker', 'text')
    .addColumn('started_at', instant)
    .addColumn('finished_at', instant)
    .addColumn('due_at', instant)
    .addColumn('duration_ms', 'double precision')
    .addColumn('balance_unit', 'varchar(10)')
    .addColumn('count_in', 'bigint')
    .addColumn('count_out', 'bigint')
    .addColumn('count_rejected', 'bigint')
    .addColumn('count_duplicates', 'bigint')
    .addColumn('output', 'text')
    .addColumn('error_code', 'varchar(100)')
    .addColumn('error', 'text')
    .addColumn('reason', 'text')
    .addPrimaryKeyConstraint('tasks_key', ['run', 'task'])
    .execute()
}

async function createAttempts(db: Kysely<unknown>): Promise<void> {
  const { schema } = db.withSchema(OPS)
  const history = (name: string) =>
    schema
      .createTable(name)
      .addColumn('run', runId, (column) => column.notNull())
      .addColumn('task', taskName, (column) => column.notNull())
      .addColumn('generation', 'integer', (column) => column.notNull())
      .addColumn('attempt', 'integer', (column) => column.notNull())
  await history('attempts')
    .addColumn('outcome', 'varchar(20)', (column) => column.notNull())
    .addColumn('worker', 'text')
    .addColumn('started_at', instant)
    .addColumn('finished_at', instant, (column) => column.notNull())
    .addColumn('duration_ms', 'double precision')
    .addColumn('error_code', 'varchar(100)')
    .addColumn('error_message', 'text')
    .addPrimaryKeyConstraint('attempts_key', ['run', 'task', 'generation', 'attempt'])
    .execute()
  await history('quality_results')
    .addColumn('ordinal', 'integer', (column) => column.notNull())
    .addColumn('rule', 'text', (column) => column.notNull())
    .addColumn('severity', 'varchar(10)', (column) => column.notNull())
    .addColumn('checked', 'bigint', (column) => column.notNull())
    .addColumn('failed', 'bigint', (column) => column.notNull())
    .addColumn('detail', 'text')
    .addPrimaryKeyConstraint('quality_results_key', ['run', 'task', 'generation', 'attempt', 'ordinal'])
    .execute()
  await history('reject_counts')
    .addColumn('ordinal', 'integer', (column) => column.notNull())
    .addColumn('rule', 'text', (column) => column.notNull())
    .addColumn('row_count', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('reject_counts_key', ['run', 'task', 'generation', 'attempt', 'ordinal'])
    .execute()
}
