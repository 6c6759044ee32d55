import { sql, type Insertable, type Kysely } from 'kysely'
import { Migrator, type Migration } from 'kysely/migration'
import { columnTypes, isMssql, MAX_TASK_NAME } from './column-types.ts'
import { migrationErrors } from '../errors.ts'
import { OPS, type KnownTablesTable, type OpsSchema } from './tables.ts'

/**
 * Brings the `ops` schema to the newest version; does nothing where it is there already. Any number of replicas may
 * start at once: they wait for the one that migrates.
 * @throws {OPS_MIGRATION_FAILED} transient: a step failed and was undone; the schema is as before it
 */
export async function migrateOps<Schema>(db: Kysely<Schema>): Promise<void> {
  const { error, results } = await opsMigrator(db).migrateToLatest()
  const failed = results?.find((result) => result.status === 'Error')
  if (error !== undefined) throw migrationErrors.OPS_MIGRATION_FAILED(failed?.migrationName ?? 'none', { cause: error })
}

/** Knows which versions of the `ops` schema there are, and which of them a database has. */
export function opsMigrator<Schema>(db: Kysely<Schema>): Migrator {
  return new Migrator({ db, provider: { getMigrations: async () => MIGRATIONS }, migrationTableSchema: OPS })
}

/** In order of name. Those that were released are never edited: a change is a new one. */
const MIGRATIONS: Record<string, Migration> = {
  '0001_run_history': { up: runHistory },
  '0002_agents': { up: agents },
  '0003_long_task_names': { up: longTaskNames },
  '0004_pipeline_origin': { up: pipelineOrigin },
  '0006_known_tables': { up: knownTables },
  '0007_redo': { up: redo },
  '0008_task_facts': { up: taskFacts },
}

async function runHistory(db: Kysely<unknown>): Promise<void> {
  const { schema } = db.withSchema(OPS)
  const { instant, run, text, word } = columnTypes(db)
  await schema
    .createTable('pipelines')
    .addColumn('name', word(100), (column) => column.notNull())
    .addColumn('digest', word(64), (column) => column.notNull())
    .addColumn('location', text, (column) => column.notNull())
    .addColumn('first_used_at', instant, (column) => column.notNull())
    .addPrimaryKeyConstraint('pipelines_key', ['name', 'digest'])
    .execute()
  await schema
    .createTable('runs')
    .addColumn('id', run, (column) => column.notNull())
    .addColumn('pipeline', word(100), (column) => column.notNull())
    .addColumn('digest', word(64), (column) => column.notNull())
    .addColumn('window_label', word(40), (column) => column.notNull())
    .addColumn('window_start', instant, (column) => column.notNull())
    .addColumn('window_end', instant, (column) => column.notNull())
    .addColumn('state', word(20), (column) => column.notNull())
    .addColumn('after_run', run)
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
  const { double, instant, run, task, text, word } = columnTypes(db)
  await db
    .withSchema(OPS)
    .schema.createTable('tasks')
    .addColumn('run', run, (column) => column.notNull())
    .addColumn('task', task, (column) => column.notNull())
    .addColumn('position', 'integer', (column) => column.notNull())
    .addColumn('planned', text, (column) => column.notNull())
    .addColumn('state', word(20), (column) => column.notNull())
    .addColumn('generation', 'integer', (column) => column.notNull())
    .addColumn('attempt', 'integer', (column) => column.notNull())
    .addColumn('attempt_limit', 'integer', (column) => column.notNull())
    .addColumn('since', instant)
    .addColumn('sent_at', instant)
    .addColumn('worker', text)
    .addColumn('started_at', instant)
    .addColumn('finished_at', instant)
    .addColumn('due_at', instant)
    .addColumn('duration_ms', double)
    .addColumn('balance_unit', word(10))
    .addColumn('count_in', 'bigint')
    .addColumn('count_out', 'bigint')
    .addColumn('count_rejected', 'bigint')
    .addColumn('count_duplicates', 'bigint')
    .addColumn('output', text)
    .addColumn('error_code', word(100))
    .addColumn('error', text)
    .addColumn('reason', text)
    .addPrimaryKeyConstraint('tasks_key', ['run', 'task'])
    .execute()
}

async function createAttempts(db: Kysely<unknown>): Promise<void> {
  const { schema } = db.withSchema(OPS)
  const { double, instant, run, task, text, word } = columnTypes(db)
  const history = (name: string) =>
    schema
      .createTable(name)
      .addColumn('run', run, (column) => column.notNull())
      .addColumn('task', task, (column) => column.notNull())
      .addColumn('generation', 'integer', (column) => column.notNull())
      .addColumn('attempt', 'integer', (column) => column.notNull())
  await history('attempts')
    .addColumn('outcome', word(20), (column) => column.notNull())
    .addColumn('worker', text)
    .addColumn('started_at', instant)
    .addColumn('finished_at', instant, (column) => column.notNull())
    .addColumn('duration_ms', double)
    .addColumn('error_code', word(100))
    .addColumn('error_message', text)
    .addPrimaryKeyConstraint('attempts_key', ['run', 'task', 'generation', 'attempt'])
    .execute()
  await history('quality_results')
    .addColumn('ordinal', 'integer', (column) => column.notNull())
    .addColumn('rule', text, (column) => column.notNull())
    .addColumn('severity', word(10), (column) => column.notNull())
    .addColumn('checked', 'bigint', (column) => column.notNull())
    .addColumn('failed', 'bigint', (column) => column.notNull())
    .addColumn('detail', text)
    .addPrimaryKeyConstraint('quality_results_key', ['run', 'task', 'generation', 'attempt', 'ordinal'])
    .execute()
  await history('reject_counts')
    .addColumn('ordinal', 'integer', (column) => column.notNull())
    .addColumn('rule', text, (column) => column.notNull())
    .addColumn('row_count', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('reject_counts_key', ['run', 'task', 'generation', 'attempt', 'ordinal'])
    .execute()
}

async function agents(db: Kysely<unknown>): Promise<void> {
  const { instant, word } = columnTypes(db)
  await db
    .withSchema(OPS)
    .schema.createTable('agents')
    .addColumn('site', word(63), (column) => column.notNull())
    .addColumn('node', word(200), (column) => column.notNull())
    .addColumn('version', word(100), (column) => column.notNull())
    .addColumn('free_disk_bytes', 'bigint', (column) => column.notNull())
    .addColumn('running_tasks', 'integer', (column) => column.notNull())
    .addColumn('state', word(20), (column) => column.notNull())
    .addColumn('said_at', instant, (column) => column.notNull())
    .addColumn('heard_at', instant, (column) => column.notNull())
    .addPrimaryKeyConstraint('agents_key', ['site', 'node'])
    .execute()
}

async function longTaskNames(db: Kysely<unknown>): Promise<void> {
  // There they have been as long from the beginning; a column of a key could not be changed.
  if (isMssql(db)) return
  const { schema } = db.withSchema(OPS)
  for (const table of ['tasks', 'attempts', 'quality_results', 'reject_counts']) {
    await schema
      .alterTable(table)
      .alterColumn('task', (column) => column.setDataType(sql.raw(`varchar(${MAX_TASK_NAME})`)))
      .execute()
  }
}

async function pipelineOrigin(db: Kysely<unknown>): Promise<void> {
  const { schema } = db.withSchema(OPS)
  const { instant, text, word } = columnTypes(db)
  await schema
    .createTable('pipeline_origins')
    .addColumn('pipeline', word(100), (column) => column.notNull())
    .addColumn('folder', text, (column) => column.notNull())
    .addColumn('noted_at', instant, (column) => column.notNull())
    .addPrimaryKeyConstraint('pipeline_origins_key', ['pipeline'])
    .execute()
  await schema
    .createTable('owner')
    .addColumn('id', 'integer', (column) => column.notNull())
    .addColumn('kind', word(20), (column) => column.notNull())
    .addColumn('since', instant, (column) => column.notNull())
    .addPrimaryKeyConstraint('owner_key', ['id'])
    .execute()
}

async function knownTables(db: Kysely<unknown>): Promise<void> {
  const { instant, word } = columnTypes(db)
  await db
    .withSchema(OPS)
    .schema.createTable('known_tables')
    .addColumn('pipeline', word(100), (column) => column.notNull())
    .addColumn('name', word(MAX_TASK_NAME), (column) => column.notNull())
    .addColumn('table_id', word(100))
    .addColumn('version', 'bigint', (column) => column.notNull())
    .addColumn('noted_at', instant, (column) => column.notNull())
    .addPrimaryKeyConstraint('known_tables_key', ['pipeline', 'name'])
    .execute()
  await noteHistory(db.withSchema(OPS))
}

/**
 * What the history of before says: of each table the version of the task that finished last. Not the highest: a lake that
 * was begun again since then would be taken for a loss.
 */
async function noteHistory(db: Kysely<OpsSchema>): Promise<void> {
  const tasks = await db
    .selectFrom('tasks')
    .innerJoin('runs', 'runs.id', 'tasks.run')
    .select(['runs.pipeline', 'tasks.output', 'tasks.finished_at'])
    .where('tasks.state', '=', 'succeeded')
    .where('tasks.output', 'like', '%"kind":"table"%')
    .orderBy('tasks.finished_at')
    .execute()
  const known = new Map<string, Insertable<KnownTablesTable>>()
  for (const { pipeline, output, finished_at } of tasks) {
    const { table: name, version } = JSON.parse(output ?? '{}') as { table: string; version: number }
    const row = { pipeline, name, table_id: null, version, noted_at: finished_at ?? new Date(0) }
    known.set(JSON.stringify([pipeline, name]), row)
  }
  for (const row of known.values()) await db.insertInto('known_tables').values(row).execute()
}

async function redo(db: Kysely<unknown>): Promise<void> {
  const { schema } = db.withSchema(OPS)
  const { text, word } = columnTypes(db)
  // One column a statement: databases differ in how several are written.
  await schema.alterTable('tasks').addColumn('digest', word(64)).execute()
  await schema.alterTable('tasks').addColumn('restart', 'integer').execute()
  await schema.alterTable('runs').addColumn('redo', text).execute()
}

async function taskFacts(db: Kysely<unknown>): Promise<void> {
  const { schema } = db.withSchema(OPS)
  const { text } = columnTypes(db)
  // Rows of before stay as they are: where there are no facts, those in the other columns are read.
  for (const table of ['tasks', 'attempts']) await schema.alterTable(table).addColumn('facts', text).execute()
}
