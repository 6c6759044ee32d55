import type { KnownVersion, TaskOutput } from '@cinelake/contracts'
import type { Kysely, Selectable, Transaction } from 'kysely'
import { chunks, MAX_PARAMETERS } from '../rows.ts'
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

async function rowsOf(
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

function knownFrom({ table_id: id, version }: KnownRow): KnownVersion {
  return { version: Number(version), ...(id === null ? {} : { id }) }
}

type TableOutput = Extract<TaskOutput, { kind: 'table' }>

/**
 * Notes what tasks have made, in the transaction that says that they did. A task makes a table at a time: of many, most
 * are new, and those are noted together.
 */
export async function noteTables(db: Transaction<OpsSchema>, pipeline: string, made: readonly Made[]): Promise<void> {
  for (const some of chunks(made, MAX_PARAMETERS / 2)) {
    const rows = await rowsOf(
      db,
      pipeline,
      some.map(({ output }) => output.table),
    )
    const fresh = new Map(some.filter(({ output }) => !rows.has(output.table)).map((one) => [one.output.table, one]))
    for (const { output } of some) {
      // Another transaction may note something meanwhile: then it is looked at again.
      for (let row = rows.get(output.table); row !== undefined && !(await replace(db, pipeline, row, output));)
        row = (await rowsOf(db, pipeline, [output.table])).get(output.table)
    }
    const values = [...fresh.values()].map(({ output, at }) => ({
      pipeline,
      name: output.table,
      table_id: output.id ?? null,
      version: output.version,
      noted_at: at,
    }))
    for (const chunk of chunks(values, MAX_PARAMETERS / 10)) await db.insertInto('known_tables').values(chunk).execute()
  }
}

/** The tables that a task reports on. */
export function tablesIn(output: TableOutput): Noted[] {
  const { table, rejects } = output
  return [output, ...(rejects === undefined ? [] : [{ ...rejects, table: rejectsOf(table) }])]
}

/** What a task reports of a table. */
type Noted = Pick<TableOutput, 'table' | 'version' | 'id' | 'began'>
type Made = { readonly output: Noted; readonly at: Date }
/** @returns false when the row is no longer what it was */
async function replace(db: Transaction<OpsSchema>, pipeline: string, row: KnownRow, output: Noted): Promise<boolean> {
  const before = knownFrom(row)
  const after = newest(before, output)
  if (after === before) return true
  const { numUpdatedRows } = await db
    .updateTable('known_tables')
    .set({ table_id: after.id ?? null, version: after.version })
    .where((is) => is.and({ pipeline, name: row.name, version: Number(row.version) }))
    .where('table_id', row.table_id === null ? 'is' : '=', row.table_id)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/**
 * What is known of a table after a task. A version counts within the life that it is of; a life gives way to the one that
 * a task began in its place, and to no other: another id in an event that comes late is of a life that is over.
 */
export function newest(before: KnownVersion | undefined, output: Omit<Noted, 'table'>): KnownVersion {
  const { version, id, began } = output
  const found = { version, ...(id === undefined ? {} : { id }) }
  if (before === undefined || (began === true && id !== undefined && before.id !== id)) return found
  if (before.id !== undefined && id !== undefined && before.id !== id) return before
  if (version > before.version) return { ...before, ...found }
  return before.id === undefined && id !== undefined ? { ...before, id } : before
}
