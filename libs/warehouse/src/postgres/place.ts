import { setTimeout as pause } from 'node:timers/promises'
import { WarehouseRefusedError, WarehouseUnavailableError } from '../errors.ts'
import { sqlStateOf } from '@cinelake/database'
import * as place from './place-sql.ts'
import type { Queries } from './session.ts'
import { reshapeInPlace } from './reshape.ts'
import { martTable } from './sql.ts'
import type { WarehouseTable } from '../warehouse.ts'

/**
 * Milliseconds that a swap waits for readers of the old table. New readers queue behind it, so each wait is short, and
 * is followed by an equally long pause that lets them through. The last ones are longer than `deadlock_timeout` (1 s):
 * after that long PostgreSQL ends an autovacuum that is in the way.
 */
export const SWAP_WAITS_MS: readonly number[] = [100, 200, 400, 800, 1200, 1600]

export type Placing = {
  readonly table: WarehouseTable
  readonly staged: place.StagedTable
  /** Whether the table that is there has the columns and the key of the new one. */
  readonly isSameShape: boolean
  readonly location: string
  readonly swapWaitsMs: readonly number[]
}

/**
 * Makes the staged rows those of the mart's table, within the transaction that is open.
 *
 * The staged table takes the old one's place and its grants. That is quick, but it is another table: views that others
 * made, foreign keys, indexes, policies belong to the old one. Where such objects exist, and where the old table is
 * being read all the time, the rows are replaced within the table instead: slower, but without blocking readers. Other
 * columns are then made by `ALTER TABLE`, and dependent objects stay.
 *
 * @throws {WarehouseRefusedError} terminal: other objects depend on a column that is dropped, or that gets another type
 * or key
 * @throws {WarehouseUnavailableError} transient: a table that is to get other columns is being read all the time
 */
export async function placeStaged(queries: Queries, placing: Placing): Promise<void> {
  const { table, isSameShape, location } = placing
  const upon = await queries.query<{ what: string }>(place.BUILT_UPON, [martTable(table)])
  if (upon.length === 0) {
    if (await swap(queries, placing)) return
    if (!isSameShape) throw isReadAllTheTime(location, table)
  }
  const after = isSameShape ? [] : await reshape(queries, placing, upon)
  await replaceRows(queries, placing)
  for (const statement of after) await queries.exec(statement)
}

/** @returns what is left to do once the rows are replaced */
async function reshape(
  queries: Queries,
  { table, staged, location, swapWaitsMs }: Placing,
  upon: readonly { readonly what: string }[],
): Promise<readonly string[]> {
  const target = martTable(table)
  const reshaped = await reshapeInPlace(queries, { target, staged: staged.sql, table, waitsMs: swapWaitsMs })
  if (reshaped.outcome === 'done') return reshaped.after
  if (reshaped.outcome === 'busy') throw isReadAllTheTime(location, table)
  throw builtUpon(
    table,
    upon.map(({ what }) => what),
  )
}

function isReadAllTheTime(location: string, table: WarehouseTable): WarehouseUnavailableError {
  return new WarehouseUnavailableError(
    location,
    `${table.name} is to get other columns, for which it must be free of readers for a moment, but it is read all the time`,
  )
}

/** @returns false when the old table was being read at every attempt */
async function swap(queries: Queries, { table, staged, swapWaitsMs }: Placing): Promise<boolean> {
  const [old, fresh] = [martTable(table), staged.sql]
  const [exists] = await queries.query<{ oid: unknown }>('SELECT to_regclass($1)::oid AS oid', [old])
  if (exists?.oid !== null) {
    const now = await queries.query<place.Grant>(place.GRANTS, [fresh])
    const wanted = await queries.query<place.Grant>(place.GRANTS, [old])
    for (const statement of place.grantAgain(staged, now, wanted)) await queries.exec(statement)
  }
  for (const [attempt, waitMs] of swapWaitsMs.entries()) {
    if (attempt > 0) await pause(waitMs)
    await queries.exec(`SAVEPOINT swap; SET LOCAL lock_timeout = ${waitMs}`)
    try {
      await queries.exec(`${place.swap(staged, table)}; SET LOCAL lock_timeout = 0`)
      return true
    } catch (error) {
      if (!isInTheWay(error)) throw error
      await queries.exec('ROLLBACK TO SAVEPOINT swap; SET LOCAL lock_timeout = 0')
    }
  }
  return false
}

/** lock_not_available, and deadlock_detected: two that wait for one another. */
function isInTheWay(error: unknown): boolean {
  return ['55P03', '40P01'].includes(sqlStateOf(error) ?? '')
}

async function replaceRows(queries: Queries, { table, staged }: Placing): Promise<void> {
  await queries.exec(place.deleteOthers(staged, table))
  await queries.exec(place.insertMissing(staged, table))
}

/** Names shown of those that depend on a table. */
const SHOWN = 5

function builtUpon(table: WarehouseTable, what: readonly string[]): WarehouseRefusedError {
  const shown = what.slice(0, SHOWN).join(', ')
  return new WarehouseRefusedError(
    table.name,
    `it is to get other columns or another key, but other objects depend on it: ${shown}${what.length > SHOWN ? ` and ${what.length - SHOWN} more` : ''}`,
    'drop these and make them again after the load',
    { dependents: what.length },
  )
}
