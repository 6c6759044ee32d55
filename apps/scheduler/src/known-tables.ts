import type { KnownVersion, TaskOutput } from '@cinelake/contracts'
import type { Kysely, Transaction } from 'kysely'
import type { OpsSchema } from './ops-schema.ts'
import type { Task } from './run-state.ts'

type TableOutput = Extract<TaskOutput, { kind: 'table' }>

/** The table that a task writes; undefined for a task that writes none. */
export function tableWrittenBy({ planned: { work } }: Pick<Task, 'planned'>): string | undefined {
  if (work.kind === 'refine') return work.dataset
  return work.kind === 'build' ? work.model : undefined
}

/** What is known of tables of a pipeline, by name, over all its runs. */
export async function readKnown(
  db: Kysely<OpsSchema>,
  pipeline: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, KnownVersion>> {
  if (names.length === 0) return new Map()
  const rows = await db
    .selectFrom('known_tables')
    .select(['name', 'table_id', 'version'])
    .where('pipeline', '=', pipeline)
    .where('name', 'in', names)
    .execute()
  return new Map(rows.map(({ name, ...row }) => [name, knownFrom(row)]))
}

/** Notes what tasks have made, in the transaction that says that they did. */
export async function noteTables(db: Transaction<OpsSchema>, pipeline: string, made: readonly Made[]): Promise<void> {
  for (const one of made) while (!(await note(db, pipeline, one)));
}

type Made = { readonly output: TableOutput; readonly at: Date }

/** @returns false when another transaction noted something meanwhile: look again */
async function note(db: Transaction<OpsSchema>, pipeline: string, { output, at }: Made): Promise<boolean> {
  const key = { pipeline, name: output.table }
  const row = await db
    .selectFrom('known_tables')
    .select(['table_id', 'version'])
    .where((is) => is.and(key))
    .executeTakeFirst()
  const before = row === undefined ? undefined : knownFrom(row)
  const after = newest(before, output)
  if (after === before) return true
  const values = { table_id: after.id ?? null, version: after.version, noted_at: at }
  if (row === undefined) {
    await db
      .insertInto('known_tables')
      .values({ ...key, ...values })
      .execute()
    return true
  }
  const { numUpdatedRows } = await db
    .updateTable('known_tables')
    .set(values)
    .where((is) => is.and({ ...key, version: Number(row.version) }))
    .where('table_id', row.table_id === null ? 'is' : '=', row.table_id)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/**
 * What is known of a table after a task. A version counts within the life that it is of; a life gives way to the one that
 * a task began in its place, and to no other: another id in an event that comes late is of a life that is over.
 */
export function newest(before: KnownVersion | undefined, output: TableOutput): KnownVersion {
  const { version, id, began } = output
  const found = { version, ...(id === undefined ? {} : { id }) }
  if (before === undefined || (began === true && id !== undefined && before.id !== id)) return found
  if (before.id !== undefined && id !== undefined && before.id !== id) return before
  if (version > before.version) return { ...before, ...found }
  return before.id === undefined && id !== undefined ? { ...before, id } : before
}

function knownFrom({
  table_id: id,
  version,
}: {
  readonly table_id: string | null
  readonly version: number | string | bigint
}): KnownVersion {
  return { version: Number(version), ...(id === null ? {} : { id }) }
}
