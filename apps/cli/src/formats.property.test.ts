// @module-tag slow: runs whole pipelines
import { DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import writeXlsxFile from 'write-excel-file/node'
import { cinelake } from './testing.fixture.ts'
import { literal } from '@cinelake/sql'
import { temporaryDirectory } from '@cinelake/testkit'

/*
 * Tables of random values are written in each format by nothing of ours, and run from a folder into the mart: a row is
 * there with its values, or it is a reject that names it. There is nothing third.
 */

/** A row as it is meant. Numbers, days and moments are text, so that no value is lost before it is written. */
type Row = {
  readonly id: number
  readonly text: string | null
  readonly whole: string | null
  readonly amount: string | null
  readonly measure: string | null
  readonly flag: boolean | null
  readonly day: string | null
  /** UTC, `2026-03-01T10:00:00.000001Z`. */
  readonly moment: string | null
}
type Column = Exclude<keyof Row, 'id'>

const TYPES = {
  id: 'BIGINT',
  text: 'VARCHAR',
  whole: 'BIGINT',
  amount: 'DECIMAL(18,4)',
  measure: 'DOUBLE',
  flag: 'BOOLEAN',
  day: 'DATE',
  moment: 'TIMESTAMP WITH TIME ZONE',
} as const satisfies Record<keyof Row, string>
const NAMES = Object.keys(TYPES) as (keyof Row)[]
const FORMATS = ['csv', 'json', 'ndjson', 'parquet', 'xlsx', 'xml', 'fixed'] as const
type Format = (typeof FORMATS)[number]

const edge = fc.constantFrom('', ' ', '\t', ' ', '​')
const words = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.string({ unit: fc.constantFrom(',', ';', '"', "'", '\n', '\r', '\\', '|', '\t', 'a', '\0', '=', '#') }),
  fc.constantFrom('NULL', 'null', 'N/A', '-', 'true', '1.0', '[1,2]', '{"a":1}', '0012', '1e5', 'Total', '(2 rows)'),
)
const text = fc.tuple(edge, words, edge).map((parts) => parts.join(''))
const digits = (maxLength: number) =>
  fc
    .tuple(fc.constantFrom('', '-'), fc.bigInt({ min: 0n, max: 10n ** BigInt(maxLength) }))
    .map(([sign, number]) => (number === 0n ? '0' : `${sign}${number}`))
const whole = fc.oneof(
  digits(6),
  digits(20),
  fc.constantFrom('9223372036854775807', '-9223372036854775808', '9223372036854775808', '9007199254740993'),
)
const amount = fc.oneof(
  fc
    .tuple(digits(14), fc.integer({ min: 0, max: 9999 }))
    .map(([all, part]) => `${all}.${String(part).padStart(4, '0')}`),
  fc
    .tuple(digits(15), fc.integer({ min: 1, max: 999_999 }))
    .map(([all, part]) => `${all}.${String(part).padStart(6, '0')}`),
)
const measure = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.constantFrom('0', '-0.5', '1e300', '5e-324', '0.1', '123456789012345680'),
)
const part = (max: number, min = 0) => fc.integer({ min, max }).map((value) => String(value).padStart(2, '0'))
const year = fc.oneof(fc.integer({ min: 1970, max: 2037 }), fc.integer({ min: 1, max: 9999 }))
const day = fc
  .tuple(year, part(12, 1), part(31, 1))
  .map(([of, month, date]) => `${String(of).padStart(4, '0')}-${month}-${date}`)
const moment = fc
  .tuple(day, part(23), part(59), part(59), fc.integer({ min: 0, max: 999_999 }))
  .map(([on, hour, minute, second, micro]) => `${on}T${hour}:${minute}:${second}.${String(micro).padStart(6, '0')}Z`)
const orNone = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { freq: 6 })
const table = fc
  .array(
    fc.record({
      text: orNone(text),
      whole: orNone(whole),
      amount: orNone(amount),
      measure: orNone(measure),
      flag: orNone(fc.boolean()),
      day: orNone(day),
      moment: orNone(moment),
    }),
    { minLength: 30, maxLength: 80 },
  )
  .map((rows) => rows.map((row, index): Row => ({ id: index + 1, ...row })))

/** Whether there is such a day. */
function exists(date: string): boolean {
  const [of = 0, month = 0, on = 0] = date.slice(0, 10).split('-').map(Number)
  const last = new Date(Date.UTC(2000, month, 0))
  last.setUTCFullYear(of, month, 0)
  return on <= last.getUTCDate()
}
const fits = (number: string, [before, after]: readonly [number, number]) => {
  const [all = '', rest = ''] = number.replace('-', '').split('.')
  return all.length <= before && rest.replace(/0+$/, '').length <= after
}
/** For each column what its type and the mart, a PostgreSQL, hold. */
const HOLDS: { readonly [Name in Column]: (value: NonNullable<Row[Name]>) => boolean } = {
  text: (value) => !value.includes('\0'),
  whole: (value) => BigInt.asIntN(64, BigInt(value)) === BigInt(value),
  amount: (value) => fits(value, [14, 4]),
  measure: () => true,
  flag: () => true,
  day: exists,
  moment: exists,
}
const isHeld = (row: Row) =>
  (Object.keys(HOLDS) as Column[]).every((name) => {
    const value = row[name]
    return value === null || (HOLDS[name] as (value: unknown) => boolean)(value)
  })

/**
 * What a row has in the mart, as text. In files of text alone a text without characters is no value, and its edges are not
 * text; cells and elements that are empty are none.
 */
function meant(row: Row, format: Format): Record<string, unknown> {
  const trimmed = row.text?.replaceAll(/^[\s​]+|[\s​]+$/gu, '') ?? ''
  return {
    id: row.id,
    text: format === 'csv' || format === 'fixed' ? trimmed || null : isFilled(format) ? row.text || null : row.text,
    whole: row.whole,
    amount: row.amount === null ? null : row.amount.replace(/^-(?=[0.]+$)/, '').slice(0, row.amount.indexOf('.') + 5),
    measure: row.measure === null ? null : Number(row.measure),
    flag: row.flag,
    day: row.day,
    moment: row.moment,
  }
}

const isFilled = (format: Format) => format === 'xlsx' || format === 'xml'

const csvField = (value: Row[keyof Row]) =>
  value === null
    ? ''
    : /^[\p{L}\p{N}.:-]+$/u.test(String(value))
      ? String(value)
      : `"${String(value).replaceAll('"', '""')}"`

const jsonValue = (name: keyof Row, value: Row[keyof Row]) =>
  value !== null && (name === 'whole' || name === 'amount' || name === 'measure')
    ? String(value)
    : JSON.stringify(value)
const jsonRecord = (row: Row) => `{${NAMES.map((name) => `"${name}":${jsonValue(name, row[name])}`).join(',')}}`

/** Parquet has wider numbers, and no day that does not exist. */
const PARQUET = { ...TYPES, whole: 'DECIMAL(38,0)', amount: 'DECIMAL(38,10)' }
const parquetRow = (row: Row): Row => ({
  ...row,
  day: row.day !== null && exists(row.day) ? row.day : null,
  moment: row.moment !== null && exists(row.moment) ? row.moment : null,
})
async function writeParquet(rows: readonly Row[], file: string): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const value = (row: Row, name: keyof Row) => {
    const of = row[name]
    // A text with NUL is no literal.
    const written = typeof of === 'string' ? of.split('\0').map(literal).join(' || chr(0) || ') : String(of)
    return `CAST(${of === null ? 'NULL' : written} AS ${PARQUET[name]}) AS "${name}"`
  }
  const selects = rows.map((row) => `SELECT ${NAMES.map((name) => value(row, name)).join(', ')}`)
  await connection.run(`COPY (${selects.join(' UNION ALL ')}) TO ${literal(file)} (FORMAT parquet)`)
  connection.disconnectSync()
  instance.closeSync()
}

/** XML has no control characters but line ends and tabs; Excel writes others, and what looks like that, by `_x0000_`. */
const xmlRow = (row: Row): Row => ({
  ...row,
  text: row.text?.replaceAll(/(?![\t\n])[\p{Cc}\ufffe\uffff]/gu, '').replaceAll('_x', '_') ?? null,
})
const escaped = (value: string) => value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
async function writeXml(rows: readonly Row[], file: string): Promise<void> {
  const field = (row: Row, name: keyof Row) =>
    row[name] === null ? '' : `<${name}>${escaped(String(row[name]))}</${name}>`
  const records = rows.map((row) => `<row>${NAMES.map((name) => field(row, name)).join('')}</row>\n`)
  await writeFile(file, `<?xml version="1.0"?>\n<rows>\n${records.join('')}</rows>`)
}

/** Moments that a sheet has as numbers: to the millisecond, in years in which such a number is exact. */
const isDateOfSheet = (date: string) => exists(date) && date >= '1901' && date < '2100'
/** A sheet has moments to the millisecond; other ones, and numbers of many digits, are written as text. */
const xlsxRow = (row: Row): Row => {
  const { moment: at } = row
  const { text: plain } = xmlRow(row)
  return {
    ...row,
    // The writer leaves these out.
    text: plain?.replaceAll(/[\ufffd\p{Noncharacter_Code_Point}]/gu, '') ?? null,
    moment: at !== null && isDateOfSheet(at) ? at.replace(/\d{3}Z$/, '000Z') : at,
  }
}
function xlsxCell(name: keyof Row, value: Row[keyof Row]): object | null {
  if (value === null || value === '') return null
  if (typeof value !== 'string') return { value }
  if (name === 'day' && isDateOfSheet(value)) return { value: new Date(value), type: Date, format: 'dd/mm/yyyy' }
  if (name === 'moment' && isDateOfSheet(value))
    return { value: new Date(value), type: Date, format: 'yyyy-mm-dd hh:mm:ss.000' }
  const isExact = (name === 'whole' || name === 'amount') && value.replaceAll(/\D/g, '').length <= 15
  return isExact || name === 'measure' ? { value: Number(value) } : { value, type: String }
}
async function writeXlsx(rows: readonly Row[], file: string): Promise<void> {
  const head = NAMES.map((name) => ({ value: name, type: String }))
  const written = rows.map((row) => NAMES.map((name) => xlsxCell(name, row[name])))
  await writeFile(file, await writeXlsxFile([head, ...written] as never).toBuffer())
}

/** A line has no line ends in it. */
const fixedRow = (row: Row): Row => ({ ...row, text: row.text?.replaceAll(/[\r\n\0]/g, '') ?? null })
/** Characters. A text has up to a dozen that are made of several. */
const WIDTHS = { id: 6, text: 400, whole: 24, amount: 26, measure: 28, flag: 6, day: 12, moment: 30 }
async function writeFixed(rows: readonly Row[], file: string): Promise<void> {
  const padded = (name: keyof Row, value: string) => value + ' '.repeat(WIDTHS[name] - Array.from(value).length)
  const lines = rows.map((row) => NAMES.map((name) => padded(name, String(row[name] ?? ''))).join(''))
  await writeFile(file, `${NAMES.map((name) => padded(name, name)).join('')}\n${lines.join('\n')}\n`)
}

const READ: { readonly [Name in Format]?: string } = {
  xml: '{ format: xml, records: $.rows.row }',
  fixed: `{ format: fixed-width, widths: [${Object.values(WIDTHS).join(', ')}] }`,
}

const WRITERS: { readonly [Name in Format]: (rows: readonly Row[], file: string) => Promise<void> } = {
  csv: async (rows, file) => {
    const lines = rows.map((row) => NAMES.map((name) => csvField(row[name])).join(','))
    await writeFile(file, `${NAMES.join(',')}\n${lines.join('\n')}\n`)
  },
  json: async (rows, file) => await writeFile(file, `[${rows.map(jsonRecord).join(',\n')}]`),
  ndjson: async (rows, file) => await writeFile(file, rows.map((row) => `${jsonRecord(row)}\n`).join('')),
  parquet: writeParquet,
  xlsx: writeXlsx,
  xml: writeXml,
  fixed: writeFixed,
}

let directory: Awaited<ReturnType<typeof temporaryDirectory>>
let folder: string
beforeAll(async () => {
  directory = await temporaryDirectory()
  folder = join(directory.path, 'formats')
  await mkdir(join(folder, 'contracts'), { recursive: true })
  await mkdir(join(folder, 'drop'))
  const datasets = FORMATS.map(
    (format) =>
      `      of_${format}: { files: 'rows_{yyyy}{MM}{dd}.${format}', mode: snapshot, maxRejected: 100%${READ[format] === undefined ? '' : `, read: ${READ[format]}`} }`,
  )
  const pipeline = [
    'pipeline: formats',
    'schedule: { every: day, timeZone: UTC, start: 2026-03-01 }',
    'sources:',
    `  drop: { type: files, path: ${JSON.stringify(join(folder, 'drop'))}, datasets: {`,
    `${datasets.join(',\n')} } }`,
    `serve: [${FORMATS.map((format) => `of_${format}`).join(', ')}]`,
  ]
  await writeFile(join(folder, 'pipeline.yaml'), `${pipeline.join('\n')}\n`)
  for (const format of FORMATS) {
    const columns = NAMES.map(
      (name) => `      - { name: ${name}, physicalType: '${TYPES[name]}', required: ${name === 'id'} }`,
    )
    const contract = [
      'apiVersion: v3.1.0',
      'kind: DataContract',
      `id: of-${format}`,
      'version: 1.0.0',
      'status: active',
      'schema:',
      `  - name: of_${format}`,
      '    logicalType: object',
      '    properties:',
      ...columns,
    ]
    await writeFile(join(folder, 'contracts', `of_${format}.yaml`), `${contract.join('\n')}\n`)
  }
})
afterAll(() => directory[Symbol.asyncDispose]())

async function done(args: readonly string[]): Promise<{ rows: Record<string, unknown>[] }> {
  const { exitCode, out, notes } = await cinelake([...args, '--state', join(directory.path, 'state'), '--json'])
  if (exitCode !== 0) throw new Error(`cinelake ${args[0]} ended with ${exitCode}: ${notes}${out}`)
  return JSON.parse(out)
}

const ASKED = `id, text, whole::text AS whole, amount::text AS amount, measure::text AS measure, flag,
  to_char(day, 'YYYY-MM-DD') AS day, to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS moment`

let dayOfRun = 0
test('the rows of a table in any format are in the mart with their values, or are rejects that name them', async () => {
  await fc.assert(
    fc.asyncProperty(table, async (rows) => {
      dayOfRun += 1
      const date = new Date(Date.UTC(2026, 2, dayOfRun)).toISOString().slice(0, 10)
      const written = {
        csv: rows,
        json: rows,
        ndjson: rows,
        parquet: rows.map(parquetRow),
        xlsx: rows.map(xlsxRow),
        xml: rows.map(xmlRow),
        fixed: rows.map(fixedRow),
      }
      for (const format of FORMATS) {
        await WRITERS[format](written[format], join(folder, 'drop', `rows_${date.replaceAll('-', '')}.${format}`))
      }

      await done(['run', folder, '--window', date])

      for (const format of FORMATS) {
        const { rows: served } = await done([
          'query',
          '--limit',
          '1000',
          `SELECT ${ASKED} FROM of_${format} ORDER BY id`,
        ])
        const found = served.map((row) => ({
          ...row,
          measure: row['measure'] === null ? null : Number(row['measure']),
        }))
        const { rows: raws } = await done([
          'query',
          '--lake',
          '--limit',
          '1000',
          `SELECT raw FROM _rejects.of_${format} WHERE window_label = ${literal(date)}`,
        ])
        const rejected = raws.map(({ raw }) => Number(/^\D*(\d+)/.exec(String(raw))?.[1]))
        const held = written[format].filter(isHeld)
        expect({ format, found }).toEqual({ format, found: held.map((row) => meant(row, format)) })
        expect({ format, rejected: rejected.toSorted((a, b) => a - b) }).toEqual({
          format,
          rejected: written[format].filter((row) => !isHeld(row)).map(({ id }) => id),
        })
      }
    }),
    { numRuns: 4, endOnFailure: true },
  )
}, 300_000)
