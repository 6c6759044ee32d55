import type { KnownVersion, TaskOutput } from '@cinelake/contracts'
import type { Transaction } from 'kysely'
import { knownFrom, rejectsOf, rowsOf, type KnownRow } from '../read/known-tables.ts'
import type { OpsSchema } from '../schema/tables.ts'

type TableOutput = Extract<TaskOutput, { kind: 'table' }>

/**
 * Notes what tasks have made, in the transaction that says that they did. A task makes a table at a time: of many, most
 * are new, and those are noted together.
 */
export async function noteTables(
  db: Transaction<OpsSchema>,
  pipeline: string,
  made: readonly Made[],
  inChunks: <Item>(items: readonly Item[], parametersOfEach: number) => Item[][],
): Promise<void> {
  for (const some of inChunks(made, 1)) {
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
    for (const chunk of inChunks(values, 5)) await db.insertInto('known_tables').values(chunk).execute()
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
