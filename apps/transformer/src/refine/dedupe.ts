import { identifier, literal } from '@cinelake/sql'
import { join } from 'node:path'
import type { SqlSession } from '@cinelake/engine'
import type { CheckedDataset } from '@cinelake/pipeline'
import { refinedRowsSql, sharedCountSql, sharedHashesSql, stagedRelation, winnersSql } from './dedupe-sql.ts'
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
  const staged = stagedRelation(files.map(({ path }) => path))
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
