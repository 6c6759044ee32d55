import type { SqlSession } from '@cinelake/engine'
import type { CheckedDataset } from '@cinelake/pipeline'
import { identifier, identifiers, literal } from '@cinelake/sql'
import { join } from 'node:path'
import { keyOf, winningRows } from './row-order.ts'
import { RULES, stagedRelation } from './stage-sql.ts'
import type { StagedFile } from './staged-file.ts'

/** Rows of which one pass chooses the winners: the memory for sorting them stays small compared with any limit. */
const ROWS_PER_PASS = 500_000

export type DedupedRows = {
  /** A query for the task's rows: the contract's columns in order. */
  readonly query: string
  readonly duplicateCount: number
}

type Deps = { readonly session: SqlSession; readonly directory: string; readonly signal: AbortSignal }

/** Keeps one row of each key. Memory holds only the hashes of keys, and the rows that share one. */
export async function dedupe(
  files: readonly StagedFile[],
  dataset: CheckedDataset,
  { session, directory, signal }: Deps,
): Promise<DedupedRows> {
  if (files.length === 0) return { query: noRows(dataset), duplicateCount: 0 }
  const staged = stagedRelation(
    files.map(({ path }) => path),
    dataset.contract,
  )
  await session.run(sharedHashesSql(dataset, staged), { signal })
  const sharedCount = await count(session, sharedCountSql(dataset, staged), signal)
  const winners: string[] = []
  const passCount = Math.ceil(sharedCount / ROWS_PER_PASS)
  for (let at = 0; at < passCount; at++) {
    const path = join(directory, `winners-${at}.parquet`)
    await session.run(
      `COPY (${winnersSql(dataset, staged, { at, of: passCount })}) TO ${literal(path)} (FORMAT parquet, COMPRESSION snappy)`,
      { signal },
    )
    winners.push(path)
  }
  const winnerCount =
    passCount === 0
      ? 0
      : await count(
          session,
          `SELECT count(*) AS "rowCount" FROM read_parquet([${winners.map(literal).join(', ')}])`,
          signal,
        )
  return { query: refinedRowsSql(dataset, staged, winners), duplicateCount: sharedCount - winnerCount }
}

async function count(session: SqlSession, sql: string, signal: AbortSignal): Promise<number> {
  const [row] = await session.rows<{ rowCount: number }>(sql, { signal })
  return row?.rowCount ?? 0
}

function noRows({ contract }: CheckedDataset): string {
  const columns = contract.columns.map(({ name, type }) => `CAST(NULL AS ${type}) AS ${identifier(name)}`)
  return `SELECT ${columns.join(', ')} WHERE false`
}

/**
 * Table of the hashes that more than one good row has; nearly always short. A hash may differ between versions of the
 * engine: never stored.
 */
const SHARED = identifier('cinelake.shared')

type Keyed = Pick<CheckedDataset, 'contract' | 'newestBy' | 'duplicates'>

/** Finds the rows that may have a duplicate, by the hash of their key: one number per row, whatever the key. */
function sharedHashesSql(dataset: Keyed, staged: string): string {
  return `CREATE OR REPLACE TEMP TABLE ${SHARED} AS
SELECT hash(${keyOf(dataset)}) AS h FROM ${staged} WHERE ${RULES} IS NULL GROUP BY ALL HAVING count(*) > 1`
}

function sharedRows(dataset: Keyed, staged: string): string {
  return `FROM ${staged} WHERE ${RULES} IS NULL AND hash(${keyOf(dataset)}) IN (SELECT h FROM ${SHARED})`
}

/** How many rows may have a duplicate. */
function sharedCountSql(dataset: Keyed, staged: string): string {
  return `SELECT count(*) AS "rowCount" ${sharedRows(dataset, staged)}`
}

/**
 * One row of each key, among the rows that may have a duplicate.
 * @param pass one of several passes over disjoint sets of keys, so that each fits into memory
 */
function winnersSql(dataset: Keyed, staged: string, pass: { readonly at: number; readonly of: number }): string {
  const ofPass = pass.of === 1 ? '' : ` AND hash(${keyOf(dataset)}) % ${pass.of} = ${pass.at}`
  return winningRows(dataset, `${sharedRows(dataset, staged)}${ofPass}`)
}

/** The rows of the task: good ones without a duplicate as staged, then one of each key that had several. */
function refinedRowsSql(dataset: Keyed, staged: string, winners: readonly string[]): string {
  const names = identifiers(dataset.contract.columns.map(({ name }) => name))
  const good = `SELECT ${names} FROM ${staged} WHERE ${RULES} IS NULL`
  if (winners.length === 0) return good
  return `${good} AND hash(${keyOf(dataset)}) NOT IN (SELECT h FROM ${SHARED})
UNION ALL SELECT ${names} FROM read_parquet([${winners.map(literal).join(', ')}])`
}
