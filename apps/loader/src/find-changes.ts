import { DeltaFileDamagedError, type DeltaTable } from '@cinelake/delta'
import type { SqlSession } from '@cinelake/engine'
import type { WarehouseTable } from '@cinelake/warehouse'
import { compareSql, COUNT_CHANGES } from './changes-sql.ts'

/**
 * Compares two versions of a refined table by reading only the files in which they differ. What it finds is in the
 * session's temporary tables `UPSERTS` and `DELETES`.
 * @returns rows that changed; undefined where the older version is no longer whole, after a vacuum, a log clean-up or damage
 */
export async function findChanges(
  session: SqlSession,
  delta: DeltaTable,
  table: WarehouseTable,
  between: { readonly from: number; readonly to: number },
  signal: AbortSignal,
): Promise<number | undefined> {
  const changed = await delta.changedFiles(between.from, between.to)
  if (changed === undefined) return undefined
  const removed = new Set(changed.removed.map(({ path }) => path))
  const added = new Set(changed.added.map(({ path }) => path))
  try {
    await using before = await delta.view(session, {
      version: between.from,
      keep: ({ path }) => removed.has(path),
      signal,
    })
    await using after = await delta.view(session, { version: between.to, keep: ({ path }) => added.has(path), signal })
    if (before === undefined || after === undefined) return undefined
    await session.run(compareSql(table, before.relation, after.relation), { signal })
  } catch (error) {
    if (error instanceof DeltaFileDamagedError) return undefined
    throw error
  }
  const [counted] = await session.rows<{ count: number }>(COUNT_CHANGES, { signal })
  return counted?.count
}
