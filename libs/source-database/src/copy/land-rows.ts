import { identifier, literal } from '@cinelake/sql'
import { createReadStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { LandedFile } from '@cinelake/contracts'
import type { SqlEngine, SqlSession } from '@cinelake/engine'
import { landObject, type Lake } from '@cinelake/lake'
import { databaseSourceErrors, fullName, type DatabaseLocation } from '../errors.ts'
import { LIMITS, PartOfRows, RowSource, type PartLimits } from './part-of-rows.ts'
import type { SourceRow, SourceTable } from '../source-database.ts'

type Deps = { readonly lake: Lake; readonly engine: SqlEngine }
type Target = {
  readonly table: SourceTable
  readonly place: DatabaseLocation
  /** Lake path of the folder for the parts. */
  readonly folder: string
  /** The range, included in the names of its files, so that these sort in order. */
  readonly range?: number
  /** Compares the files with the rows that were read, value by value. */
  readonly compare?: boolean
  readonly limits?: PartLimits
  readonly signal: AbortSignal
  readonly progress: (done: { rowCount: number; sizeBytes: number }) => void
}

/**
 * Lands rows of text as typed Parquet, in files of bounded size. The same rows in the same order give the same bytes.
 * Writes at least one file: an empty one still has the schema.
 *
 * @throws {DATABASE_VALUE_UNFIT} terminal
 * @throws {DATABASE_ROWS_LOST} transient: a file has another number of rows than were written
 */
export async function landRows(
  { lake, engine }: Deps,
  rows: AsyncIterable<readonly SourceRow[]>,
  target: Target,
): Promise<LandedFile[]> {
  const { table, signal, limits = LIMITS } = target
  await using session = await engine.session()
  await using scratch = await lake.scratch()
  const parts: LandedFile[] = []
  const landPart = async (part: PartOfRows) => {
    const number = [...(target.range === undefined ? [] : [target.range]), parts.length]
    const name = ['part', ...number.map((each) => String(each).padStart(5, '0'))].join('-')
    const file = join(scratch.directory, `${name}.parquet`)
    parts.push(await landFile(lake, session, file, part, target))
  }
  const source = new RowSource(rows)
  const report = (held: number) =>
    target.progress({
      rowCount: held + parts.reduce((sum, { rowCount = 0 }) => sum + rowCount, 0),
      sizeBytes: parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    })
  try {
    do {
      await emptyBuffer(session, table)
      const part = new PartOfRows(source, limits, report)
      await session.append(BUFFER, part.batches(), { signal })
      if (part.rowCount > 0 || parts.length === 0) await landPart(part)
    } while (!source.isAtEnd)
  } finally {
    await source.close()
  }
  return parts
}

const BUFFER = 'read_rows'

async function emptyBuffer(session: SqlSession, { columns }: SourceTable): Promise<void> {
  await session.run(
    `CREATE OR REPLACE TEMP TABLE ${BUFFER} (${columns.map((_, index) => `c${index} VARCHAR`).join(', ')})`,
  )
}

async function landFile(
  lake: Lake,
  session: SqlSession,
  file: string,
  { rowCount, rowsPerGroup }: PartOfRows,
  target: Target,
): Promise<LandedFile> {
  const { table, place, folder, signal } = target
  await writeParquet(session, file, rowsPerGroup, target)
  const [found] = await session.rows<{ n: number }>(`SELECT count(*) AS n FROM read_parquet(${literal(file)})`, {
    signal,
  })
  if (Number(found?.n) !== rowCount)
    throw databaseSourceErrors.DATABASE_ROWS_LOST(place, table.table, rowCount, Number(found?.n))
  if (target.compare === true) await compareFile(session, file, target)
  const name = file.slice(file.lastIndexOf('part-'))
  const landed = await landObject(lake, `${folder}/${name}`, () => createReadStream(file), { signal })
  await rm(file)
  return { ...landed, name: `${fullName(table.table)}/${name}`, rowCount }
}

async function writeParquet(
  session: SqlSession,
  file: string,
  rowsPerGroup: number,
  { table, place, signal }: Target,
): Promise<void> {
  const copy = `COPY (${typedRows(table)}) TO ${literal(file)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${rowsPerGroup})`
  try {
    await session.run(copy, { signal })
  } catch (error) {
    // The engine reports that a value does not convert, but not of which column: find out with a query.
    throw (await findUnfit(session, table, place, signal)) ?? error
  }
}

function typedRows({ columns }: SourceTable): string {
  const values = columns.map(({ name, fromText }, index) => `${fromText(`c${index}`)} AS ${identifier(name)}`)
  return `SELECT ${values.join(', ')} FROM ${BUFFER}`
}

async function compareFile(session: SqlSession, file: string, { table, place, signal }: Target): Promise<void> {
  const differing = `SELECT count(*) AS n FROM (${typedRows(table)} EXCEPT ALL SELECT * FROM read_parquet(${literal(file)}))`
  const [found] = await session.rows<{ n: number }>(differing, { signal })
  if (Number(found?.n) > 0) throw databaseSourceErrors.DATABASE_FILE_DIFFERS(place, table.table, Number(found?.n))
}

async function findUnfit(
  session: SqlSession,
  table: SourceTable,
  place: DatabaseLocation,
  signal: AbortSignal,
): Promise<Error | undefined> {
  if (signal.aborted) return undefined
  for (const [index, column] of table.columns.entries()) {
    const unfit = `SELECT count(*) AS n FROM ${BUFFER} WHERE c${index} IS NOT NULL AND TRY(${column.fromText(`c${index}`)}) IS NULL`
    const [found] = await session.rows<{ n: number }>(unfit, { signal })
    if (Number(found?.n) > 0)
      return databaseSourceErrors.DATABASE_VALUE_UNFIT(place, table.table, column, Number(found?.n))
  }
  return undefined
}
