import { identifier, identifiers, literal } from '@cinelake/sql'
import type { CheckedDataset } from '@cinelake/pipeline'
import { FILE, ORDINAL, RULES } from './stage-sql.ts'

/** Table of the hashes that more than one good row has; nearly always short. A hash is no promise across versions of the engine: never kept. */
const SHARED = identifier('cinelake.shared')

type Keyed = Pick<CheckedDataset, 'contract' | 'newestBy' | 'duplicates'>

/** The staged files as a relation with `file_row_number`. */
export function stagedRelation(files: readonly string[]): string {
  return `read_parquet([${files.map(literal).join(', ')}], file_row_number = true)`
}

/** The columns by which rows are the same: the primary key, or all of them where there is none. */
function keyOf({ contract }: Keyed): string {
  return identifiers(contract.primaryKey.length > 0 ? contract.primaryKey : contract.columns.map(({ name }) => name))
}

/** Finds the rows that may have a duplicate, by the hash of their key: one number a row, whatever the key. */
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
 * One row of each key, of the rows that may have a duplicate: the newest, or the newest filled up from those before it.
 * @param pass of a number of passes over keys apart, so that each fits into memory
 */
export function winnersSql(dataset: Keyed, staged: string, pass: { readonly at: number; readonly of: number }): string {
  const { contract, newestBy, duplicates } = dataset
  const names = contract.columns.map(({ name }) => name)
  const order = [
    ...newestBy.map((name) => `${identifier(name)} DESC NULLS LAST`),
    `${FILE} DESC`,
    `${ORDINAL} DESC`,
  ].join(', ')
  const rows = `${sharedRows(dataset, staged)}${pass.of === 1 ? '' : ` AND hash(${keyOf(dataset)}) % ${pass.of} = ${pass.at}`}`
  if (duplicates === 'newest' || contract.primaryKey.length === 0) {
    return `SELECT ${identifiers(names)} ${rows} QUALIFY row_number() OVER (PARTITION BY ${keyOf(dataset)} ORDER BY ${order}) = 1 ORDER BY ${FILE}, ${ORDINAL}`
  }
  const columns = names.map((name) => {
    if (contract.primaryKey.includes(name)) return identifier(name)
    return `first(${identifier(name)} ORDER BY ${order}) FILTER (WHERE ${identifier(name)} IS NOT NULL) AS ${identifier(name)}`
  })
  return `SELECT ${columns.join(', ')} ${rows} GROUP BY ${keyOf(dataset)} ORDER BY ${keyOf(dataset)}`
}

/** The rows of the task: good ones without a duplicate as they are staged, then one of each key that had several. */
export function refinedRowsSql(dataset: Keyed, staged: string, winners: readonly string[]): string {
  const names = identifiers(dataset.contract.columns.map(({ name }) => name))
  const good = `SELECT ${names} FROM ${staged} WHERE ${RULES} IS NULL`
  if (winners.length === 0) return good
  return `${good} AND hash(${keyOf(dataset)}) NOT IN (SELECT h FROM ${SHARED})
UNION ALL SELECT ${names} FROM read_parquet([${winners.map(literal).join(', ')}])`
}
