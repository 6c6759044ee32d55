import { identifier } from '@cinelake/sql'
import { sqlStateOf } from '@cinelake/database'
import { setTimeout as pause } from 'node:timers/promises'
import { WarehouseRefusedError, WarehouseUnavailableError } from '../errors.ts'
import { schemaOf, type WarehouseTable } from '../warehouse.ts'
import type { Queries } from './session.ts'
import { martTable, primaryKeyName } from './sql.ts'

/**
 * Milliseconds that a swap waits for readers of the old table. New readers queue behind it, so each wait is short, and
 * is followed by an equally long pause that lets them through. The last ones are longer than `deadlock_timeout` (1 s):
 * after that long PostgreSQL ends an autovacuum that is in the way.
 */
export const SWAP_WAITS_MS: readonly number[] = [100, 200, 400, 800, 1200, 1600]

export type Placing = {
  readonly table: WarehouseTable
  readonly staged: StagedTable
  /** Whether the table that is there has the columns and the key of the new one. */
  readonly isSameShape: boolean
  readonly location: string
  readonly swapWaitsMs: readonly number[]
}

/**
 * The staged table takes the place and the grants of the old one. Where views of others, foreign keys or policies
 * depend on that, or it is read all the time, its rows are replaced within the table instead, which is slower; other
 * columns are then made by `ALTER TABLE`.
 * @throws {WarehouseRefusedError} terminal: other objects depend on a column that is to change
 * @throws {WarehouseUnavailableError} transient: a table that is to get other columns is being read all the time
 */
export async function placeStaged(queries: Queries, placing: Placing): Promise<void> {
  const { table, isSameShape, location } = placing
  const upon = await queries.query<{ what: string }>(BUILT_UPON, [martTable(table)])
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
    const now = await queries.query<Grant>(GRANTS, [fresh])
    const wanted = await queries.query<Grant>(GRANTS, [old])
    for (const statement of grantAgain(staged, now, wanted)) await queries.exec(statement)
  }
  return await whenFree(queries, swapWaitsMs, [swapSql(staged, table)])
}

/** Runs statements as soon as the table has no readers; false when it was read at every attempt. */
async function whenFree(queries: Queries, waitsMs: readonly number[], statements: readonly string[]): Promise<boolean> {
  for (const [attempt, waitMs] of waitsMs.entries()) {
    if (attempt > 0) await pause(waitMs)
    await queries.exec(`SAVEPOINT swap; SET LOCAL lock_timeout = ${waitMs}`)
    try {
      for (const statement of [...statements, 'SET LOCAL lock_timeout = 0']) await queries.exec(statement)
      return true
    } catch (error) {
      const isBusy = isInTheWay(error)
      if (!isBusy && !NOT_IN_PLACE.test(sqlStateOf(error) ?? '')) throw error
      await queries.exec('ROLLBACK TO SAVEPOINT swap; SET LOCAL lock_timeout = 0')
      if (!isBusy) throw error
    }
  }
  return false
}

/** lock_not_available, and deadlock_detected: two that wait for one another. */
function isInTheWay(error: unknown): boolean {
  return ['55P03', '40P01'].includes(sqlStateOf(error) ?? '')
}

async function replaceRows(queries: Queries, { table, staged }: Placing): Promise<void> {
  await queries.exec(deleteOthers(staged, table))
  await queries.exec(insertMissing(staged, table))
}

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

type Reshaping = { readonly before: readonly string[]; readonly after: readonly string[] }

/**
 * Columns are renamed, added, dropped, given another type, in this order, so that dependent objects stay.
 * @param target the table, as SQL @param key the columns of the primary key of the table that is there
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
  for (const [former, name] of renamed) before.push(alter(`RENAME COLUMN ${identifier(former)} TO ${identifier(name)}`))
  for (const { name } of now) if (!names.has(name)) before.push(alter(`DROP COLUMN ${identifier(name)}`))
  for (const { name, type, required } of wanted.columns) {
    const own = now.find((column) => column.name === name)
    const column = identifier(name)
    if (own === undefined) before.push(alter(`ADD COLUMN ${column} ${type}`))
    else if (own.type !== type) before.push(alter(`ALTER COLUMN ${column} TYPE ${type} USING ${column}::${type}`))
    if (own?.required === true && !required) before.push(alter(`ALTER COLUMN ${column} DROP NOT NULL`))
    // The rows of before may have none.
    if (own?.required !== true && required) after.push(alter(`ALTER COLUMN ${column} SET NOT NULL`))
  }
  return { before, after }
}

/** Objects depend on a column, or a value is not one of the other type. */
const NOT_IN_PLACE = /^(?:2BP01|0A000|42804|42846|22...)$/
type Given = {
  /** The table, as SQL. */
  readonly target: string
  /** A table with the wanted columns, as SQL. */
  readonly staged: string
  readonly table: WarehouseTable
  readonly waitsMs: readonly number[]
}

/**
 * Gives the table the columns of the staged one; dependent objects stay.
 * @returns `done` with what is left to do once its rows are replaced; `refused` where objects depend on a dropped
 *   column; `busy` where the table is read all the time
 */
async function reshapeInPlace(
  queries: Queries,
  { target, staged, table, waitsMs }: Given,
): Promise<{ readonly outcome: 'done'; readonly after: readonly string[] } | { readonly outcome: 'refused' | 'busy' }> {
  const columns = await queries.query<DatabaseColumn>(COLUMNS, [target])
  const key = (await queries.query<{ name: string }>(KEY, [target])).map(({ name }) => name)
  const wanted = await queries.query<DatabaseColumn>(COLUMNS, [staged])
  const plan = planReshaping(target, { columns, key }, { columns: wanted, table })
  if (plan === undefined) return { outcome: 'refused' }
  try {
    const isFree = await whenFree(queries, waitsMs, plan.before)
    return isFree ? { outcome: 'done', after: plan.after } : { outcome: 'busy' }
  } catch (error) {
    if (!NOT_IN_PLACE.test(sqlStateOf(error) ?? '')) throw error
    return { outcome: 'refused' }
  }
}

/** A filled staging table, not yet visible to readers. */
export type StagedTable = {
  readonly schema: string
  readonly name: string
  /** With its schema, as SQL. */
  readonly sql: string
}

export function addPrimaryKey(staged: StagedTable, key: readonly string[]): string {
  return `ALTER TABLE ${staged.sql} ADD CONSTRAINT ${identifier(keyOf(staged))} PRIMARY KEY (${key.map(identifier).join(', ')})`
}

function swapSql(staged: StagedTable, table: WarehouseTable): string {
  const schema = identifier(schemaOf(table))
  const moved = `${schema}.${identifier(staged.name)}`
  const key = `${schema}.${identifier(keyOf(staged))}`
  return [
    `DROP TABLE IF EXISTS ${martTable(table)}`,
    ...(staged.schema === schemaOf(table) ? [] : [`ALTER TABLE ${staged.sql} SET SCHEMA ${schema}`]),
    `ALTER TABLE ${moved} RENAME TO ${identifier(table.name)}`,
    ...(table.primaryKey.length === 0
      ? []
      : [`ALTER INDEX ${key} RENAME TO ${identifier(primaryKeyName(table.name))}`]),
  ].join('; ')
}

/** Removes the rows of the table that are not among the staged ones just as they are. */
function deleteOthers(staged: StagedTable, table: WarehouseTable): string {
  const target = martTable(table)
  if (table.primaryKey.length === 0) return `DELETE FROM ${target}`
  // `*=` compares as the bytes are: 0 and -0 differ, and every type can be compared.
  const row = (alias: string) =>
    `ROW(${table.columns.map(({ name }) => `${alias}.${identifier(name)}`).join(', ')})::record`
  const same = `${sameKey(table)} AND ${row('t')} *= ${row('s')}`
  return `DELETE FROM ${target} t WHERE NOT EXISTS (SELECT FROM ${staged.sql} s WHERE ${same})`
}

/** Adds the staged rows that `deleteOthers` has not left in the table. */
function insertMissing(staged: StagedTable, table: WarehouseTable): string {
  const target = martTable(table)
  const columns = table.columns.map(({ name }) => identifier(name))
  const missing =
    table.primaryKey.length === 0 ? '' : ` WHERE NOT EXISTS (SELECT FROM ${target} t WHERE ${sameKey(table)})`
  const values = columns.map((name) => `s.${name}`).join(', ')
  return `INSERT INTO ${target} (${columns.join(', ')}) SELECT ${values} FROM ${staged.sql} s${missing}`
}

export function deleteStaged(staged: StagedTable, table: WarehouseTable): string {
  return `DELETE FROM ${martTable(table)} t USING ${staged.sql} s WHERE ${sameKey(table)}`
}

export function mergeStaged(staged: StagedTable, table: WarehouseTable): string {
  const names = table.columns.map(({ name }) => name)
  const others = names.filter((name) => !table.primaryKey.includes(name))
  const list = names.map(identifier).join(', ')
  const action =
    others.length === 0
      ? 'DO NOTHING'
      : `DO UPDATE SET ${others.map((name) => `${identifier(name)} = excluded.${identifier(name)}`).join(', ')}`
  return (
    `INSERT INTO ${martTable(table)} (${list}) SELECT ${list} FROM ${staged.sql} ` +
    `ON CONFLICT (${table.primaryKey.map(identifier).join(', ')}) ${action}`
  )
}

export function countRows(table: WarehouseTable): string {
  return `SELECT count(*)::float8 AS count FROM ${martTable(table)}`
}

/**
 * Objects that depend on a table (`$1`), as phrases: views, foreign keys, indexes, triggers, policies, publications.
 * Not what every table has: its row type, its TOAST table, its own key and NOT NULLs.
 */
const BUILT_UPON = `
SELECT DISTINCT coalesce(pg_describe_object('pg_class'::regclass, r.ev_class, 0),
  pg_describe_object(d.classid, d.objid, d.objsubid)) AS what
FROM pg_depend d
LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
LEFT JOIN pg_constraint c ON d.classid = 'pg_constraint'::regclass AND c.oid = d.objid
WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = to_regclass($1)
  AND d.deptype <> 'i' AND NOT coalesce(c.conrelid = d.refobjid AND c.contype IN ('p', 'n'), false)
ORDER BY 1`

/** The grants on a table (`$1`), except its owner's; `column` is null for the table as a whole. All names as SQL. */
const GRANTS = `
SELECT g.grantee, g.privilege, g.grantable, g."column" FROM (
  SELECT a.grantee AS id, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee,
    a.privilege_type AS privilege, a.is_grantable AS grantable, quote_ident(x."column") AS "column", c.relowner AS owner
  FROM pg_class c
  CROSS JOIN LATERAL (
    SELECT NULL::name AS "column", c.relacl AS acl
    UNION ALL SELECT attname, attacl FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
  ) x
  CROSS JOIN LATERAL aclexplode(x.acl) a
  WHERE c.oid = to_regclass($1)
) g WHERE g.id <> g.owner ORDER BY 1, 2, 4`

type Grant = {
  readonly grantee: string
  readonly privilege: string
  readonly grantable: boolean
  readonly column: string | null
}

/** Statements that leave on a new table the rights of the old one and no others. */
function grantAgain(staged: StagedTable, now: readonly Grant[], wanted: readonly Grant[]): string[] {
  const revoked = new Set(now.map(({ grantee }) => grantee))
  return [
    ...[...revoked].map((grantee) => `REVOKE ALL ON TABLE ${staged.sql} FROM ${grantee}`),
    ...wanted.map(
      ({ privilege, column, grantee, grantable }) =>
        `GRANT ${privilege}${column === null ? '' : ` (${column})`} ON TABLE ${staged.sql} TO ${grantee}${grantable ? ' WITH GRANT OPTION' : ''}`,
    ),
  ]
}

function keyOf({ name }: StagedTable): string {
  return `${name}_key`
}

function sameKey(table: WarehouseTable): string {
  return table.primaryKey.map((name) => `t.${identifier(name)} = s.${identifier(name)}`).join(' AND ')
}
