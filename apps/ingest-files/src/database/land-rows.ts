import { createReadStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { LandedFile, TableName } from '@cinelake/contracts'
import { identifier, literal, type SqlEngine, type SqlSession } from '@cinelake/engine'
import { landObject, type Lake } from '@cinelake/lake'
import { FileDiffersError, RowsLostError, ValueUnfitError, type DatabasePlace } from './errors.ts'
import type { SourceRow, SourceTable } from './source-database.ts'

/** Rows per Parquet file: what the engine holds at a time, and what a reader can take in parallel. */
const ROWS_PER_PART = 1_000_000
/** Characters per Parquet file, for wide rows. */
const CHARACTERS_PER_PART = 256 * 1024 * 1024

type Deps = { readonly lake: Lake; readonly engine: SqlEngine }
type Limits = { readonly rows: number; readonly characters: number }
type Target = {
  readonly table: SourceTable
  readonly place: DatabasePlace
  /** Lake path of the folder that the parts go into. */
  readonly folder: string
  /** Of a part of the table: goes into the names of its files, so that these are in order. */
  readonly range?: number
  /** Compares the files with what was read, value by value. */
  readonly compare?: boolean
  readonly limits?: Limits
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
  const landPart = async (rowCount: number) => {
    const number = [...(target.range === undefined ? [] : [target.range]), parts.length]
    const name = ['part', ...number.map((each) => String(each).padStart(5, '0'))].join('-')
    const file = join(scratch.directory, `${name}.parquet`)
    parts.push(await landFile(lake, session, file, rowCount, target))
  }
  const batches = rows[Symbol.asyncIterator]()
  const report = (held: number) =>
    target.progress({
      rowCount: held + parts.reduce((sum, { rowCount = 0 }) => sum + rowCount, 0),
      sizeBytes: parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    })
  try {
    for (let isLast = false; !isLast;) {
      await emptyBuffer(session, table)
      const part = new PartOfRows(batches, limits, report)
      const rowCount = await session.append(BUFFER, part.batches(), { signal })
      isLast = part.isLast
      if (rowCount > 0 || parts.length === 0) await landPart(rowCount)
    }
  } finally {
    await batches.return?.(undefined)
  }
  return parts
}

/** The batches that go into one file: as many as it takes. */
class PartOfRows {
  readonly #source: AsyncIterator<readonly SourceRow[]>
  readonly #limits: Limits
  readonly #report: (rowCount: number) => void
  /** Whether there are no rows after these. */
  isLast = false

  constructor(source: AsyncIterator<readonly SourceRow[]>, limits: Limits, report: (rowCount: number) => void) {
    this.#source = source
    this.#limits = limits
    this.#report = report
  }

  async *batches(): AsyncGenerator<readonly SourceRow[]> {
    let [rows, characters] = [0, 0]
    while (rows < this.#limits.rows && characters < this.#limits.characters) {
      const next = await this.#source.next()
      if (next.done === true) {
        this.isLast = true
        return
      }
      yield next.value
      rows += next.value.length
      characters += charactersOf(next.value)
      this.#report(rows)
    }
  }
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
  if (target.compare === true) await compareFile(session, file, target)
  const name = file.slice(file.lastIndexOf('part-'))
  const landed = await landObject(lake, `${folder}/${name}`, () => createReadStream(file), { signal })
  await rm(file)
  return { ...landed, name: `${nameOf(table.table)}/${name}`, rowCount }
}

async function writeParquet(session: SqlSession, file: string, { table, place, signal }: Target): Promise<void> {
  const copy = `COPY (${typedRows(table)}) TO ${literal(file)} (FORMAT parquet, COMPRESSION zstd)`
  try {
    await session.run(copy, { signal })
  } catch (error) {
    // The engine says that a value does not convert, not of which column: ask it, now that it matters.
    throw (await findUnfit(session, table, place, signal)) ?? error
  }
}

/** What was read, as it lands. */
function typedRows({ columns }: SourceTable): string {
  const values = columns.map(({ name, fromText }, index) => `${fromText(`c${index}`)} AS ${identifier(name)}`)
  return `SELECT ${values.join(', ')} FROM ${BUFFER}`
}

async function compareFile(session: SqlSession, file: string, { table, place, signal }: Target): Promise<void> {
  const differing = `SELECT count(*) AS n FROM (${typedRows(table)} EXCEPT ALL SELECT * FROM read_parquet(${literal(file)}))`
  const [found] = await session.rows<{ n: number }>(differing, { signal })
  if (Number(found?.n) > 0) throw new FileDiffersError(place, table.table, Number(found?.n))
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

function nameOf({ schema, name }: TableName): string {
  return `${schema}.${name}`
}
