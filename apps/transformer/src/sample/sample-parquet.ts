import { SqlFailedError } from '@cinelake/engine'
import { identifier } from '@cinelake/sql'
import { join } from 'node:path'
import type { FileReading } from '@cinelake/pipeline'
import type { UnpackedFile } from '../read-csv/unpack-file.ts'
import { FileUnreadableError } from '../refine/errors.ts'
import { landedParquet, readReceived } from '../refine/stage-sql.ts'
import { broughtTo, type FileSample, type SampleContext, TRIED, triedColumn } from './file-sample.ts'

/** Reads the first rows of a Parquet file. @throws {FileUnreadableError} terminal: it is damaged */
export async function sampleParquet(
  { name, file }: UnpackedFile,
  { nulls }: FileReading,
  { session, limit, directory }: SampleContext,
): Promise<FileSample> {
  const damaged = (error: unknown): never => {
    const isDamaged =
      error instanceof SqlFailedError ||
      (error instanceof Error && 'code' in error && error.code === 'ENGINE_FILE_DAMAGED')
    if (!isDamaged) throw error
    throw new FileUnreadableError(name, { line: 1 }, 'a whole Parquet file', 'a damaged or incomplete one', {
      cause: error,
    })
  }
  const relation = landedParquet(await broughtTo(join(directory, 'tried.parquet'), file))
  const landed = await session.describe(`SELECT * FROM ${relation}`).catch(damaged)
  const fields = landed.map((column, index) => `${identifier(column.name)} AS ${triedColumn(index)}`)
  await session
    .run(`CREATE OR REPLACE TEMP TABLE ${TRIED} AS SELECT ${fields.join(', ')} FROM ${relation} LIMIT ${limit}`)
    .catch(damaged)
  const [found] = await session.rows<{ rows: number | bigint; all: number | bigint }>(
    `SELECT (SELECT count(*) FROM ${TRIED}) AS "rows", (SELECT count(*) FROM ${relation}) AS "all"`,
  )
  const rowCount = Number(found?.rows ?? 0)
  return {
    facts: [['written', 'Parquet']],
    columns: landed.map((column) => ({ name: column.name, type: column.type })),
    read: {},
    isInOrder: false,
    rowCount,
    unreadCount: 0,
    isAll: rowCount === Number(found?.all ?? 0),
    readColumn: (column, index) => readReceived(column, triedColumn(index), landed[index]?.type ?? 'VARCHAR', nulls),
  }
}
