import { identifier, literal } from '@cinelake/sql'
import { createReadStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { LandedFile } from '@cinelake/contracts'
import type { SqlEngine, SqlSession } from '@cinelake/engine'
import { landObject, type Lake } from '@cinelake/lake'
import { databaseSourceErrors, fullName, type DatabaseLocation } from '../errors.ts'
import { LIMITS, NOT_UNICODE, PartOfRows, RowSource, type PartLimits } from './part-of-rows.ts'
import type { SourceColumn, SourceRow, SourceTable } from '../source-database.ts'

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
 * Writes at least one file: an empty one still has the schema. A value that does not fit its type lands as its text,
 * beside the typed columns (`LandedFile.unfit`).
 *
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
  part: PartOfRows,
  target: Target,
): Promise<LandedFile> {
  const { table, place, folder, signal } = target
  const { rowCount } = part
  const { query, unfit } = await writeParquet(session, file, part, target)
  const [found] = await session.rows<{ n: number }>(`SELECT count(*) AS n FROM read_parquet(${literal(file)})`, {
    signal,
  })
  if (Number(found?.n) !== rowCount)
    throw databaseSourceErrors.DATABASE_ROWS_LOST(place, table.table, rowCount, Number(found?.n))
  if (target.compare === true) {
    const compare = async () => await compareFile(session, file, query, target)
    await (unfit === undefined ? compare() : asWritten(session, compare))
  }
  const name = file.slice(file.lastIndexOf('part-'))
  const landed = await landObject(lake, `${folder}/${name}`, () => createReadStream(file), { signal })
  await rm(file)
  return { ...landed, name: `${fullName(table.table)}/${name}`, rowCount, ...(unfit && { unfit }) }
}

type Written = { readonly query: string; readonly unfit?: LandedFile['unfit'] }

/** All values are typed at once; only where that fails, or texts are not Unicode, each is looked at. */
async function writeParquet(
  session: SqlSession,
  file: string,
  part: PartOfRows,
  { table, signal }: Target,
): Promise<Written> {
  const write = async (query: string) => {
    const options = `FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${part.rowsPerGroup}`
    await session.run(`COPY (${query}) TO ${literal(file)} (${options})`, { signal })
  }
  let failure: unknown
  if (part.notUnicode.size === 0) {
    const query = typedRows(table)
    try {
      await write(query)
      return { query }
    } catch (error) {
      failure = error
    }
  }
  if (signal.aborted) throw failure
  return await asWritten(session, async () => {
    // The engine reports that a value does not convert, but neither which nor where.
    const unfit = await findUnfit(session, table, part, signal)
    if (unfit.length === 0) throw failure
    const column = unfitName(table)
    const query = rowsWithUnfit(table, unfit, column)
    await write(query)
    return { query, unfit: { column, of: unfit.map(({ name }) => name) } }
  })
}

/** The optimizer (1.5.6) computes an expression that occurs twice once, outside of the TRY that it is in. */
async function asWritten<Result>(session: SqlSession, work: () => Promise<Result>): Promise<Result> {
  await session.run('PRAGMA disable_optimizer')
  try {
    return await work()
  } finally {
    await session.run('PRAGMA enable_optimizer')
  }
}

function typedRows({ columns }: SourceTable): string {
  const values = columns.map(({ name, fromText }, index) => `${fromText(`c${index}`)} AS ${identifier(name)}`)
  return `SELECT ${values.join(', ')} FROM ${BUFFER}`
}

/** A column with values that do not fit, in SQL over the buffer. */
type UnfitColumn = {
  readonly index: number
  readonly name: string
  /** The value, NULL where it does not fit. */
  readonly value: string
  /** The text that does not fit, NULL where the value does. */
  readonly text: string
}

function unfitColumn(column: SourceColumn, index: number, { notUnicode }: PartOfRows): UnfitColumn {
  const { name, fromText, unfitText = (text: string) => text } = column
  const raw = `c${index}`
  const tried = `TRY(${fromText(raw)})`
  const misfit = `CASE WHEN ${raw} IS NOT NULL AND ${tried} IS NULL THEN ${unfitText(raw)} END`
  if (!notUnicode.has(index)) return { index, name, value: tried, text: misfit }
  const isEscaped = `starts_with(${raw}, ${literal(NOT_UNICODE)})`
  return {
    index,
    name,
    value: `CASE WHEN NOT ${isEscaped} THEN ${tried} END`,
    text: `CASE WHEN ${isEscaped} THEN substr(${raw}, ${NOT_UNICODE.length + 1}) ELSE ${misfit} END`,
  }
}

/** The typed rows, with a struct of the texts that do not fit; NULL in rows of which all values do. */
function rowsWithUnfit({ columns }: SourceTable, unfit: readonly UnfitColumn[], column: string): string {
  const values = columns.map(({ name, fromText }, index) => {
    const value = unfit.find((one) => one.index === index)?.value ?? fromText(`c${index}`)
    return `${value} AS ${identifier(name)}`
  })
  const fields = unfit.map(({ name, text }) => `${identifier(name)} := ${text}`).join(', ')
  const any = unfit.map(({ text }) => `${text} IS NOT NULL`).join(' OR ')
  return `SELECT ${values.join(', ')}, CASE WHEN ${any} THEN struct_pack(${fields}) END AS ${identifier(column)} FROM ${BUFFER}`
}

/** A name that no column of the table has. */
function unfitName({ columns }: SourceTable): string {
  const names = new Set(columns.map(({ name }) => name.toLowerCase()))
  let name = 'cinelake.unfit'
  while (names.has(name)) name += '_'
  return name
}

async function compareFile(
  session: SqlSession,
  file: string,
  query: string,
  { table, place, signal }: Target,
): Promise<void> {
  const differing = `SELECT count(*) AS n FROM (${query} EXCEPT ALL SELECT * FROM read_parquet(${literal(file)}))`
  const [found] = await session.rows<{ n: number }>(differing, { signal })
  if (Number(found?.n) > 0) throw databaseSourceErrors.DATABASE_FILE_DIFFERS(place, table.table, Number(found?.n))
}

/** The columns with values that do not fit, in one pass over the buffer. */
async function findUnfit(
  session: SqlSession,
  table: SourceTable,
  part: PartOfRows,
  signal: AbortSignal,
): Promise<readonly UnfitColumn[]> {
  const columns = table.columns.map((column, index) => unfitColumn(column, index, part))
  const counts = columns.map(({ text }, index) => `count(${text}) AS n${index}`).join(', ')
  const [found] = await session.rows<Record<string, number>>(`SELECT ${counts} FROM ${BUFFER}`, { signal })
  return columns.filter(({ index }) => Number(found?.[`n${index}`]) > 0)
}
