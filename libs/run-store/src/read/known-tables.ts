import type { KnownVersion } from '@cinelake/contracts'
import type { Kysely, Selectable } from 'kysely'
import type { Task } from '../run.ts'
import type { KnownTablesTable, OpsSchema } from '../schema/tables.ts'

/** The table that a task writes; undefined for a task that writes none. */
export function tableWrittenBy({ planned: { work } }: Pick<Task, 'planned'>): string | undefined {
  if (work.kind === 'refine') return work.dataset
  return work.kind === 'build' ? work.model : undefined
}

/** The name under which the table of a table's rejected rows is known; no name of a table has a slash. */
export function rejectsOf(table: string): string {
  return `${REJECTS}${table}`
}

const REJECTS = '_rejects/'

/** What is known of tables of a pipeline, by name, over all its runs. */
export async function readKnown(
  db: Kysely<OpsSchema>,
  pipeline: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, KnownVersion>> {
  const rows = await rowsOf(db, pipeline, names)
  return new Map([...rows].map(([name, row]) => [name, knownFrom(row)]))
}

/** A table of a pipeline as the history knows it: the table itself, or that of its rejected rows. */
export type KnownTable = { readonly table: string; readonly isRejects: boolean; readonly known: KnownVersion }

/** The same with the pipeline that it is of. */
export type PipelineTable = KnownTable & { readonly pipeline: string }

/** What is known of all tables of all pipelines, by pipeline and name. */
export async function readAllKnown(db: Kysely<OpsSchema>): Promise<PipelineTable[]> {
  const rows = await db
    .selectFrom('known_tables')
    .select(['pipeline', 'name', 'table_id', 'version'])
    .orderBy('pipeline')
    .orderBy('name')
    .execute()
  return rows.map(({ pipeline, ...row }) => {
    const isRejects = row.name.startsWith(REJECTS)
    return { pipeline, table: isRejects ? row.name.slice(REJECTS.length) : row.name, isRejects, known: knownFrom(row) }
  })
}

/** What is known of tables and of their rejected rows. */
export async function knownTables(
  store: { readonly known: (pipeline: string, names: readonly string[]) => ReturnType<typeof readKnown> },
  pipeline: string,
  tables: readonly string[],
): Promise<KnownTable[]> {
  const all = tables.flatMap((table) => [
    { table, isRejects: false, name: table },
    { table, isRejects: true, name: rejectsOf(table) },
  ])
  const found = await store.known(
    pipeline,
    all.map(({ name }) => name),
  )
  return all.flatMap(({ name, ...about }) => {
    const known = found.get(name)
    return known === undefined ? [] : [{ ...about, known }]
  })
}

export type KnownRow = Selectable<Pick<KnownTablesTable, 'name' | 'table_id' | 'version'>>

export async function rowsOf(
  db: Kysely<OpsSchema>,
  pipeline: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, KnownRow>> {
  if (names.length === 0) return new Map()
  const rows = await db
    .selectFrom('known_tables')
    .select(['name', 'table_id', 'version'])
    .where('pipeline', '=', pipeline)
    .where('name', 'in', names)
    .execute()
  return new Map(rows.map((row) => [row.name, row]))
}

export function knownFrom({ table_id: id, version }: KnownRow): KnownVersion {
  return { version: Number(version), ...(id === null ? {} : { id }) }
}
