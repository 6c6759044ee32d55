import type { KnownVersion } from '@cinelake/contracts'
import type { Kysely } from 'kysely'
import { runFromRows, chunks, MAX_PARAMETERS } from '../rows.ts'
import type { Run, RunState } from '../run.ts'
import { OPS, type OpsSchema, type RunDatabase, type RunRow } from '../schema/tables.ts'
import { readKnown } from './known-tables.ts'

/** A run as it stood at one revision. */
export type Stored = { readonly run: Run; readonly revision: number }

/** The run history as the scheduler's rules read it. Changes nothing. */
export type RunReader = ReturnType<typeof createRunReader>

export function createRunReader(database: RunDatabase) {
  const db = database.db.withSchema(OPS)
  return {
    load: (id: string) => load(db, id),

    /** Whether a run is still at a revision, hence whether what was decided on it holds. */
    async isAt(id: string, revision: number): Promise<boolean> {
      const row = await db.selectFrom('runs').select('revision').where('id', '=', id).executeTakeFirst()
      return row?.revision === revision
    },

    stateOf: (id: string): Promise<RunState | undefined> => stateOf(db, id),

    /** Where the last succeeded window before `start` ended, by task. */
    async since(pipeline: string, start: string, tasks: readonly string[]): Promise<ReadonlyMap<string, string>> {
      const ends = new Map<string, string>()
      for (const some of chunks(tasks, MAX_PARAMETERS / 2)) {
        const rows = await db
          .selectFrom('tasks')
          .innerJoin('runs', 'runs.id', 'tasks.run')
          .select((is) => ['tasks.task', is.fn.max('runs.window_end').as('end')])
          .where('runs.pipeline', '=', pipeline)
          .where('runs.window_start', '<', new Date(start))
          .where('tasks.state', '=', 'succeeded')
          .where('tasks.task', 'in', some)
          .groupBy('tasks.task')
          .execute()
        for (const { task, end } of rows) ends.set(task, end.toISOString().replace('.000Z', 'Z'))
      }
      return ends
    },

    /** All runs of a pipeline with their tasks, oldest window first. */
    async history(pipeline: string): Promise<Run[]> {
      const rows = await db
        .selectFrom('runs')
        .selectAll()
        .where('pipeline', '=', pipeline)
        .orderBy('window_start')
        .execute()
      const tasks = await db
        .selectFrom('tasks')
        .innerJoin('runs', 'runs.id', 'tasks.run')
        .selectAll('tasks')
        .where('runs.pipeline', '=', pipeline)
        .execute()
      const byRun = Map.groupBy(tasks, ({ run }) => run)
      return rows.map((row) => runFromRows(row, byRun.get(row.id) ?? []))
    },

    /** Pipelines of which a run has one of these tasks, each with the text of its newest such run. */
    async makersOf(tasks: readonly string[]): Promise<{ readonly name: string; readonly digest: string }[]> {
      const rows = await db
        .selectFrom('tasks')
        .innerJoin('runs', 'runs.id', 'tasks.run')
        .select(['runs.pipeline', 'runs.digest', 'runs.window_start'])
        .where('tasks.task', 'in', [...tasks])
        .orderBy('runs.window_start')
        .execute()
      return [...new Map(rows.map(({ pipeline, digest }) => [pipeline, { name: pipeline, digest }])).values()]
    },

    /** Which tasks of a pipeline's runs have succeeded at any time, each as `<run> <task>`. */
    async everDone(pipeline: string): Promise<ReadonlySet<string>> {
      const rows = await db
        .selectFrom('attempts')
        .innerJoin('runs', 'runs.id', 'attempts.run')
        .select(['attempts.run', 'attempts.task'])
        .distinct()
        .where('runs.pipeline', '=', pipeline)
        .where('attempts.outcome', '=', 'succeeded')
        .execute()
      return new Set(rows.map(({ run, task }) => `${run} ${task}`))
    },

    /** The newest version that is known of tables of a pipeline, by name. */
    async known(pipeline: string, names: readonly string[]): Promise<ReadonlyMap<string, KnownVersion>> {
      const found = chunks(names, MAX_PARAMETERS / 2).map(async (some) => await readKnown(db, pipeline, some))
      return new Map((await Promise.all(found)).flatMap((some) => [...some]))
    },

    /** Runs that are not finished, oldest window first. */
    async unfinished(pipeline?: string): Promise<Pick<RunRow, 'id' | 'state' | 'after_run' | 'window_start'>[]> {
      const all = db
        .selectFrom('runs')
        .select(['id', 'state', 'after_run', 'window_start'])
        .where('state', 'in', ['waiting', 'running'])
        .orderBy('window_start')
      return await (pipeline === undefined ? all : all.where('pipeline', '=', pipeline)).execute()
    },
  }
}

type Ops = Kysely<OpsSchema>

async function load(db: Ops, id: string): Promise<Stored | undefined> {
  const row = await db.selectFrom('runs').selectAll().where('id', '=', id).executeTakeFirst()
  if (row === undefined) return undefined
  // Tasks read after their run may be newer than its revision; then the revision has moved on, and a commit is refused.
  const tasks = await db.selectFrom('tasks').selectAll().where('run', '=', id).execute()
  return { run: runFromRows(row, tasks), revision: row.revision }
}

async function stateOf(db: Ops, id: string): Promise<RunState | undefined> {
  return (await db.selectFrom('runs').select('state').where('id', '=', id).executeTakeFirst())?.state
}
