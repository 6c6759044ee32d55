import { identifier, identifiers } from '@cinelake/sql'
import type { WarehouseTable } from '@cinelake/warehouse'

/** Temporary tables of the session: rows that are new or differ, and keys that were deleted. */
export const UPSERTS = '_load_upserts'
export const DELETES = '_load_deletes'

/**
 * Works out the changes between two versions, from the rows of the files that only one of them has: an unchanged row
 * may have moved from one file to another.
 * @param before relation of the rows in removed files
 * @param after relation of the rows in added files
 */
export function compareSql(table: WarehouseTable, before: string, after: string): string {
  const columns = table.columns.map(({ name }) => name)
  const others = columns.filter((name) => !table.primaryKey.includes(name))
  const key = table.primaryKey.map((name) => `o.${identifier(name)} = n.${identifier(name)}`).join(' AND ')
  const isNew = `o.${identifier(table.primaryKey[0] ?? '')} IS NULL`
  const differs = others.map((name) => `o.${identifier(name)} IS DISTINCT FROM n.${identifier(name)}`)
  return `
CREATE OR REPLACE TEMP TABLE ${UPSERTS} AS
SELECT ${columns.map((name) => `n.${identifier(name)}`).join(', ')}
FROM ${after} AS n LEFT JOIN ${before} AS o ON ${key}
WHERE ${[isNew, ...differs].join(' OR ')};
CREATE OR REPLACE TEMP TABLE ${DELETES} AS
SELECT ${identifiers(table.primaryKey)} FROM ${before} AS o
WHERE NOT EXISTS (SELECT 1 FROM ${after} AS n WHERE ${key});`
}

export const COUNT_CHANGES = `SELECT (SELECT count(*) FROM ${UPSERTS}) + (SELECT count(*) FROM ${DELETES}) AS count`

/** The served columns, in order, of a relation. */
export function selectSql(columns: readonly string[], relation: string): string {
  return `SELECT ${identifiers(columns)} FROM ${relation}`
}
