import { identifier, identifiers, literal } from '@cinelake/sql'
import type { CheckedDataset } from '@cinelake/pipeline'
import { keyOf, winningRows } from './row-order.ts'
import { RULES } from './stage-sql.ts'

/**
 * Table of the hashes that more than one good row has; nearly always short. A hash may differ between versions of the
 * engine: never stored.
 */
const SHARED = identifier('cinelake.shared')

type Keyed = Pick<CheckedDataset, 'contract' | 'newestBy' | 'duplicates'>

/** The staged files as a relation with `file_row_number`. */
export function stagedRelation(files: readonly string[]): string {
  return `read_parquet([${files.map(literal).join(', ')}], file_row_number = true)`
}

/** Finds the rows that may have a duplicate, by the hash of their key: one number per row, whatever the key. */
export function sharedHashesSql(dataset: Keyed, staged: string): string {
  return `CREATE OR REPLACE TEMP TABLE ${SHARED} AS
SELECT hash(${keyOf(dataset)}) AS h FROM ${staged} WHERE ${RULES} IS NULL GROUP BY ALL HAVING count(*) > 1`
}

function sharedRows(dataset: Keyed, staged: string): string {
  return `FROM ${staged} WHERE ${RULES} IS NULL AND hash(${keyOf(dataset)}) IN (SELECT h FROM ${SHARED})`
}

/** How many rows may have a duplicate. */
export function sharedCountSql(dataset: Keyed, staged: string): string {
  return `SELECT count(*) AS "rowCount" ${sharedRows(dataset, staged)}`
}

/**
 * One row of each key, among the rows that may have a duplicate.
 * @param pass one of several passes over disjoint sets of keys, so that each fits into memory
 */
export function winnersSql(dataset: Keyed, staged: string, pass: { readonly at: number; readonly of: number }): string {
  const ofPass = pass.of === 1 ? '' : ` AND hash(${keyOf(dataset)}) % ${pass.of} = ${pass.at}`
  return winningRows(dataset, `${sharedRows(dataset, staged)}${ofPass}`)
}

/** The rows of the task: good ones without a duplicate as staged, then one of each key that had several. */
export function refinedRowsSql(dataset: Keyed, staged: string, winners: readonly string[]): string {
  const names = identifiers(dataset.contract.columns.map(({ name }) => name))
  const good = `SELECT ${names} FROM ${staged} WHERE ${RULES} IS NULL`
  if (winners.length === 0) return good
  return `${good} AND hash(${keyOf(dataset)}) NOT IN (SELECT h FROM ${SHARED})
UNION ALL SELECT ${names} FROM read_parquet([${winners.map(literal).join(', ')}])`
}
