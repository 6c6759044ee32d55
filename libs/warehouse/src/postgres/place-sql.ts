import { martTable, primaryKeyName, quoted } from './sql.ts'
import { schemaOf, type WarehouseTable } from '../warehouse.ts'

/** A filled staging table, not yet visible to readers. */
export type StagedTable = {
  readonly schema: string
  readonly name: string
  /** With its schema, as SQL. */
  readonly sql: string
}

export function addPrimaryKey(staged: StagedTable, key: readonly string[]): string {
  return `ALTER TABLE ${staged.sql} ADD CONSTRAINT ${quoted(keyOf(staged))} PRIMARY KEY (${key.map(quoted).join(', ')})`
}

/** Puts the filled table in place of the old one. */
export function swap(staged: StagedTable, table: WarehouseTable): string {
  const schema = quoted(schemaOf(table))
  const moved = `${schema}.${quoted(staged.name)}`
  const key = `${schema}.${quoted(keyOf(staged))}`
  return [
    `DROP TABLE IF EXISTS ${martTable(table)}`,
    ...(staged.schema === schemaOf(table) ? [] : [`ALTER TABLE ${staged.sql} SET SCHEMA ${schema}`]),
    `ALTER TABLE ${moved} RENAME TO ${quoted(table.name)}`,
    ...(table.primaryKey.length === 0 ? [] : [`ALTER INDEX ${key} RENAME TO ${quoted(primaryKeyName(table.name))}`]),
  ].join('; ')
}

/** Removes the rows of the table that are not among the staged ones just as they are. */
export function deleteOthers(staged: StagedTable, table: WarehouseTable): string {
  const target = martTable(table)
  if (table.primaryKey.length === 0) return `DELETE FROM ${target}`
  // `*=` compares as the bytes are: 0 and -0 differ, and every type can be compared.
  const row = (alias: string) =>
    `ROW(${table.columns.map(({ name }) => `${alias}.${quoted(name)}`).join(', ')})::record`
  const same = `${sameKey(table)} AND ${row('t')} *= ${row('s')}`
  return `DELETE FROM ${target} t WHERE NOT EXISTS (SELECT FROM ${staged.sql} s WHERE ${same})`
}

/** Adds the staged rows that `deleteOthers` has not left in the table. */
export function insertMissing(staged: StagedTable, table: WarehouseTable): string {
  const target = martTable(table)
  const columns = table.columns.map(({ name }) => quoted(name))
  const missing =
    table.primaryKey.length === 0 ? '' : ` WHERE NOT EXISTS (SELECT FROM ${target} t WHERE ${sameKey(table)})`
  const values = columns.map((name) => `s.${name}`).join(', ')
  return `INSERT INTO ${target} (${columns.join(', ')}) SELECT ${values} FROM ${staged.sql} s${missing}`
}

/** Removes the rows whose key is among the staged ones. */
export function deleteStaged(staged: StagedTable, table: WarehouseTable): string {
  return `DELETE FROM ${martTable(table)} t USING ${staged.sql} s WHERE ${sameKey(table)}`
}

/** Replaces rows by key and adds those that are new. */
export function mergeStaged(staged: StagedTable, table: WarehouseTable): string {
  const names = table.columns.map(({ name }) => name)
  const others = names.filter((name) => !table.primaryKey.includes(name))
  const list = names.map(quoted).join(', ')
  const action =
    others.length === 0
      ? 'DO NOTHING'
      : `DO UPDATE SET ${others.map((name) => `${quoted(name)} = excluded.${quoted(name)}`).join(', ')}`
  return (
    `INSERT INTO ${martTable(table)} (${list}) SELECT ${list} FROM ${staged.sql} ` +
    `ON CONFLICT (${table.primaryKey.map(quoted).join(', ')}) ${action}`
  )
}

export function countRows(table: WarehouseTable): string {
  return `SELECT count(*)::float8 AS count FROM ${martTable(table)}`
}

/**
 * Objects that depend on a table (`$1`), as phrases: views, foreign keys, indexes, triggers, policies, publications.
 * Not what every table has: its row type, its TOAST table, its own key and NOT NULLs.
 */
export const BUILT_UPON = `
SELECT DISTINCT coalesce(pg_describe_object('pg_class'::regclass, r.ev_class, 0),
  pg_describe_object(d.classid, d.objid, d.objsubid)) AS what
FROM pg_depend d
LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
LEFT JOIN pg_constraint c ON d.classid = 'pg_constraint'::regclass AND c.oid = d.objid
WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = to_regclass($1)
  AND d.deptype <> 'i' AND NOT coalesce(c.conrelid = d.refobjid AND c.contype IN ('p', 'n'), false)
ORDER BY 1`

/** The grants on a table (`$1`), except its owner's; `column` is null for the table as a whole. All names as SQL. */
export const GRANTS = `
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

export type Grant = {
  readonly grantee: string
  readonly privilege: string
  readonly grantable: boolean
  readonly column: string | null
}

/** Statements that leave on a new table the rights of the old one and no others. */
export function grantAgain(staged: StagedTable, now: readonly Grant[], wanted: readonly Grant[]): string[] {
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
  return table.primaryKey.map((name) => `t.${quoted(name)} = s.${quoted(name)}`).join(' AND ')
}
