import { identifier, literal } from '@cinelake/sql'
import { ConfigError } from '@cinelake/core'
import { csvRow, guardFormula } from '@cinelake/csv'
import type { SqlEngine } from '@cinelake/engine'
import type { QueryBatch } from '@cinelake/warehouse'
import { XlsxWriter, type XlsxCell } from '@cinelake/xlsx'
import { randomBytes } from 'node:crypto'
import { copyFile, link, lstat, open, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { toJson } from './format-value.ts'

export const ROW_FORMATS = ['csv', 'parquet', 'xlsx', 'jsonl'] as const
export type RowFormat = (typeof ROW_FORMATS)[number]

/** Passes on all rows of a query, batch by batch, at least one batch. */
export type RowSource = (take: (batch: QueryBatch) => Promise<void>) => Promise<void>

type Value = QueryBatch['rows'][number][number]

type WriteOptions = {
  readonly format: RowFormat
  /** Overwrites an existing file. */
  readonly force: boolean
  /** CSV: an apostrophe before texts that a spreadsheet would evaluate. */
  readonly guardFormulas: boolean
  /** Creates the engine for Parquet, where it is needed. */
  readonly scratchDirectory: string
  readonly openEngine: () => Promise<SqlEngine>
}

/**
 * Writes the rows of a query into a file, which appears complete or not at all. Rows are streamed, so that their number
 * does not matter.
 * @returns how many rows
 * @throws {ConfigError} terminal: the file exists, or cannot be written
 */
export async function writeRows(file: string, source: RowSource, options: WriteOptions): Promise<number> {
  if (!options.force && (await lstat(file).catch(() => undefined)) !== undefined) throw isThere(file)
  const draft = `${file}.${randomBytes(6).toString('hex')}.part`
  try {
    const rowCount =
      options.format === 'parquet'
        ? await writeParquet(draft, source, options)
        : await writeText(draft, source, options)
    await publish(draft, file, options.force)
    return rowCount
  } catch (error) {
    if (!(error instanceof Error) || !('syscall' in error)) throw error
    throw new ConfigError('the rows cannot be written', [`${file}: ${error.message}`], { cause: error })
  } finally {
    await rm(draft, { force: true })
  }
}

async function publish(draft: string, file: string, force: boolean): Promise<void> {
  if (force) return await rename(draft, file)
  try {
    await link(draft, file)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') throw isThere(file)
    // A file system without hard links.
    await rename(draft, file)
  }
}

function isThere(file: string): ConfigError {
  return new ConfigError('the rows cannot be written', [`${file}: expected no such file, got one; --force replaces it`])
}

async function writeText(draft: string, source: RowSource, { format, guardFormulas }: WriteOptions): Promise<number> {
  await using handle = await open(draft, 'wx')
  let rowCount = 0
  if (format === 'xlsx') {
    let workbook: XlsxWriter | undefined
    await source(async ({ columns, rows }) => {
      workbook ??= new XlsxWriter(
        handle,
        columns.map(({ name }) => name),
      )
      await workbook.add(rows.map((row) => row.map((value, index) => xlsxCell(value, columns[index]?.type ?? ''))))
      rowCount += rows.length
    })
    await workbook?.end()
  } else {
    await source(async (batch) => {
      await handle.writeFile(batchText(batch, { format, guardFormulas, isFirst: rowCount === 0 }))
      rowCount += batch.rows.length
    })
  }
  await handle.sync()
  return rowCount
}

/** A batch as CSV (RFC 4180, with the columns' names in front) or as JSON lines, an object for each row. */
export function batchText(
  { columns, rows }: QueryBatch,
  {
    format,
    guardFormulas,
    isFirst,
  }: { readonly format: RowFormat; readonly guardFormulas: boolean; readonly isFirst: boolean },
): string {
  if (format === 'jsonl') {
    return rows
      .map((row) => `${toJson(Object.fromEntries(columns.map(({ name }, index) => [name, row[index] ?? null])), 0)}\n`)
      .join('')
  }
  const cells = (row: readonly Value[]) =>
    row.map((value) => {
      const text = plainText(value)
      return text === null || !guardFormulas || typeof value !== 'string' ? text : guardFormula(text)
    })
  const head = isFirst ? [columns.map(({ name }) => (guardFormulas ? guardFormula(name) : name))] : []
  return [...head, ...rows.map(cells)].map((row) => `${csvRow(row)}\n`).join('')
}

/** Decimals and times are already text; lists and objects become JSON, bytes hex. */
function plainText(value: Value): string | null {
  if (value === null) return null
  if (typeof value === 'string') return value
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  return typeof value === 'object' ? toJson(value, 0) : String(value)
}

function xlsxCell(value: Value, type: string): XlsxCell {
  if (value === null) return { kind: 'empty' }
  if (typeof value === 'boolean') return { kind: 'boolean', value }
  const text = plainText(value) ?? ''
  if (typeof value === 'number' || typeof value === 'bigint' || /^(?:numeric|decimal)/i.test(type))
    return { kind: 'number', text }
  if (/^date$/i.test(type)) return { kind: 'date', text }
  return /^(?:timestamp|datetime)/i.test(type) ? { kind: 'instant', text } : { kind: 'text', text }
}

/** Database types mapped to the engine's; the digits of decimals are counted when all rows are there. */
const PARQUET_TYPES: readonly (readonly [pattern: RegExp, type: string])[] = [
  [/^(?:boolean|bit)$/i, 'BOOLEAN'],
  [/^(?:smallint|int2)$/i, 'SMALLINT'],
  [/^(?:integer|int)$/i, 'INTEGER'],
  [/^bigint$/i, 'BIGINT'],
  [/^(?:real|float4)$/i, 'FLOAT'],
  [/^(?:double|double precision|float(?:\(53\))?)$/i, 'DOUBLE'],
  [/^date$/i, 'DATE'],
  [/^time(?: without time zone)?(?:\(\d\))?$/i, 'TIME'],
  [/^(?:timestamp with time zone|datetimeoffset.*)$/i, 'TIMESTAMPTZ'],
  [/^(?:timestamp without time zone|timestamp|datetime.*|smalldatetime)$/i, 'TIMESTAMP'],
]
const DECIMAL = /^(?:numeric|decimal)/i
/** Most digits of the engine's decimals. */
const MAX_DIGITS = 38

async function writeParquet(
  draft: string,
  source: RowSource,
  { openEngine, scratchDirectory }: WriteOptions,
): Promise<number> {
  await using engine = await openEngine()
  await using session = await engine.session()
  let columns: QueryBatch['columns'] = []
  let rowCount = 0
  await source(async (batch) => {
    if (columns.length === 0) {
      columns = batch.columns
      await session.run(`CREATE TEMP TABLE result (${columns.map((_, index) => `c${index} VARCHAR`).join(', ')})`)
    }
    rowCount += batch.rows.length
    const texts = batch.rows.map((row) => row.map(plainText))
    // oxlint-disable-next-line unicorn/consistent-function-scoping -- of these rows
    async function* once() {
      yield texts
    }
    await session.append('result', once())
  })
  const selected: string[] = []
  for (const [index, { name, type }] of columns.entries()) {
    const known = PARQUET_TYPES.find(([pattern]) => pattern.test(type))?.[1]
    const wanted = DECIMAL.test(type) ? await decimalType(session, `c${index}`) : known
    selected.push(`${wanted === undefined ? `c${index}` : `CAST(c${index} AS ${wanted})`} AS ${identifier(name)}`)
  }
  const made = path.join(scratchDirectory, `${randomBytes(6).toString('hex')}.parquet`)
  try {
    await session.run(
      `COPY (SELECT ${selected.join(', ')} FROM result) TO ${literal(path.resolve(made))} (FORMAT parquet)`,
    )
    await copyFile(made, draft)
  } finally {
    await rm(made, { force: true })
  }
  return rowCount
}

/**
 * The smallest decimal that holds all values of a column; undefined where they have too many digits, or are not
 * numbers.
 */
async function decimalType(
  session: Awaited<ReturnType<SqlEngine['session']>>,
  column: string,
): Promise<string | undefined> {
  const digits = (part: number) => `coalesce(max(length(split_part(ltrim(${column}, '-'), '.', ${part}))), 0)::INTEGER`
  const [found] = await session.rows<{ whole: number; fraction: number; odd: number }>(
    `SELECT ${digits(1)} AS whole, ${digits(2)} AS fraction, count(*) FILTER (NOT regexp_full_match(${column}, '-?[0-9]+([.][0-9]+)?'))::INTEGER AS odd FROM result`,
  )
  if (found === undefined || found.odd > 0 || found.whole + found.fraction > MAX_DIGITS) return undefined
  return `DECIMAL(${Math.max(1, found.whole + found.fraction)}, ${found.fraction})`
}
