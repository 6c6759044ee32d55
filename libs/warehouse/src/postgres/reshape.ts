import { setTimeout as pause } from 'node:timers/promises'
import { sqlStateOf } from '@cinelake/database'
import type { Queries } from './session.ts'
import { quoted } from './sql.ts'
import type { WarehouseTable } from '../warehouse.ts'

/** A column as the database has it. */
type DatabaseColumn = { readonly name: string; readonly type: string; readonly required: boolean }

/** The columns of a table (`$1`), in order. */
const COLUMNS = `
SELECT attname AS name, format_type(atttypid, atttypmod) AS type, attnotnull AS required
FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum`

/** The columns of the primary key of a table (`$1`), in order. */
const KEY = `
SELECT a.attname AS name FROM pg_constraint c
CROSS JOIN LATERAL unnest(c.conkey) WITH ORDINALITY AS k(number, place)
JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number
WHERE c.conrelid = to_regclass($1) AND c.contype = 'p' ORDER BY k.place`

/** Statements that give a table other columns: before its rows are replaced, and after. */
type Reshaping = { readonly before: readonly string[]; readonly after: readonly string[] }

/**
 * Changes one table's columns to those of another, so that dependent objects stay: columns are renamed,
 * added, dropped, given another type, in this order.
 * @param target the table, as SQL
 * @param key the columns of the primary key of the table that is there
 * @returns undefined where the tables have another key: its rows could not be told apart
 */
function planReshaping(
  target: string,
  there: { readonly columns: readonly DatabaseColumn[]; readonly key: readonly string[] },
  wanted: { readonly columns: readonly DatabaseColumn[]; readonly table: WarehouseTable },
): Reshaping | undefined {
  const { table } = wanted
  const names = new Set(wanted.columns.map(({ name }) => name))
  const renamed = new Map<string, string>()
  for (const { name, renamedFrom = [] } of table.columns) {
    if (there.columns.some((column) => column.name === name)) continue
    const former = renamedFrom.find((one) => !names.has(one) && there.columns.some((column) => column.name === one))
    if (former !== undefined) renamed.set(former, name)
  }
  const now = there.columns.map((column) => ({ ...column, name: renamed.get(column.name) ?? column.name }))
  if (there.key.map((name) => renamed.get(name) ?? name).join('\n') !== table.primaryKey.join('\n')) return undefined
  const alter = (what: string) => `ALTER TABLE ${target} ${what}`
  const before: string[] = []
  const after: string[] = []
  for (const [former, name] of renamed) before.push(alter(`RENAME COLUMN ${quoted(former)} TO ${quoted(name)}`))
  for (const { name } of now) if (!names.has(name)) before.push(alter(`DROP COLUMN ${quoted(name)}`))
  for (const { name, type, required } of wanted.columns) {
    const own = now.find((column) => column.name === name)
    const column = quoted(name)
    if (own === undefined) before.push(alter(`ADD COLUMN ${column} ${type}`))
    else if (own.type !== type) before.push(alter(`ALTER COLUMN ${column} TYPE ${type} USING ${column}::${type}`))
    if (own?.required === true && !required) before.push(alter(`ALTER COLUMN ${column} DROP NOT NULL`))
    // The rows of before may have none.
    if (own?.required !== true && required) after.push(alter(`ALTER COLUMN ${column} SET NOT NULL`))
  }
  return { before, after }
}

/**
 * Of the errors by which the database keeps to what depends on a column, and of a value that the other type does not
 * hold.
 */
const NOT_IN_PLACE = /^(?:2BP01|0A000|42804|42846|22...)$/
/** lock_not_available, and deadlock_detected: two that wait for one another. */
const IN_THE_WAY = ['55P03', '40P01']

type Given = {
  /** The table, as SQL. */
  readonly target: string
  /** A table with the wanted columns, as SQL. */
  readonly staged: string
  readonly table: WarehouseTable
  readonly waitsMs: readonly number[]
}

/**
 * Gives the table that is there the columns of the staged one, within the transaction that is open. Dependent objects
 * stay.
 * @returns `done` with what is left to do once its rows are replaced; `refused` where objects depend on a dropped
 *   column; `busy` where the table is read all the time
 */
export async function reshapeInPlace(
  queries: Queries,
  { target, staged, table, waitsMs }: Given,
): Promise<{ readonly outcome: 'done'; readonly after: readonly string[] } | { readonly outcome: 'refused' | 'busy' }> {
  const columns = await queries.query<DatabaseColumn>(COLUMNS, [target])
  const key = (await queries.query<{ name: string }>(KEY, [target])).map(({ name }) => name)
  const wanted = await queries.query<DatabaseColumn>(COLUMNS, [staged])
  const plan = planReshaping(target, { columns, key }, { columns: wanted, table })
  if (plan === undefined) return { outcome: 'refused' }
  for (const [attempt, waitMs] of waitsMs.entries()) {
    if (attempt > 0) await pause(waitMs)
    await queries.exec(`SAVEPOINT reshape; SET LOCAL lock_timeout = ${waitMs}`)
    try {
      for (const statement of plan.before) await queries.exec(statement)
      await queries.exec('SET LOCAL lock_timeout = 0')
      return { outcome: 'done', after: plan.after }
    } catch (error) {
      const state = sqlStateOf(error) ?? ''
      const isInTheWay = IN_THE_WAY.includes(state)
      if (!isInTheWay && !NOT_IN_PLACE.test(state)) throw error
      await queries.exec('ROLLBACK TO SAVEPOINT reshape; SET LOCAL lock_timeout = 0')
      if (!isInTheWay) return { outcome: 'refused' }
    }
  }
  return { outcome: 'busy' }
}
