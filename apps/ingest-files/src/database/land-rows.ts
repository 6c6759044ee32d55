import { createReadStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { LandedFile, TableName } from '@cinelake/contracts'
import { identifier, literal, type SqlEngine, type SqlSession } from '@cinelake/engine'
import { landObject, type Lake } from '@cinelake/lake'
import { RowsLostError, ValueUnfitError, type DatabasePlace } from './errors.ts'
import type { SourceRow, SourceTable } from './source-database.ts'

/** Rows per Parquet file: what the engine holds at a time, and what a reader can take in parallel. */
const ROWS_PER_PART = 1_000_000
/** Characters per Parquet file, for wide rows. */
const CHARACTERS_PER_PART = 256 * 1024 * 1024

type Deps = { readonly lake: Lake; readonly engine: SqlEngine }
type Target = {
  readonly table: SourceTable
  readonly place: DatabasePlace
  /** Lake path of the folder that the parts go into. */
  readonly folder: string
  readonly limits?: { readonly rows: number; readonly characters: number }
  readonly signal: AbortSignal
  readonly progress: (done: { rowCount: number; sizeBytes: number }) => void
}

/**
 * Lands rows of text as typed Parquet, in files of bounded size. The same rows in the same order give the same bytes.
 * At least one file: an empty one still says which columns there are.
 *
 * @throws {ValueUnfitError} terminal
 * @throws {RowsLostError} transient: a file has other than as many rows as were put into it
 */
export async function landRows(
  { lake, engine }: Deps,
  rows: AsyncIterable<readonly SourceRow[]>,
  target: Target,
): Promise<LandedFile[]> {
  const { table, signal, limits = { rows: ROWS_PER_PART, characters: CHARACTERS_PER_PART } } = target
  await using session = await engine.session()
  await using scratch = await lake.scratch()
  const parts: LandedFile[] = []
  let held = { rows: 0, characters: 0 }
  const landPart = async () => {
    const file = join(scratch.directory, `part-${String(parts.length).padStart(5, '0')}.parquet`)
    parts.push(await landFile(lake, session, file, held.rows, target))
    held = { rows: 0, characters: 0 }
    await emptyBuffer(session, table)
  }
  await emptyBuffer(session, table)
  for await (const batch of rows) {
    held.rows += await session.append(BUFFER, one(batch), { signal })
    held.characters += charactersOf(batch)
    if (held.rows >= limits.rows || held.characters >= limits.characters) await landPart()
    target.progress({
      rowCount: held.rows + parts.reduce((sum, { rowCount = 0 }) => sum + rowCount, 0),
      sizeBytes: parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    })
  }
  if (held.rows > 0 || parts.length === 0) await landPart()
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
  rowCount: number,
  target: Target,
): Promise<LandedFile> {
  const { table, place, folder, signal } = target
  await writeParquet(session, file, target)
  const [found] = await session.rows<{ n: number }>(`SELECT count(*) AS n FROM read_parquet(${literal(file)})`, {
    signal,
  })
  if (Number(found?.n) !== rowCount) throw new RowsLostError(place, table.table, rowCount, Number(found?.n))
  const name = file.slice(file.lastIndexOf('part-'))
  const landed = await landObject(lake, `${folder}/${name}`, () => createReadStream(file), { signal })
  await rm(file)
  return { ...landed, name: `${nameOf(table.table)}/${name}`, rowCount }
}

async function writeParquet(session: SqlSession, file: string, { table, place, signal }: Target): Promise<void> {
  const values = table.columns.map(({ name, fromText }, index) => `${fromText(`c${index}`)} AS ${identifier(name)}`)
  const copy = `COPY (SELECT ${values.join(', ')} FROM ${BUFFER}) TO ${literal(file)} (FORMAT parquet, COMPRESSION zstd)`
  try {
    await session.run(copy, { signal })
  } catch (error) {
    // The engine says that a value does not convert, not of which column: ask it, now that it matters.
    throw (await findUnfit(session, table, place, signal)) ?? error
  }
}

async function findUnfit(
  session: SqlSession,
  table: SourceTable,
  place: DatabasePlace,
  signal: AbortSignal,
): Promise<ValueUnfitError | undefined> {
  if (signal.aborted) return undefined
  for (const [index, column] of table.columns.entries()) {
    const unfit = `SELECT count(*) AS n FROM ${BUFFER} WHERE c${index} IS NOT NULL AND TRY(${column.fromText(`c${index}`)}) IS NULL`
    const [found] = await session.rows<{ n: number }>(unfit, { signal })
    if (Number(found?.n) > 0) return new ValueUnfitError(place, table.table, column, Number(found?.n))
  }
  return undefined
}

function charactersOf(batch: readonly SourceRow[]): number {
  let characters = 0
  for (const row of batch) for (const value of row) characters += value?.length ?? 0
  return characters
}

async function* one<T>(value: T): AsyncGenerator<T> {
  yield value
}

function nameOf({ schema, name }: TableName): string {
  return `${schema}.${name}`
}
