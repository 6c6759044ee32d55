import type { SqlSession } from '@cinelake/engine'
import type { CheckedDataset } from '@cinelake/pipeline'
import { identifier, identifiers, literal } from '@cinelake/sql'
import { join } from 'node:path'
import { keyOf, winningRows } from './row-order.ts'
import { RULES, stagedRelation } from './stage-sql.ts'
import type { StagedFile } from './staged-file.ts'
import { NO_TWINS, type TwinFindings, lookAtTwins, plainKey, together } from './twin-keys.ts'

/** Rows of which one pass chooses the winners: the memory for sorting them stays small compared with any limit. */
const ROWS_PER_PASS = 500_000

export type DedupedRows = {
  /** A query for the task's rows: the contract's columns in order. */
  readonly query: string
  readonly duplicateCount: number
  readonly twins: TwinFindings
}

type Deps = { readonly session: SqlSession; readonly directory: string; readonly signal: AbortSignal }

/**
 * Keeps one row of each key; every row where there is no key, unless the dataset says otherwise. Memory holds only the
 * hashes of keys, and the rows that share one.
 */
export async function dedupe(
  files: readonly StagedFile[],
  dataset: CheckedDataset,
  { session, directory, signal }: Deps,
): Promise<DedupedRows> {
  if (files.length === 0) return { query: noRows(dataset), duplicateCount: 0, twins: NO_TWINS }
  const staged = stagedRelation(
    files.map(({ path }) => path),
    dataset.contract,
  )
  if (dataset.duplicates === 'keep')
    return { query: refinedRowsSql(dataset, staged, []), duplicateCount: 0, twins: NO_TWINS }
  await session.run(sharedHashesSql(dataset, staged), { signal })
  const sharedCount = await count(session, sharedCountSql(dataset, staged), signal)
  const winners: string[] = []
  let twins = NO_TWINS
  const passCount = Math.ceil(sharedCount / ROWS_PER_PASS)
  for (let at = 0; at < passCount; at++) {
    const path = join(directory, `winners-${at}.parquet`)
    const rows = sharedRows(dataset, staged, { at, of: passCount })
    await session.run(`COPY (${winningRows(dataset, rows)}) TO ${literal(path)} (FORMAT parquet, COMPRESSION snappy)`, {
      signal,
    })
    winners.push(path)
    if (dataset.contract.primaryKey.length > 0)
      twins = together(twins, await lookAtTwins(dataset, { rows, files }, { session, signal }))
  }
  const winnerCount =
    passCount === 0
      ? 0
      : await count(
          session,
          `SELECT count(*) AS "rowCount" FROM read_parquet([${winners.map(literal).join(', ')}])`,
          signal,
        )
  return { query: refinedRowsSql(dataset, staged, winners), duplicateCount: sharedCount - winnerCount, twins }
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

/** One number per row, whatever the key: rows of one key have the same, and so do those whose keys look alike. */
function hashOf(dataset: Keyed): string {
  return `hash(${dataset.contract.primaryKey.length === 0 ? keyOf(dataset) : plainKey(dataset)})`
}

/** Finds the rows that may have a duplicate. */
function sharedHashesSql(dataset: Keyed, staged: string): string {
  return `CREATE OR REPLACE TEMP TABLE ${SHARED} AS
SELECT ${hashOf(dataset)} AS h FROM ${staged} WHERE ${RULES} IS NULL GROUP BY ALL HAVING count(*) > 1`
}

/**
 * The rows that may have a duplicate: a FROM clause and those after it.
 * @param pass one of several passes over disjoint sets of keys, so that each fits into memory
 */
function sharedRows(
  dataset: Keyed,
  staged: string,
  { at, of }: { readonly at: number; readonly of: number } = { at: 0, of: 1 },
): string {
  const ofPass = of === 1 ? '' : ` AND ${hashOf(dataset)} % ${of} = ${at}`
  return `FROM ${staged} WHERE ${RULES} IS NULL AND ${hashOf(dataset)} IN (SELECT h FROM ${SHARED})${ofPass}`
}

/** How many rows may have a duplicate. */
function sharedCountSql(dataset: Keyed, staged: string): string {
  return `SELECT count(*) AS "rowCount" ${sharedRows(dataset, staged)}`
}

/** The rows of the task: good ones without a duplicate as staged, then one of each key that had several. */
function refinedRowsSql(dataset: Keyed, staged: string, winners: readonly string[]): string {
  const names = identifiers(dataset.contract.columns.map(({ name }) => name))
  const good = `SELECT ${names} FROM ${staged} WHERE ${RULES} IS NULL`
  if (winners.length === 0) return good
  return `${good} AND ${hashOf(dataset)} NOT IN (SELECT h FROM ${SHARED})
UNION ALL SELECT ${names} FROM read_parquet([${winners.map(literal).join(', ')}])`
}
